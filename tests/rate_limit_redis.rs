//! Quotas that several nodes share, at a real Redis server.

#[path = "support/brokers.rs"]
mod brokers;

use brokers::{Broker, Redis};
use http::StatusCode;
use std::io::{Read, Write};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use wireline::Router;
use wireline::layer::rate_limit::window::Window;
use wireline::layer::rate_limit::{
    Key, LimiterFailed, OnFailure, Quota, QuotaLimiter, RateLimit, RedisRateLimiter, Spending,
    Verdict,
};
use wireline::test::TestClient;

const MINUTE: Duration = Duration::from_secs(60);

fn limiter_at(server: &Broker) -> RedisRateLimiter {
    RedisRateLimiter::new(&format!("redis://{}", server.address())).unwrap()
}

fn quota(max_requests: u32, window: Duration) -> Quota {
    Quota {
        name: "default".into(),
        max_requests,
        window,
    }
}

async fn spend(
    limiter: &RedisRateLimiter,
    key: &str,
    cost: u32,
    quota: &Quota,
) -> Result<Verdict, LimiterFailed> {
    match limiter.spend(&Key::text(key.to_owned()), cost, quota) {
        Spending::Now(verdict) => Ok(verdict),
        Spending::Later(verdict) => verdict.await,
    }
}

