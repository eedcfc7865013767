//! Rate limits (S110 to S114, D16 to D18, RL-1 to RL-6): how much is allowed, to whom, and what is told.

#[path = "support/h2_peer.rs"]
mod h2_peer;

use bytes::Bytes;
use http::{Method, StatusCode};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, advance};
use wireline::Request;
use wireline::layer::rate_limit::{
    InMemoryRateLimiter, Key, LimiterFailed, OnFailure, Quota, QuotaLimiter, RateLimit,
    RateLimiter, Spending, Verdict,
};
use wireline::resource::addr::{ConnInfo, PeerAddr};
use wireline::router::{Router, Routes};
use wireline::service::handler::Service;
use wireline::service::layer::{Before, Layer, Note, Place};
use wireline::service::trusted::TrustedProxies;
use wireline::test::{TestClient, TestResponse};
use wireline::ws::socket::WebSocket;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn routes(limit: RateLimit) -> Routes {
    let router = Router::new().layer(limit);
    router
        .get("/", async || "hello")
        .get("/users/{id}", async || "one")
        .post("/", async || "new")
        .build()
        .unwrap()
}

async fn statuses(client: &TestClient, path: &str, count: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..count {
        statuses.push(client.get(path).await.status.as_u16());
    }
    statuses
}

/// A request of a client at this address.
#[expect(
    clippy::disallowed_methods,
    reason = "the addresses are written in this file"
)]
fn from(address: &str, path: &str) -> Request {
    let mut request = Request::get(path);
    let peer: IpAddr = address.parse().unwrap();
    let peer = PeerAddr::Inet(SocketAddr::new(peer, 1234));
    request.extensions_mut().insert(ConnInfo {
        peer,
        ..ConnInfo::default()
    });
    request
}

async fn status(service: &impl Service, request: Request) -> u16 {
    service.call(request).await.status().as_u16()
}

#[tokio::test(start_paused = true)]
async fn s110_s111_so_many_in_a_sliding_window() {
    let client = TestClient::new(routes(RateLimit::new(4, 10 * SECOND)));
    assert_eq!(
        statuses(&client, "/", 6).await,
        [200, 200, 200, 200, 429, 429]
    );
    // The second window begins with all of the first one.
    advance(10 * SECOND).await;
    assert_eq!(statuses(&client, "/", 1).await, [429]);
    // Half of it later, half of the first one is gone.
    advance(5 * SECOND).await;
    assert_eq!(statuses(&client, "/", 3).await, [200, 200, 429]);
    // Behind two windows without a request nothing is left of them.
    advance(20 * SECOND).await;
    assert_eq!(statuses(&client, "/", 5).await, [200, 200, 200, 200, 429]);
}

#[tokio::test(start_paused = true)]
async fn s111_a_refusal_says_what_the_limit_is_and_when_to_come_again() {
    let client = TestClient::new(routes(RateLimit::new(2, 30 * SECOND).name("reads")));
    statuses(&client, "/", 2).await;
    advance(Duration::from_millis(500)).await;
    let refused = client.get("/").await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    // At 45 s half of the window with two is gone.
    assert_eq!(refused.header("retry-after"), Some("45"));
    assert_eq!(
        refused.header("ratelimit-policy"),
        Some("\"reads\";q=2;w=30")
    );
    assert_eq!(refused.header("ratelimit"), Some("\"reads\";r=0;t=45"));
    assert_eq!(refused.text(), "too many requests: try again in 45 s\n");
    advance(44 * SECOND).await;
    assert_eq!(client.get("/").await.status, 429);
    advance(SECOND).await;
    let allowed = client.get("/").await;
    assert_eq!(allowed.status, 200);
    assert!(allowed.header("ratelimit").is_none(), "off by default");
}

