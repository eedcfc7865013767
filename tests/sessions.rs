//! Sessions: in the cookie and in a store, over every protocol; what is written when, and what is never taken over.

#[path = "support/h2_peer.rs"]
mod h2_peer;
#[path = "support/ws_peer.rs"]
mod ws_peer;

use bytes::Bytes;
use http::{Method, StatusCode};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use wireline::extract::Path;
use wireline::layer::auth::RequireScope;
use wireline::layer::session::{
    MemoryStore, Session, SessionError, SessionId, SessionStore, Sessions, Stored,
};
use wireline::service::cookie::{CookieError, Key, SameSite};
use wireline::service::middleware::Next;
use wireline::service::user::CurrentUser;
use wireline::test::{TestClient, TestResponse};
use wireline::ws::socket::WebSocket;
use wireline::{Error, Request, Response, Router};
use ws_peer::Peer;

fn key() -> Key {
    Key::new("a secret of the tests, long enough").unwrap()
}

async fn get(session: Session) -> Result<String, Error> {
    let user = session.get::<String>("user")?;
    Ok(user.unwrap_or_else(|| format!("nobody, new: {}", session.is_new())))
}

fn routes(sessions: Sessions) -> TestClient {
    let put = async |session: Session, Path(name): Path<String>| -> Result<&str, Error> {
        session.insert("user", name)?;
        Ok("put")
    };
    let login = async |session: Session, Path(name): Path<String>| -> Result<&str, Error> {
        session.renew()?;
        session.insert("user", name)?;
        Ok("welcome")
    };
    let logout = async |session: Session| session.destroy().map(|()| "bye");
    let again = async |session: Session| -> Result<&str, Error> {
        session.destroy()?;
        session.insert("user", "again")?;
        Ok("again")
    };
    let large = async |session: Session, Path(octets): Path<usize>| -> Result<&str, Error> {
        session.insert("user", "small")?;
        match session.insert("user", "x".repeat(octets)) {
            Ok(()) => Ok("kept"),
            Err(SessionError::TooLarge { .. }) => Ok("too large"),
            Err(error) => Err(error.into()),
        }
    };
    let routes = Router::new()
        .middleware(sessions)
        .get("/", get)
        .get("/plain", async || "plain")
        .post("/put/{name}", put)
        .post("/login/{name}", login)
        .post("/logout", logout)
        .post("/again", again)
        .post("/large/{octets}", large)
        .post("/remove", async |session: Session| {
            session.remove("user").map(|()| "gone")
        })
        .post("/clear", async |session: Session| {
            session.clear().map(|()| "empty")
        })
        .get("/number", async |session: Session| {
            session.get::<u8>("user").map(|_| "a number")
        })
        .get("/fails", async |session: Session| {
            session.insert("user", "written all the same").unwrap();
            StatusCode::IM_A_TEAPOT
        })
        .websocket("/ws", async |socket: WebSocket, session: Session| {
            let user = session.get::<String>("user").unwrap().unwrap_or_default();
            let late = session.insert("user", "late");
            let _ = socket.send(format!("{user} {late:?}")).await;
        });
    TestClient::new(routes.build().unwrap())
}

/// The cookie that a response sets, as a request sends it; and its attributes.
fn set(reply: &TestResponse) -> Option<(String, String)> {
    let mut lines = reply.headers.get_all("set-cookie");
    let line = lines.next()?.to_str().unwrap().to_owned();
    assert!(lines.next().is_none());
    let (cookie, attributes) = line.split_once("; ").unwrap();
    Some((cookie.to_owned(), attributes.to_owned()))
}

fn cookie(reply: &TestResponse) -> String {
    set(reply).expect("a cookie").0
}