async fn bounded(test: impl Future<Output = ()>) {
    timeout(MINUTE, test).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s115_nodes_share_a_quota_to_the_last_request() {
    bounded(async {
        let server = Redis::new().start().unwrap();
        let nodes = [limiter_at(&server), limiter_at(&server)];
        for node in &nodes {
            assert!(
                spend(node, "warm", 1, &quota(9, MINUTE))
                    .await
                    .unwrap()
                    .allowed
            );
        }
        for round in 0..5 {
            let mut all = JoinSet::new();
            for at in 0..400 {
                let node = nodes[at % 2].clone();
                all.spawn(async move {
                    spend(&node, &format!("round {round}"), 1, &quota(100, MINUTE)).await
                });
            }
            let verdicts = all.join_all().await;
            let verdicts: Vec<Verdict> = verdicts.into_iter().map(Result::unwrap).collect();
            let mut left: Vec<_> = (verdicts.iter().filter(|verdict| verdict.allowed))
                .map(|verdict| verdict.remaining.unwrap())
                .collect();
            left.sort_unstable();
            assert!(left.into_iter().eq(0..100));
            for verdict in verdicts.iter().filter(|verdict| !verdict.allowed) {
                assert_eq!(verdict.remaining, Some(0));
                // 100 in the window before are worth 99 a hundredth into the present one.
                let reset = verdict.reset.unwrap();
                assert!(
                    reset > Duration::from_secs(55) && reset < Duration::from_secs(61),
                    "{reset:?}"
                );
            }
        }
        // Others have their own: another key, name or window.
        let [node, _] = &nodes;
        for (key, name, window) in [
            ("other", "default", 60),
            ("round 1", "x", 60),
            ("round 1", "default", 61),
        ] {
            let quota = Quota {
                name: name.into(),
                max_requests: 5,
                window: Duration::from_secs(window),
            };
            let verdict = spend(node, key, 2, &quota).await.unwrap();
            assert_eq!((verdict.allowed, verdict.remaining), (true, Some(3)));
            let verdict = spend(node, key, 4, &quota).await.unwrap();
            assert_eq!((verdict.allowed, verdict.remaining), (false, Some(3)));
            let never = spend(node, key, 6, &quota).await.unwrap();
            assert_eq!(
                (never.allowed, never.reset),
                (false, Some(Duration::from_secs(window)))
            );
        }
        // The largest numbers there are do no harm.
        let vast = quota(u32::MAX, Duration::from_secs(366 * 24 * 60 * 60));
        let verdict = spend(node, "vast", u32::MAX - 1, &vast).await.unwrap();
        assert_eq!((verdict.allowed, verdict.remaining), (true, Some(1)));
        // No key tells of whom it is, and none stays.
        let keys = server.ask("KEYS *\r\n").unwrap();
        assert!(
            keys.contains("wireline:rate:") && !keys.contains("round"),
            "{keys}"
        );
        for key in keys.lines().filter(|line| line.starts_with("wireline")) {
            assert!(
                !server
                    .ask(&format!("PTTL {key}\r\n"))
                    .unwrap()
                    .starts_with(":-")
            );
        }
    })
    .await;
}

#[tokio::test]
async fn no_span_of_time_has_more_than_the_quota_and_what_it_gives() {
    bounded(async {
        let server = Redis::new().start().unwrap();
        let limiter = limiter_at(&server);
        let (length, most) = (Duration::from_millis(400), 40);
        let begun = Instant::now();
        let mut allowed = Vec::new();
        while begun.elapsed() < length * 5 {
            let before = begun.elapsed();
            let verdict = spend(&limiter, "k", 1, &quota(most, length)).await.unwrap();
            if verdict.allowed {
                allowed.push((before, begun.elapsed()));
            } else if allowed.len() % 3 == 0 {
                // What is told comes true.
                sleep(verdict.reset.unwrap() + Duration::from_millis(2)).await;
                let verdict = spend(&limiter, "k", 1, &quota(most, length)).await.unwrap();
                assert!(verdict.allowed, "{verdict:?}");
                allowed.push((begun.elapsed(), begun.elapsed()));
            }
        }
        for (place, (from, _)) in allowed.iter().enumerate() {
            for (count, (_, to)) in (1u32..).zip(&allowed[place..]) {
                let span = (*to - *from + Duration::from_millis(2)).as_secs_f64();
                let gives = f64::from(most) * span / length.as_secs_f64();
                assert!(
                    f64::from(count) <= f64::from(most) + gives + 1.0,
                    "{count} in {span}"
                );
            }
        }
        // Nor is it much less.
        assert!(allowed.len() > 150, "{}", allowed.len());
    })
    .await;
}

#[tokio::test]
async fn s115_when_the_server_is_away_requests_pass_or_do_not_as_was_said_and_come_back() {
    bounded(async {
        let mut server = Redis::new().start().unwrap();
        let limiter = limiter_at(&server);
        let limit = RateLimit::new(3, MINUTE).limiter(limiter.clone());
        let strict = limit
            .clone()
            .name("strict")
            .on_failure(OnFailure::Refuse, MINUTE);
        let client = |limit: &RateLimit| {
            let routes = Router::new().layer(limit.clone()).get("/", async || "well");
            TestClient::new(routes.build().unwrap())
        };
        let (open, closed) = (client(&limit), client(&strict));
        let status = async |client: &TestClient| client.get("/").await.status;
        for client in [&open, &closed] {
            for _ in 0..3 {
                assert_eq!(status(client).await, StatusCode::OK);
            }
            assert_eq!(status(client).await, StatusCode::TOO_MANY_REQUESTS);
        }
        assert_eq!(limit.failures(), 0);

        // Frozen: nobody waits for long, and all but the first ones not at all.
        server.freeze().unwrap();
        let begun = Instant::now();
        for _ in 0..20 {
            assert_eq!(status(&open).await, StatusCode::OK);
            assert_eq!(status(&closed).await, StatusCode::SERVICE_UNAVAILABLE);
        }
        assert!(
            begun.elapsed() < Duration::from_millis(1500),
            "{:?}",
            begun.elapsed()
        );
        server.thaw().unwrap();
        until(async || status(&open).await == StatusCode::TOO_MANY_REQUESTS).await;
        assert_eq!(status(&closed).await, StatusCode::TOO_MANY_REQUESTS);

        // Gone.
        server.kill();
        let begun = Instant::now();
        for _ in 0..20 {
            assert_eq!(status(&open).await, StatusCode::OK);
            assert_eq!(status(&closed).await, StatusCode::SERVICE_UNAVAILABLE);
        }
        assert!(
            begun.elapsed() < Duration::from_secs(1),
            "{:?}",
            begun.elapsed()
        );
        assert!(limit.failures() >= 40);
        until(async || {
            let failed = spend(&limiter, "k", 1, &quota(1, MINUTE))
                .await
                .unwrap_err();
            failed.to_string().contains("refused")
        })
        .await;

        // Back, with nothing in it; and it has forgotten the script.
        server.restart().unwrap();
        let begun = Instant::now();
        until(async || status(&closed).await == StatusCode::OK).await;
        assert!(
            begun.elapsed() < Duration::from_secs(2),
            "{:?}",
            begun.elapsed()
        );
        // Started again while nobody asked: the next one is not refused for that.
        server.restart().unwrap();
        let failures = limit.failures();
        sleep(Duration::from_millis(1500)).await;
        assert_eq!(status(&closed).await, StatusCode::OK);
        assert_eq!(limit.failures(), failures);
        server.ask("SCRIPT FLUSH\r\n").unwrap();
        status(&closed).await;
        until(async || status(&closed).await == StatusCode::TOO_MANY_REQUESTS).await;
    })
    .await;
}

#[tokio::test]
async fn a_server_that_was_never_there_fails_and_names_no_password() {
    bounded(async {
        let port = brokers::free_port().unwrap();
        let limiter = RedisRateLimiter::new(&format!("redis://:s3cret@127.0.0.1:{port}")).unwrap();
        let failed = spend(&limiter, "k", 1, &quota(1, MINUTE))
            .await
            .unwrap_err();
        for text in [
            failed.to_string(),
            format!("{failed:?}"),
            format!("{limiter:?}"),
        ] {
            assert!(!text.contains("s3cret"), "{text}");
        }
        assert!(RedisRateLimiter::new("http://x").is_err());
    })
    .await;
}

/// What the server gives is what the windows in memory give at the same millisecond, whichever of those it was.
#[tokio::test]
async fn the_server_counts_as_the_memory_does() {
    bounded(async {
        let server = Redis::new().start().unwrap();
        let limiter = limiter_at(&server);
        let mut clock = std::net::TcpStream::connect(server.address()).unwrap();
        let mut time = move || {
            clock.write_all(b"TIME\r\n").unwrap();
            let mut answer = [0; 64];
            let octets = clock.read(&mut answer).unwrap();
            let lines: Vec<_> = str::from_utf8(&answer[..octets]).unwrap().lines().collect();
            let number = |at: usize| wireline::wire::number::decimal(lines[at].as_bytes()).unwrap();
            number(2) * 1000 + number(4) / 1000
        };
        let (mut seed, mut refused) = (1u64, 0);
        let mut random = move |most: u64| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % most
        };
        for (most, millis, cost) in [
            (5, 40, 1),
            (7, 53, 3),
            (1000, 60, 400),
            (u32::MAX, 50, u32::MAX / 3),
            (3_000_000_019, 366 * 24 * 60 * 60 * 1000, 900_000_007),
            (1, 1, 1),
        ] {
            let quota = quota(most, Duration::from_millis(millis));
            let key = format!("{most} {millis}");
            // All the windows that it may be.
            let mut windows = vec![Window::default()];
            for _ in 0..120 {
                let cost = 1 + u32::try_from(random(cost.into())).unwrap();
                let begun = time();
                let verdict = spend(&limiter, &key, cost, &quota).await.unwrap();
                let ended = time();
                let mut then = Vec::new();
                for (window, now) in windows
                    .iter()
                    .flat_map(|window| (begun..=ended).map(move |now| (window, now)))
                {
                    let mut window = *window;
                    let spent = window.spend(Duration::from_millis(now), cost, most, quota.window);
                    let reset = u64::try_from(spent.reset.as_nanos().div_ceil(1_000_000)).unwrap();
                    let same = Verdict {
                        allowed: spent.allowed,
                        remaining: Some(spent.remaining),
                        reset: Some(Duration::from_millis(reset)),
                    };
                    if same == verdict && !then.contains(&window) {
                        then.push(window);
                    }
                }
                assert!(
                    !then.is_empty(),
                    "{verdict:?} for {cost} of {most} in {millis}: {windows:?}"
                );
                windows = then;
                refused += u32::from(!verdict.allowed);
                sleep(Duration::from_millis(random(12))).await;
            }
        }
        assert!(refused > 100, "{refused}");
    })
    .await;
}

#[tokio::test]
async fn a_user_with_the_rights_of_the_documents_is_enough() {
    bounded(async {
        // docs/rate_limits.md
        let rights = "resetkeys resetchannels -@all ~wireline:rate:* +@connection +script|load +evalsha +time +hmget +hset +pexpire";
        let rights: Vec<&str> = ["on", ">secret"].into_iter().chain(rights.split_whitespace()).collect();
        let server = Redis::new().password("other").user("ada", &rights).start().unwrap();
        let limiter = RedisRateLimiter::new(&format!("redis://ada:secret@{}", server.address())).unwrap();
        for expected in [true, true, false] {
            assert_eq!(spend(&limiter, "k", 1, &quota(2, MINUTE)).await.unwrap().allowed, expected);
        }
    })
    .await;
}

/// Waits until it is so, asking again and again.
async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    while !is_so().await {
        sleep(Duration::from_millis(20)).await;
    }
}