#[tokio::test(start_paused = true)]
async fn f38_what_is_left_is_told_of_each_limit() {
    let inner = Router::new()
        .layer(RateLimit::new(2, MINUTE).name("write").tell_remaining(true))
        .get("/", async || "hello");
    let routes = Router::new()
        .layer(RateLimit::new(10, Duration::from_millis(1500)).tell_remaining(true))
        .nest("/w", inner)
        .build()
        .unwrap();
    let client = TestClient::new(routes);
    let lines = |answer: &TestResponse, name: &str| -> Vec<String> {
        let lines = answer.headers.get_all(name);
        lines
            .map(|line| line.to_str().unwrap().to_owned())
            .collect()
    };
    let answer = client.get("/w").await;
    assert_eq!(
        lines(&answer, "ratelimit"),
        ["\"write\";r=1;t=60", "\"default\";r=9;t=2"]
    );
    assert_eq!(
        lines(&answer, "ratelimit-policy"),
        ["\"write\";q=2;w=60", "\"default\";q=10;w=2"]
    );
    client.get("/w").await;
    let refused = client.get("/w").await;
    assert_eq!(refused.status, 429);
    assert_eq!(
        lines(&refused, "ratelimit"),
        ["\"write\";r=0;t=90", "\"default\";r=7;t=2"]
    );
}

/// Where a key stands follows from a hash with a seed of the limiter's own: keys that push one another out of one limiter do not out of
/// another, so that nobody can choose them.
#[test]
fn rl6_which_keys_share_a_place_differs_from_limiter_to_limiter() {
    const KEYS: usize = 3000;
    let quota = Quota {
        name: "flood".into(),
        max_requests: 1,
        window: MINUTE,
    };
    let keys: Vec<Key> = (0..KEYS)
        .map(|number| Key::text(number.to_string()))
        .collect();
    // Not as many as there are places; but where more belong to a bucket than it holds, some go.
    let forgotten = || {
        let limiter = InMemoryRateLimiter::with_capacity(4096);
        let spend = |key: &Key| match limiter.spend(key, 1, &quota) {
            Spending::Now(verdict) => verdict.allowed,
            Spending::Later(_) => panic!("it waits for nobody"),
        };
        assert!(keys.iter().all(spend));
        keys.iter().map(spend).collect::<Vec<_>>()
    };
    let (one, other) = (forgotten(), forgotten());
    let count = |all: &[bool]| all.iter().filter(|is_forgotten| **is_forgotten).count();
    assert!(
        (KEYS / 50..KEYS / 2).contains(&count(&one)),
        "{}",
        count(&one)
    );
    let differ = one.iter().zip(&other).filter(|(one, other)| one != other);
    // As many as chance has it, or nearly.
    assert!(differ.count() > count(&one) / 2);
}

#[tokio::test(start_paused = true)]
async fn d17_rl2_a_client_is_an_address_or_a_64() {
    let routes = routes(RateLimit::new(1, MINUTE));
    assert_eq!(status(&routes, from("192.0.2.1", "/")).await, 200);
    assert_eq!(
        status(&routes, from("::ffff:192.0.2.1", "/")).await,
        429,
        "the same address"
    );
    assert_eq!(status(&routes, from("192.0.2.2", "/")).await, 200);
    assert_eq!(status(&routes, from("2001:db8::1", "/")).await, 200);
    for low in 2..1000u32 {
        let address = format!("2001:db8::{:x}:{low:x}", low * 7);
        assert_eq!(status(&routes, from(&address, "/")).await, 429, "{address}");
    }
    assert_eq!(status(&routes, from("2001:db8:0:1::1", "/")).await, 200);
}