fn both() -> [(&'static str, Sessions); 2] {
    [
        ("in the cookie", Sessions::in_cookie(key())),
        (
            "in a store",
            Sessions::in_store(key(), MemoryStore::default()),
        ),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_session_goes_from_request_to_request() {
    for (place, sessions) in both() {
        let client = routes(sessions);
        let reply = client.get("/").await;
        assert_eq!(reply.text(), "nobody, new: true", "{place}");
        // Nobody put anything in: there is nothing to remember.
        assert_eq!(set(&reply), None);
        let reply = client.post("/put/ada").await;
        let (ada, attributes) = set(&reply).unwrap();
        assert!(
            ada.starts_with("__Host-session=") && !ada.contains("ada"),
            "{ada}"
        );
        assert_eq!(
            attributes,
            "HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=1209600"
        );
        assert_eq!(reply.header("cache-control"), Some("private"));
        let reply = client.get("/").header("cookie", &*ada).await;
        assert_eq!(reply.text(), "ada", "{place}");
        // Nothing was changed, nothing is said.
        assert_eq!((set(&reply), reply.header("cache-control")), (None, None));
        let reply = client.get("/plain").header("cookie", &*ada).await;
        assert_eq!(set(&reply), None);
        // Beside other cookies, behind a planted one of the same name, and over HTTP/2.
        let beside = format!("theme=dark; __Host-session=planted; {ada}");
        assert_eq!(client.get("/").header("cookie", beside).await.text(), "ada");
        let http2 = h2_peer::connect(&client).await;
        let request = h2_peer::to("GET", "/").header("cookie", &ada);
        let reply = h2_peer::ask(&http2, request.body(Bytes::new()).unwrap())
            .await
            .unwrap();
        assert_eq!(reply.text(), "ada");
        // What a handler has put in is kept whatever it answers.
        let reply = client.get("/fails").await;
        assert_eq!(reply.status, StatusCode::IM_A_TEAPOT);
        let fails = cookie(&reply);
        assert_eq!(
            client.get("/").header("cookie", fails).await.text(),
            "written all the same"
        );
        // Values come out again, and the type counts.
        let reply = client.get("/number").header("cookie", &*ada).await;
        assert_eq!(reply.status, StatusCode::INTERNAL_SERVER_ERROR);
        for path in ["/remove", "/clear"] {
            let reply = client
                .post(path)
                .header("cookie", &*cookie(&client.post("/put/eve").await))
                .await;
            let left = cookie(&reply);
            let reply = client.get("/").header("cookie", left).await;
            assert_eq!(reply.text(), "nobody, new: false", "{place} {path}");
        }
        let reply = client.post("/remove").await;
        assert_eq!(set(&reply), None, "nothing was there");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cookie_that_is_not_ours_begins_a_new_session() {
    for (place, sessions) in both() {
        let client = routes(sessions);
        let ada = cookie(&client.post("/put/ada").await);
        let (name, value) = ada.split_once('=').unwrap();
        let other = Sessions::in_cookie(Key::random().unwrap());
        let theirs = cookie(&routes(other).post("/put/eve").await);
        let mut cookies = vec![
            theirs,
            format!("{name}="),
            format!("{name}=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
            format!("session={value}"),
        ];
        for place in 0..value.len() {
            cookies.push(format!("{name}={}", &value[..place]));
            let mut changed = value.as_bytes().to_vec();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            cookies.push(format!("{name}={}", String::from_utf8(changed).unwrap()));
        }
        for cookie in cookies {
            let reply = client.get("/").header("cookie", &*cookie).await;
            assert_eq!(reply.text(), "nobody, new: true", "{place} {cookie}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn logging_in_makes_a_planted_session_worth_nothing() {
    let store = MemoryStore::default();
    let client = routes(Sessions::in_store(key(), store.clone()));
    let planted = cookie(&client.post("/put/eve").await);
    assert_eq!(store.len(), 1);
    // The victim logs in with the attacker's session, and leaves it behind.
    let reply = client.post("/login/ada").header("cookie", &*planted).await;
    let own = cookie(&reply);
    assert_ne!(own, planted);
    assert_eq!(store.len(), 1);
    assert_eq!(client.get("/").header("cookie", &*own).await.text(), "ada");
    let reply = client.get("/").header("cookie", &*planted).await;
    assert_eq!(reply.text(), "nobody, new: true");
    // An id that the store does not have is not taken over either.
    let reply = client.post("/put/ada").header("cookie", &*planted).await;
    let fresh = cookie(&reply);
    assert_eq!(
        client.get("/").header("cookie", &*planted).await.text(),
        "nobody, new: true"
    );
    assert_eq!(client.get("/").header("cookie", fresh).await.text(), "ada");
    // Without renewing, the id stays.
    let reply = client.post("/put/ada2").header("cookie", &*own).await;
    assert_eq!(store.len(), 2);
    for cookie in [&own, &cookie(&reply)] {
        assert_eq!(
            client
                .get("/")
                .header("cookie", cookie.as_str())
                .await
                .text(),
            "ada2"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_destroyed_is_gone_here_and_there() {
    for (place, sessions) in both() {
        let client = routes(sessions);
        let ada = cookie(&client.post("/login/ada").await);
        let reply = client.post("/logout").header("cookie", &*ada).await;
        let (gone, attributes) = set(&reply).unwrap();
        assert_eq!(gone, "__Host-session=", "{place}");
        assert_eq!(
            attributes,
            "HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0"
        );
        if place == "in a store" {
            assert_eq!(
                client.get("/").header("cookie", &*ada).await.text(),
                "nobody, new: true"
            );
        }
        // Nobody who never had one is told to forget it.
        assert_eq!(set(&client.post("/logout").await), None);
        // What is put in afterwards begins a new one.
        let reply = client.post("/again").header("cookie", &*ada).await;
        let again = cookie(&reply);
        assert_ne!(again, ada);
        assert_eq!(
            client.get("/").header("cookie", again).await.text(),
            "again"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_is_written_again_when_half_of_its_time_is_over() {
    let day = Duration::from_secs(24 * 3600);
    for (place, sessions) in both() {
        // The same sessions, which were to live for a day when this one began.
        let ada = cookie(
            &routes(sessions.clone().lifetime(day))
                .post("/put/ada")
                .await,
        );
        for (lifetime, again) in [(day, false), (day * 19 / 10, false), (day * 3, true)] {
            let client = routes(sessions.clone().lifetime(lifetime));
            let reply = client.get("/plain").header("cookie", &*ada).await;
            assert_eq!(set(&reply).is_some(), again, "{place} {lifetime:?}");
            if let Some((cookie, attributes)) = set(&reply) {
                assert!(attributes.ends_with("Max-Age=259200"), "{attributes}");
                assert_eq!(client.get("/").header("cookie", cookie).await.text(), "ada");
            }
            // One with a fixed end has it, whatever happens.
            let client = routes(sessions.clone().lifetime(lifetime).fixed());
            if place == "in the cookie" {
                let reply = client.get("/plain").header("cookie", &*ada).await;
                assert_eq!(set(&reply), None);
                let reply = client.post("/put/eve").header("cookie", &*ada).await;
                let (_, attributes) = set(&reply).unwrap();
                let (_, age) = attributes.rsplit_once('=').unwrap();
                assert!(["86400", "86399", "86398", "86397"].contains(&age), "{age}");
            }
        }
    }
}

/// A browser may keep a cookie for longer than it was told.
#[tokio::test]
async fn a_session_ends_here_too() {
    for (place, sessions) in both() {
        let client = routes(sessions.lifetime(Duration::from_secs(1)));
        let ada = cookie(&client.post("/put/ada").await);
        tokio::time::sleep(Duration::from_millis(1100)).await;
        let reply = client.get("/").header("cookie", &*ada).await;
        assert_eq!(reply.text(), "nobody, new: true", "{place}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_there_is_no_room_for_is_an_error_and_changes_nothing() {
    for ((place, sessions), most) in both()
        .into_iter()
        .zip([Sessions::IN_COOKIE, Sessions::IN_STORE])
    {
        let client = routes(sessions);
        let fits = most - r#"{"e":1234567890,"d":{"user":""}}"#.len();
        for (octets, text) in [(fits - 10, "kept"), (fits + 10, "too large")] {
            let reply = client.post(&format!("/large/{octets}")).await;
            assert_eq!(reply.text(), text, "{place}");
            let cookie = cookie(&reply);
            // What browsers keep.
            assert!(cookie.len() <= 4096, "{place} {}", cookie.len());
            let reply = client.get("/").header("cookie", cookie).await;
            let kept = if text == "kept" {
                "x".repeat(octets)
            } else {
                "small".to_owned()
            };
            assert_eq!(reply.text(), kept, "{place}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_websocket_reads_the_session_it_was_opened_with() {
    for (place, sessions) in both() {
        let client = routes(sessions);
        let ada = cookie(&client.post("/put/ada").await);
        let (mut peer, head) = Peer::ask(&client, "/ws", &format!("Cookie: {ada}\r\n")).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{place} {head}");
        assert_eq!(peer.text().await, "ada Err(Closed)");
        assert_eq!(client.get("/").header("cookie", &*ada).await.text(), "ada");
    }
}

#[test]
fn what_no_browser_would_take_is_refused_at_the_start() {
    let sessions = || Sessions::in_cookie(key());
    assert_eq!(sessions().cookie("a b").unwrap_err(), CookieError::Name);
    assert_eq!(sessions().domain("a b").unwrap_err(), CookieError::Domain);
    assert!(sessions().same_site(SameSite::None).is_ok());
    let insecure = || sessions().insecure().unwrap();
    assert_eq!(
        insecure().same_site(SameSite::None).unwrap_err(),
        CookieError::NotSecure
    );
    assert_eq!(
        insecure().cookie("__Host-a").unwrap_err(),
        CookieError::HostPrefix
    );
    let domain = sessions().domain("example.com").unwrap();
    assert_eq!(
        domain.clone().cookie("__Host-a").unwrap_err(),
        CookieError::HostPrefix
    );
    assert!(format!("{domain:?}").contains("__Secure-session"));
}

#[tokio::test(start_paused = true)]
async fn the_cookie_is_what_it_was_told_to_be() {
    let sessions = Sessions::in_cookie(key())
        .insecure()
        .unwrap()
        .same_site(SameSite::Strict);
    let reply = routes(sessions.unwrap()).post("/put/ada").await;
    let (cookie, attributes) = set(&reply).unwrap();
    assert!(cookie.starts_with("session="), "{cookie}");
    assert_eq!(
        attributes,
        "HttpOnly; SameSite=Strict; Path=/; Max-Age=1209600"
    );

    let sessions = Sessions::in_cookie(key()).domain("example.com").unwrap();
    let reply = routes(sessions).post("/put/ada").await;
    let (cookie, attributes) = set(&reply).unwrap();
    assert!(cookie.starts_with("__Secure-session="), "{cookie}");
    assert!(
        attributes.contains("; Secure; Path=/; Domain=example.com"),
        "{attributes}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_handler_without_the_middleware_is_told_what_is_missing() {
    let client = TestClient::new(Router::new().get("/", get).build().unwrap());
    assert_eq!(
        client.get("/").await.status,
        StatusCode::INTERNAL_SERVER_ERROR
    );
    assert!(SessionError::Absent.to_string().contains("`Sessions`"));
}

/// A store that is slow, and that can fail.
#[derive(Clone, Default)]
struct Remote {
    kept: MemoryStore,
    fails: Arc<AtomicBool>,
    log: Arc<Mutex<Vec<&'static str>>>,
}

impl Remote {
    async fn ask(&self, what: &'static str) -> Result<(), wireline::layer::session::StoreError> {
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.log.lock().unwrap().push(what);
        if self.fails.load(Ordering::SeqCst) {
            return Err("the store is down at 10.0.0.7".into());
        }
        Ok(())
    }
}

impl SessionStore for Remote {
    fn load<'a>(&'a self, id: &'a SessionId) -> Stored<'a, Option<Vec<u8>>> {
        Box::pin(async move {
            self.ask("load").await?;
            self.kept.load(id).await
        })
    }

    fn insert<'a>(&'a self, id: &'a SessionId, session: Vec<u8>, left: Duration) -> Stored<'a, ()> {
        Box::pin(async move {
            self.ask("insert").await?;
            self.kept.insert(id, session, left).await
        })
    }

    fn update<'a>(
        &'a self,
        id: &'a SessionId,
        session: Vec<u8>,
        left: Duration,
    ) -> Stored<'a, bool> {
        Box::pin(async move {
            self.ask("update").await?;
            self.kept.update(id, session, left).await
        })
    }

    fn remove<'a>(&'a self, id: &'a SessionId) -> Stored<'a, ()> {
        Box::pin(async move {
            self.ask("remove").await?;
            self.kept.remove(id).await
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_has_the_session_before_the_response_leaves() {
    let store = Remote::default();
    let client = routes(Sessions::in_store(key(), store.clone()));
    let log = || std::mem::take(&mut *store.log.lock().unwrap());
    let ada = cookie(&client.post("/put/ada").await);
    assert_eq!(log(), ["insert"]);
    assert_eq!(client.get("/").header("cookie", &*ada).await.text(), "ada");
    assert_eq!(log(), ["load"]);
    client.post("/put/ada").header("cookie", &*ada).await;
    assert_eq!(log(), ["load", "update"]);
    client.post("/login/ada").header("cookie", &*ada).await;
    assert_eq!(log(), ["load", "insert", "remove"]);
    client.get("/").await;
    client
        .get("/")
        .header("cookie", "__Host-session=nonsense")
        .await;
    assert_eq!(log(), [""; 0], "nobody asks for what cannot be there");

    // It fails: 503, and nothing of how.
    let eve = cookie(&client.post("/put/eve").await);
    store.fails.store(true, Ordering::SeqCst);
    for request in [
        client.get("/").header("cookie", &*eve),
        client.post("/put/eve"),
        client.post("/login/eve"),
    ] {
        let reply = request.await;
        assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(reply.text(), "sessions are not available, try again later");
        assert_eq!(reply.header("retry-after"), Some("5"));
        assert_eq!(set(&reply), None);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_exempt_does_without_the_store() {
    let store = Remote::default();
    let sessions = Sessions::in_store(key(), store.clone());
    let client = routes(sessions.exempt(|request| request.path() == "/plain"));
    let ada = cookie(&client.post("/put/ada").await);
    store.log.lock().unwrap().clear();
    store.fails.store(true, Ordering::SeqCst);
    let reply = client.get("/plain").header("cookie", &*ada).await;
    assert_eq!((reply.status, reply.text()), (StatusCode::OK, "plain"));
    assert!(store.log.lock().unwrap().is_empty());
    assert_eq!(client.get("/").header("cookie", &*ada).await.status, 503);

    let sessions = Sessions::in_cookie(key()).exempt(|request| request.path() == "/");
    let maybe = async |session: Option<Session>| session.is_some().to_string();
    let router = Router::new().middleware(sessions).get("/maybe", maybe);
    let client = TestClient::new(router.get("/", maybe).get("/asks", get).build().unwrap());
    assert_eq!(client.get("/").await.text(), "false");
    assert_eq!(client.get("/maybe").await.text(), "true");
}

/// Layers stand outside all middleware: what they ask for has to be asked in the handler.
#[tokio::test(start_paused = true)]
async fn layers_do_not_see_the_user_of_a_session() {
    async fn by_session(mut request: Request, next: Next) -> Response {
        let user = CurrentUser::new("ada").with_scopes(["admin"]);
        request.extensions_mut().insert(user);
        next.run(request).await
    }
    let closed = Router::new()
        .layer(RequireScope::new("admin"))
        .get("/closed", async || "open");
    let routes = Router::new()
        .middleware(Sessions::in_cookie(key()))
        .middleware(by_session)
        .get("/asks", async |user: CurrentUser| -> Result<&str, Error> {
            user.require_scope("admin")?;
            Ok("open")
        })
        .merge(closed);
    let client = TestClient::new(routes.build().unwrap());
    assert_eq!(client.get("/closed").await.status, 401);
    assert_eq!(client.get("/asks").await.text(), "open");
}

#[tokio::test(start_paused = true)]
async fn the_store_in_memory_has_a_ceiling_and_forgets() {
    let store = MemoryStore::new(100);
    let client = routes(Sessions::in_store(key(), store.clone()).lifetime(Duration::from_secs(60)));
    let mut cookies = Vec::new();
    for number in 0..250 {
        cookies.push(cookie(&client.post(&format!("/put/{number}")).await));
        assert!(store.len() <= 100);
        tokio::time::advance(Duration::from_millis(1)).await;
    }
    assert_eq!(store.len(), 100);
    // Those whose time would have been over first are gone.
    for (number, cookie) in cookies.iter().enumerate() {
        let reply = client.get("/").header("cookie", cookie.as_str()).await;
        let expected = if number < 150 {
            "nobody, new: true".to_owned()
        } else {
            number.to_string()
        };
        assert_eq!(reply.text(), expected);
    }
    tokio::time::advance(Duration::from_secs(61)).await;
    assert_eq!(
        client
            .get("/")
            .header("cookie", &*cookies[249])
            .await
            .text(),
        "nobody, new: true"
    );
    client.post("/put/last").await;
    assert_eq!(store.len(), 1);
}

/// Routes that wait between the session and the response.
fn slow(sessions: Sessions) -> TestClient {
    async fn wait() {
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    let routes = Router::new()
        .middleware(sessions)
        .get("/", get)
        .get("/slow", async || wait().await)
        .post(
            "/put/{name}",
            async |session: Session, Path(name): Path<String>| session.insert("user", name),
        )
        .post("/slow-put", async |session: Session| {
            wait().await;
            session.insert("user", "late")
        })
        .post("/logout", async |session: Session| session.destroy())
        .post("/renew", async |session: Session| session.renew())
        .post("/slow-logout", async |session: Session| {
            session.destroy().unwrap();
            wait().await;
        })
        .post("/logout-and-in", async |session: Session| {
            session.destroy().unwrap();
            session.insert("user", "eve").unwrap();
            wait().await;
        })
        .post("/panics", async |session: Session| -> Result<(), Error> {
            session.destroy()?;
            panic!("after the logout");
        });
    TestClient::new(routes.build().unwrap())
}

#[tokio::test(start_paused = true)]
async fn an_id_that_was_removed_never_comes_back() {
    let day = Duration::from_secs(24 * 3600);
    for end in ["/logout", "/renew"] {
        for (under_way, method) in [("/slow", Method::GET), ("/slow-put", Method::POST)] {
            let store = MemoryStore::default();
            let sessions = Sessions::in_store(key(), store.clone());
            let ada = cookie(&slow(sessions.clone().lifetime(day)).post("/put/ada").await);
            // Past half of its time: whatever a request does, it is written again.
            let client = slow(sessions.lifetime(day * 3));
            let late = client.method(method, under_way);
            let late = late.header("cookie", &*ada);
            let ending = async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                client.post(end).header("cookie", &*ada).await
            };
            let (late, ended) = tokio::join!(late, ending);
            assert!(late.status.is_success() && ended.status.is_success());
            assert!(set(&ended).is_some(), "{end}");
            assert_eq!(set(&late), None, "{end} {under_way}");
            assert_eq!(store.len(), usize::from(end == "/renew"));
            let reply = client.get("/").header("cookie", &*ada).await;
            assert_eq!(reply.text(), "nobody, new: true", "{end} {under_way}");
        }
    }
}

/// No response says it, but the store knows.
#[tokio::test(start_paused = true)]
async fn a_logout_counts_without_a_response() {
    for path in ["/slow-logout", "/logout-and-in", "/panics"] {
        let store = Remote::default();
        let client = slow(Sessions::in_store(key(), store.clone()));
        let ada = cookie(&client.post("/put/ada").await);
        let logout = client.post(path).header("cookie", &*ada);
        let answer = tokio::time::timeout(Duration::from_secs(5), async { logout.await }).await;
        assert_eq!(answer.is_ok(), path == "/panics");
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert!(store.kept.is_empty(), "{path}");
        let reply = client.get("/").header("cookie", &*ada).await;
        assert_eq!(reply.text(), "nobody, new: true", "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_shared_cache_keeps_a_session() {
    for (place, sessions) in both() {
        let day = Duration::from_secs(24 * 3600);
        let site = |sessions: Sessions| {
            let asset = async || {
                let response = Response::text("body {}");
                let response = response.with_header(
                    http::header::CACHE_CONTROL,
                    "public, max-age=31536000, immutable",
                );
                let targeted = http::HeaderName::from_static("cdn-cache-control");
                response.with_header(targeted, "max-age=60")
            };
            let routes = Router::new().middleware(sessions).get("/app.css", asset);
            TestClient::new(routes.build().unwrap())
        };
        let sessions_of_a_day = sessions.clone().lifetime(day);
        let ada = cookie(&routes(sessions_of_a_day.clone()).post("/put/ada").await);
        let ask = async |client: TestClient| client.get("/app.css").header("cookie", &*ada).await;
        let reply = ask(site(sessions_of_a_day)).await;
        assert_eq!(set(&reply), None);
        assert_eq!(
            reply.header("cache-control"),
            Some("public, max-age=31536000, immutable")
        );
        // Past half of its time there is a cookie.
        let reply = ask(site(sessions.lifetime(day * 3))).await;
        assert!(set(&reply).is_some(), "{place}");
        assert_eq!(
            reply.header("cache-control"),
            Some("max-age=31536000, immutable, private"),
            "{place}"
        );
        assert_eq!(reply.header("cdn-cache-control"), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_new_sessions_logs_nobody_out() {
    let store = MemoryStore::new(100);
    let client = routes(Sessions::in_store(key(), store.clone()));
    let mut users = Vec::new();
    for number in 0..50 {
        let user = cookie(&client.post(&format!("/login/{number}")).await);
        client.get("/").header("cookie", &*user).await;
        users.push(user);
    }
    for _ in 0..1000 {
        client.post("/put/nobody").await;
        assert!(store.len() <= 100);
    }
    for (number, user) in users.iter().enumerate() {
        let reply = client.get("/").header("cookie", user.as_str()).await;
        assert_eq!(reply.text(), number.to_string());
    }
    // When all were used, the one that was used the longest ago goes.
    let store = MemoryStore::new(50);
    let client = routes(Sessions::in_store(key(), store));
    let mut users = Vec::new();
    for number in 0..50 {
        let user = cookie(&client.post(&format!("/login/{number}")).await);
        users.push(user);
    }
    for user in users.iter().skip(1).chain(users.first()) {
        client.get("/").header("cookie", user.as_str()).await;
    }
    client.post("/put/nobody").await;
    for (number, user) in users.iter().enumerate() {
        let reply = client.get("/").header("cookie", user.as_str()).await;
        assert_eq!(reply.text() == number.to_string(), number != 1, "{number}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_store_in_memory_has_a_ceiling_of_octets() {
    let store = MemoryStore::new(1000).max_octets(300_000);
    let client = routes(Sessions::in_store(key(), store.clone()));
    let ada = cookie(&client.post("/login/ada").await);
    assert_eq!(client.get("/").header("cookie", &*ada).await.text(), "ada");
    for _ in 0..20 {
        assert_eq!(client.post("/large/60000").await.text(), "kept");
    }
    assert_eq!(store.len(), 1 + 4);
    assert_eq!(client.get("/").header("cookie", &*ada).await.text(), "ada");
    // One that grows makes room for itself, and stays.
    let reply = client.post("/large/65000").header("cookie", &*ada).await;
    assert_eq!(reply.text(), "kept");
    assert_eq!(store.len(), 1 + 3);
    assert_eq!(
        client.get("/").header("cookie", &*ada).await.text().len(),
        65000
    );
    // Small ones count for what is kept beside them.
    for _ in 0..1000 {
        client.post("/put/x").await;
    }
    assert!((400..600).contains(&store.len()), "{}", store.len());
}