#[tokio::test(start_paused = true)]
async fn rl1_spoofed_fields_are_nobodys_address() {
    let limited = || routes(RateLimit::new(1, MINUTE));
    // Without trusted proxies no field counts, whatever its shape.
    let routes = limited();
    assert_eq!(status(&routes, from("192.0.2.1", "/")).await, 200);
    for number in 0..2000u32 {
        let spoofed = std::net::Ipv4Addr::from(number.wrapping_mul(2_654_435_761));
        let mut request = from("192.0.2.1", "/");
        let fields = request.headers_mut();
        let (name, value) = match number % 7 {
            0 => ("x-forwarded-for", spoofed.to_string()),
            1 => ("x-forwarded-for", format!("{spoofed}, 10.0.0.1")),
            2 => ("forwarded", format!("for={spoofed};proto=https")),
            3 => ("forwarded", format!("for=\"[2001:db8::{number:x}]:80\"")),
            4 => ("x-real-ip", spoofed.to_string()),
            5 => ("x-forwarded-for", format!("{spoofed}:80,junk,,\"")),
            _ => ("cf-connecting-ip", spoofed.to_string()),
        };
        fields.try_insert(name, value).unwrap();
        assert_eq!(status(&routes, request).await, 429, "{number}");
    }
    // From a trusted proxy the rightmost one that is none of its kind counts, not what stands left of it.
    let proxied = TrustedProxies::new(["10.0.0.0/8"])
        .unwrap()
        .around(limited());
    let forwarded = |value: &str| {
        let mut request = from("10.0.0.1", "/");
        let value = value.to_owned();
        request
            .headers_mut()
            .try_insert("x-forwarded-for", value)
            .unwrap();
        request
    };
    assert_eq!(status(&proxied, forwarded("203.0.113.9")).await, 200);
    for number in 0..200u32 {
        let spoofed = std::net::Ipv4Addr::from(number.wrapping_mul(2_654_435_761));
        let value = format!("{spoofed}, 203.0.113.9, 10.9.9.9");
        assert_eq!(status(&proxied, forwarded(&value)).await, 429, "{value}");
    }
    assert_eq!(status(&proxied, forwarded("203.0.113.10")).await, 200);
    // Nor does a proxy's word count that is not on the list.
    let mut untrusted = from("11.0.0.1", "/");
    untrusted
        .headers_mut()
        .try_insert("x-forwarded-for", "203.0.113.11")
        .unwrap();
    assert_eq!(status(&proxied, untrusted).await, 200);
    assert_eq!(
        status(&proxied, forwarded("203.0.113.11")).await,
        200,
        "it was not that one"
    );
}

#[tokio::test(start_paused = true)]
async fn rl4_the_time_of_day_does_not_count() {
    // The clock is tokio's, which is monotonic: paused, it stands still however much of the day goes by.
    let routes = routes(RateLimit::new(1, Duration::from_millis(20)));
    assert_eq!(status(&routes, from("192.0.2.1", "/")).await, 200);
    std::thread::sleep(Duration::from_millis(60));
    assert_eq!(status(&routes, from("192.0.2.1", "/")).await, 429);
    advance(Duration::from_millis(40)).await;
    assert_eq!(status(&routes, from("192.0.2.1", "/")).await, 200);
}

#[test]
fn rl5_tasks_on_many_threads_are_allowed_what_there_is() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_time()
        .build()
        .unwrap();
    let routes = Arc::new(routes(RateLimit::new(100, 3600 * SECOND)));
    let allowed = Arc::new(AtomicUsize::new(0));
    runtime.block_on(async {
        let tasks: Vec<_> = (0..64)
            .map(|_| {
                let (routes, allowed) = (routes.clone(), allowed.clone());
                tokio::spawn(async move {
                    for _ in 0..50 {
                        if status(&*routes, from("192.0.2.1", "/")).await == 200 {
                            allowed.fetch_add(1, Ordering::Relaxed);
                        }
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!(allowed.load(Ordering::Relaxed), 100);
}

#[tokio::test(start_paused = true)]
async fn rl3_a_flood_of_keys_has_a_ceiling() {
    let limiter = InMemoryRateLimiter::new();
    let quota = Quota {
        name: "default".into(),
        max_requests: 1,
        window: 3600 * SECOND,
    };
    for number in 0..300_000u32 {
        let key = Key::address(std::net::Ipv4Addr::from(number).into());
        let spending = limiter.spend(&key, 1, &quota);
        assert!(matches!(
            spending,
            Spending::Now(Verdict { allowed: true, .. })
        ));
    }
    assert_eq!(limiter.keys(), 300_000, "none was forgotten");
    assert!(limiter.memory() < 64 << 20, "{}", limiter.memory());
    let small = InMemoryRateLimiter::with_capacity(0);
    for number in 0..100_000u32 {
        small.spend(
            &Key::address(std::net::Ipv4Addr::from(number).into()),
            1,
            &quota,
        );
    }
    assert_eq!(small.keys(), 4096);
    assert!(small.memory() < 128 << 10, "{}", small.memory());
}

#[tokio::test(start_paused = true)]
async fn what_looks_like_a_preflight_is_counted_where_nobody_answers_it() {
    let routes = Router::new()
        .layer(RateLimit::new(2, MINUTE))
        .any("/login", async |method: Method| method.to_string());
    let client = TestClient::new(routes.build().unwrap());
    for expected in [200, 200, 429, 429] {
        let answer = client
            .method(Method::OPTIONS, "/login")
            .header("origin", "https://a.example")
            .header("access-control-request-method", "POST")
            .body("name=ada&password=guessed")
            .await;
        assert_eq!(answer.status, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn d18_everything_else_is_counted() {
    let client = TestClient::new(routes(RateLimit::new(2, MINUTE)));
    // HEAD, 404 and 405 among it.
    assert_eq!(client.method(Method::OPTIONS, "/").await.status, 204);
    assert_eq!(client.get("/nowhere").await.status, 404);
    assert_eq!(client.head("/").await.status, 429);
    assert_eq!(client.delete("/").await.status, 429);
}

#[tokio::test(start_paused = true)]
async fn f38_whose_requests_are_counted_together() {
    let with = |value: &str, path: &str| {
        let mut request = from("192.0.2.1", path);
        request
            .headers_mut()
            .try_insert("x-api-key", value.to_owned())
            .unwrap();
        request
    };
    // By a field: the client, where there is none; and no value is a client.
    let by_key = routes(RateLimit::new(1, MINUTE).by_header("X-Api-Key"));
    for (request, expected) in [
        (with("a", "/"), 200),
        (with("b", "/"), 200),
        (with("a", "/"), 429),
        (with("192.0.2.1", "/"), 200),
        (from("192.0.2.1", "/"), 200),
        (from("192.0.2.1", "/"), 429),
        (from("192.0.2.2", "/"), 200),
    ] {
        assert_eq!(status(&by_key, request).await, expected);
    }
    // By route, all clients together; and each client at each route.
    let by_route = routes(RateLimit::new(1, MINUTE).by_route());
    let per_route = routes(RateLimit::new(1, MINUTE).per_route());
    for (address, path, by, per) in [
        ("192.0.2.1", "/users/1", 200, 200),
        ("192.0.2.1", "/users/2", 429, 429),
        ("192.0.2.2", "/users/1", 429, 200),
        ("192.0.2.2", "/", 200, 200),
        ("192.0.2.2", "/", 429, 429),
    ] {
        assert_eq!(
            status(&by_route, from(address, path)).await,
            by,
            "{address} {path}"
        );
        assert_eq!(
            status(&per_route, from(address, path)).await,
            per,
            "{address} {path}"
        );
    }
    // By whatever a function finds.
    let tenant = |request: &Request| Some(Key::text(request.query()?.to_owned()));
    let by_tenant = routes(RateLimit::new(1, MINUTE).by(tenant));
    for (path, expected) in [
        ("/?a", 200),
        ("/?b", 200),
        ("/?a", 429),
        ("/", 200),
        ("/", 429),
    ] {
        assert_eq!(
            status(&by_tenant, from("192.0.2.1", path)).await,
            expected,
            "{path}"
        );
    }
}

/// The user's name stands in a field.
struct Login;

impl Layer for Login {
    fn place(&self) -> Place {
        Place::Auth
    }

    fn before(&self, request: &mut Request, _: &mut Note) -> Before {
        if let Some(user) = request
            .header("user")
            .map(|user| user.to_str().unwrap().to_owned())
        {
            request.set_extension("user", user);
        }
        Before::Go
    }
}

#[tokio::test(start_paused = true)]
async fn f38_users_are_counted_behind_their_authentication() {
    let user = |request: &Request| request.extension("user").map(str::to_owned);
    let routes = Router::new()
        .layer(RateLimit::new(1, MINUTE).by_user(user))
        .layer(Login)
        .get("/", async || "hello")
        .build()
        .unwrap();
    let client = TestClient::new(routes);
    let mut statuses = Vec::new();
    for user in ["ann", "bob", "ann", "local"] {
        statuses.push(client.get("/").header("user", user).await.status.as_u16());
    }
    assert_eq!(statuses, [200, 200, 429, 200]);
    assert_eq!(client.get("/").await.status, 200);
    assert_eq!(client.get("/").await.status, 429);
}

#[tokio::test(start_paused = true)]
async fn f38_requests_cost_what_is_said_and_some_nothing() {
    let cost = |request: &Request| {
        if *request.method() == Method::POST {
            5
        } else {
            1
        }
    };
    let client = TestClient::new(routes(
        RateLimit::new(10, MINUTE)
            .cost(cost)
            .exempt(|request| request.path() == "/users/1"),
    ));
    assert_eq!(client.post("/").await.status, 200);
    assert_eq!(statuses(&client, "/", 3).await, [200, 200, 200]);
    assert_eq!(client.post("/").await.status, 429, "two are left");
    assert_eq!(statuses(&client, "/", 3).await, [200, 200, 429]);
    assert_eq!(statuses(&client, "/users/1", 3).await, [200, 200, 200]);
}

/// As a user would write one: so many for each key, in all.
#[derive(Clone, Default)]
struct Simple(Arc<Mutex<HashMap<String, u32>>>);

impl RateLimiter for Simple {
    fn check(
        &self,
        key: &str,
        max_requests: u32,
        window_secs: u64,
    ) -> Pin<Box<dyn Future<Output = bool> + Send>> {
        let (counts, key) = (self.0.clone(), format!("{key}/{window_secs}"));
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let mut counts = counts.lock().unwrap();
            let count = counts.entry(key).or_default();
            *count += 1;
            *count <= max_requests
        })
    }
}

#[tokio::test(start_paused = true)]
async fn s113_s114_a_limiter_of_ones_own_before_or_after_the_quota() {
    let simple = Simple::default();
    let shared: Arc<dyn RateLimiter> = Arc::new(simple.clone());
    for limit in [
        RateLimit::new(2, MINUTE).limiter(simple.clone()),
        RateLimit::new(9, SECOND)
            .limiter(simple.clone())
            .quota(2, MINUTE),
        RateLimit::new(2, MINUTE)
            .limiter(shared)
            .tell_remaining(true),
    ] {
        simple.0.lock().unwrap().clear();
        let routes = routes(limit);
        for expected in [200, 200, 429] {
            assert_eq!(status(&routes, from("192.0.2.1", "/")).await, expected);
        }
        assert_eq!(status(&routes, from("2001:db8::7", "/")).await, 200);
        let mut keys: Vec<String> = simple.0.lock().unwrap().keys().cloned().collect();
        keys.sort();
        assert_eq!(keys, ["192.0.2.1/60", "2001:db8::/64/60"]);
    }
    let named = routes(
        RateLimit::new(1, MINUTE)
            .limiter(simple.clone())
            .name("login"),
    );
    status(&named, from("192.0.2.1", "/")).await;
    assert!(simple.0.lock().unwrap().contains_key("login:192.0.2.1/60"));
    // It knows no more than yes and no.
    let refused = named.call(from("192.0.2.1", "/")).await;
    assert!(
        refused
            .headers()
            .get("retry-after")
            .is_some_and(|seconds| seconds == "60")
    );
    assert!(
        refused
            .headers()
            .get("ratelimit")
            .is_some_and(|left| left == "\"login\";r=0;t=60")
    );
}

#[tokio::test(start_paused = true)]
async fn d16_one_limiter_counts_for_several_limits_apart() {
    let limiter = InMemoryRateLimiter::new();
    let group = |name: &'static str| {
        let limit = RateLimit::new(1, MINUTE).limiter(limiter.clone());
        let limit = if name.is_empty() {
            limit
        } else {
            limit.name(name)
        };
        Router::new().layer(limit).get("/", async || "hello")
    };
    let routes = Router::new()
        .nest("/a", group("a"))
        .nest("/b", group("b"))
        .nest("/c", group(""))
        .nest("/d", group(""))
        .build()
        .unwrap();
    let client = TestClient::new(routes);
    for (path, expected) in [
        ("/a", 200),
        ("/b", 200),
        ("/c", 200),
        ("/d", 429),
        ("/a", 429),
    ] {
        assert_eq!(client.get(path).await.status, expected, "{path}");
    }
    assert_eq!(limiter.keys(), 3);
}

/// Fails, or never says anything.
struct Away(bool);

impl QuotaLimiter for Away {
    fn spend(&self, _: &Key, _: u32, _: &Quota) -> Spending {
        let hangs = self.0;
        Spending::Later(Box::pin(async move {
            if hangs {
                std::future::pending::<()>().await;
            }
            Err(LimiterFailed::new("nobody is there"))
        }))
    }
}

#[tokio::test(start_paused = true)]
async fn d16_a_limiter_that_fails_lets_pass_or_closes() {
    for hangs in [false, true] {
        for (what, expected) in [(OnFailure::Allow, 200), (OnFailure::Refuse, 503)] {
            let limit = RateLimit::new(1, MINUTE)
                .limiter(Away(hangs))
                .on_failure(what, SECOND);
            let kept = limit.clone();
            let client = TestClient::new(routes(limit));
            let begun = Instant::now();
            let answer = client.get("/").await;
            assert_eq!(answer.status, expected);
            assert_eq!(kept.failures(), 1);
            assert_eq!(answer.header("retry-after").is_some(), expected == 503);
            assert_eq!(begun.elapsed(), if hangs { SECOND } else { Duration::ZERO });
        }
    }
}

#[test]
fn d16_what_cannot_be_counted_is_refused_at_start_up() {
    let limit = || RateLimit::new(1, MINUTE);
    for (limit, what) in [
        (RateLimit::new(0, MINUTE), "a quota of no requests"),
        (RateLimit::new(1, Duration::ZERO), "a window"),
        (RateLimit::new(1, Duration::MAX), "a window"),
        (limit().name(""), "a name"),
        (limit().name("a\"b"), "a name"),
        (limit().name("a\r\nb"), "a name"),
        (limit().by_header("x y"), "no such name"),
        (
            limit().limiter(Simple::default()).cost(|_| 2),
            "not their cost",
        ),
        (
            limit().limiter(Simple::default()).quota(1, SECOND / 2),
            "whole seconds",
        ),
    ] {
        let wrong = Router::new().layer(limit).build().unwrap_err().to_string();
        assert!(
            wrong.starts_with("rate limit \"") && wrong.contains(what),
            "{wrong}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn s68_s22_sockets_and_streams_of_http2_are_counted_alike() {
    let routes = Router::new()
        .layer(RateLimit::new(3, MINUTE))
        .get("/", async || "hello")
        .websocket(
            "/ws",
            async |mut socket: WebSocket| while socket.recv_msg().await.is_some() {},
        )
        .build()
        .unwrap();
    let client = TestClient::new(routes);
    let sender = h2_peer::connect(&client).await;
    let ask = || h2_peer::ask(&sender, h2_peer::to("GET", "/").body(Bytes::new()).unwrap());
    assert_eq!(ask().await.unwrap().status, 200);
    let upgrade = || {
        client
            .get("/ws")
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
    };
    assert_eq!(upgrade().await.status, 101);
    assert_eq!(client.get("/").await.status, 200);
    let refused = upgrade().await;
    assert_eq!(refused.status, 429);
    assert!(refused.header("upgrade").is_none());
    let refused = ask().await.unwrap();
    assert_eq!(refused.status, 429);
    assert_eq!(refused.field("retry-after"), Some("80"));
    assert_eq!(refused.field("ratelimit"), Some("\"default\";r=0;t=80"));
}
