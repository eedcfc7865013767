//! Cookies: read over every protocol, set with every rule checked, signed and private jars.

#[path = "support/h2_peer.rs"]
mod h2_peer;
#[path = "support/ws_peer.rs"]
mod ws_peer;

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use std::time::Duration;
use tokio::time::Instant;
use wireline::service::cookie::{
    CookieBuilder, CookieError, Cookies, Key, KeyError, PrivateCookies, SameSite, SignedCookies,
};
use wireline::test::TestClient;
use wireline::ws::socket::WebSocket;
use wireline::{Request, Response, Router};
use ws_peer::Peer;

#[tokio::test(start_paused = true)]
async fn s93_cookies_are_read_from_a_request() {
    let routes = Router::new()
        .get("/", async |request: Request| {
            let cookies = request.cookies();
            format!("{:?} {}", cookies.get("session_id"), cookies.len())
        })
        .build()
        .unwrap();
    let client = TestClient::new(routes);
    for (field, text) in [
        ("session_id=31d4", "Some(\"31d4\") 1"),
        ("a=1; session_id=31d4; b=2", "Some(\"31d4\") 3"),
        // What browsers do not send, and others do.
        ("a=1;session_id=31d4;", "Some(\"31d4\") 2"),
        (" ;; session_id\t=  31d4\t;flag; =x", "Some(\"31d4\") 1"),
        // Nothing is decoded; the value ends at the semicolon alone.
        ("session_id=\"a b\"", "Some(\"\\\"a b\\\"\") 1"),
        ("session_id=a%3Bb==", "Some(\"a%3Bb==\") 1"),
        ("session_id=", "Some(\"\") 1"),
        // The first of several is the one with the longest path; names have a case.
        ("session_id=near; session_id=far", "Some(\"near\") 2"),
        ("SESSION_ID=31d4", "None 1"),
        ("", "None 0"),
    ] {
        assert_eq!(
            client.get("/").header("cookie", field).await.text(),
            text,
            "{field}"
        );
    }
    assert_eq!(client.get("/").await.text(), "None 0");
    // Several fields count, as HTTP/2 sends them.
    let reply = client
        .get("/")
        .header("cookie", "a=1")
        .header("cookie", "session_id=31d4");
    assert_eq!(reply.await.text(), "Some(\"31d4\") 2");
    // What is no UTF-8 is left out; the rest counts.
    let reply = client.get("/").header(
        "cookie",
        HeaderValue::from_bytes(b"bad=\xff; session_id=31d4").unwrap(),
    );
    assert_eq!(reply.await.text(), "Some(\"31d4\") 1");
}

#[tokio::test(start_paused = true)]
async fn s75_s96_cookies_are_an_argument_over_every_protocol() {
    let routes = Router::new()
        .get("/", async |cookies: Cookies| {
            cookies.get_all("a").collect::<Vec<_>>().join("+")
        })
        .websocket("/ws", async |socket: WebSocket, cookies: Cookies| {
            socket
                .send(cookies.get("a").unwrap_or("none").to_owned())
                .await
        })
        .build()
        .unwrap();
    let client = TestClient::new(routes);
    assert_eq!(
        client
            .get("/")
            .header("cookie", "a=1; b=2; a=3")
            .await
            .text(),
        "1+3"
    );

    let http2 = h2_peer::connect(&client).await;
    let request = h2_peer::to("GET", "/")
        .header("cookie", "a=1")
        .header("cookie", "a=3");
    assert_eq!(
        h2_peer::ask(&http2, request.body(Bytes::new()).unwrap())
            .await
            .unwrap()
            .text(),
        "1+3"
    );

    let (mut peer, head) = Peer::ask(&client, "/ws", "Cookie: a=7\r\n").await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert_eq!(peer.text().await, "7");
}

#[test]
fn hd2_ten_thousand_cookies_are_read_in_linear_time_up_to_a_ceiling() {
    let field = |count: usize| {
        let pairs: Vec<String> = (0..count)
            .map(|place| format!("c{place}={place}"))
            .collect();
        pairs.join("; ").into_bytes()
    };
    let cookies = Cookies::parse(&field(10_000));
    assert_eq!(cookies.len(), Cookies::MOST);
    assert!(cookies.is_cut());
    assert_eq!(cookies.get("c511"), Some("511"));
    assert_eq!(cookies.get("c512"), None);
    assert!(!Cookies::parse(&field(Cookies::MOST)).is_cut());

    // A hundred times as many octets that are no cookies take a hundred times as long, with room to spare.
    let time = |len: usize| {
        let field = b"=;".repeat(len);
        let begun = Instant::now();
        for _ in 0..20 {
            assert!(Cookies::parse(&field).is_empty());
        }
        begun.elapsed()
    };
    time(1_000);
    let (short, long) = (time(1_000), time(100_000));
    assert!(
        long < short.max(Duration::from_micros(50)) * 1_000,
        "{short:?} {long:?}"
    );
}

#[test]
fn s94_a_cookie_says_what_its_builder_was_told() {
    let cookie = CookieBuilder::new("theme", "dark")
        .path("/app")
        .max_age(3600)
        .same_site("Strict")
        .http_only()
        .secure()
        .domain("example.com")
        .build()
        .unwrap();
    assert_eq!(
        cookie.to_string(),
        "theme=dark; HttpOnly; SameSite=Strict; Secure; Path=/app; Domain=example.com; Max-Age=3600"
    );
    for (builder, text) in [
        (CookieBuilder::new("a", "1"), "a=1"),
        (CookieBuilder::new("a", ""), "a="),
        (
            CookieBuilder::new("a", "1").max_age(Duration::from_millis(1999)),
            "a=1; Max-Age=1",
        ),
        (
            CookieBuilder::new("a", "1").same_site(SameSite::Lax),
            "a=1; SameSite=Lax",
        ),
        (
            CookieBuilder::new("a", "1").same_site("none").secure(),
            "a=1; SameSite=None; Secure",
        ),
        (
            CookieBuilder::new("a", "1").secure().partitioned(),
            "a=1; Partitioned; Secure",
        ),
        (
            CookieBuilder::removal("a").path("/"),
            "a=; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        ),
        // What is more than there is room for is the most there is (RUSTSEC-2017-0005).
        (
            CookieBuilder::new("a", "1").max_age(u64::MAX),
            "a=1; Max-Age=9223372036854775807",
        ),
        (
            CookieBuilder::new("a", "1").max_age(Duration::MAX),
            "a=1; Max-Age=9223372036854775807",
        ),
    ] {
        let shown = format!("{builder:?}");
        assert_eq!(builder.build().unwrap().to_string(), text);
        // Values are secrets.
        assert!(!shown.contains('1'), "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn s95_each_cookie_is_a_line_of_its_own() {
    let routes = Router::new()
        .get("/", async || {
            Response::text("set")
                .set_cookie(CookieBuilder::new("a", "1"))
                .set_cookie(CookieBuilder::new("b", "2").path("/").build().unwrap())
                .set_cookie("c=3")
        })
        .build()
        .unwrap();
    let client = TestClient::new(routes);
    let reply = client.get("/").await;
    let lines: Vec<String> = (reply.headers.get_all("set-cookie"))
        .map(|line| line.to_str().unwrap().to_owned())
        .collect();
    assert_eq!(lines, ["a=1", "b=2; Path=/", "c=3"]);

    let http2 = h2_peer::connect(&client).await;
    let reply = h2_peer::ask(&http2, h2_peer::to("GET", "/").body(Bytes::new()).unwrap())
        .await
        .unwrap();
    let lines: Vec<_> = reply.headers.get_all("set-cookie").iter().collect();
    assert_eq!(lines, ["a=1", "b=2; Path=/", "c=3"]);
}

/// Every octet that could end a value, an attribute or a line, in every place.
#[tokio::test(start_paused = true)]
async fn hd1_nothing_can_be_injected() {
    type Put = fn(&str) -> CookieBuilder;
    let places: [(Put, CookieError); 4] = [
        (|text| CookieBuilder::new(text, "v"), CookieError::Name),
        (|text| CookieBuilder::new("n", text), CookieError::Value),
        (
            |text| CookieBuilder::new("n", "v").path(text),
            CookieError::Path,
        ),
        (
            |text| CookieBuilder::new("n", "v").domain(text),
            CookieError::Domain,
        ),
    ];
    let mut refused = 0;
    for (put, error) in places {
        for octet in (0..=0x20).chain(*b";,\"\\\x7f") {
            // A path may have these.
            if error == CookieError::Path && b" ,\"\\".contains(&octet) {
                continue;
            }
            for text in ["/a{}", "/{}b", "/a{}b"] {
                let text = text.replace("{}", &char::from(octet).to_string());
                let text = if error == CookieError::Path {
                    text
                } else {
                    text.replace('/', "")
                };
                assert_eq!(put(&text).build().unwrap_err(), error, "{text:?}");
                refused += 1;
            }
        }
        for text in ["/é", "/a\r\nset-cookie: b=2", "/a; Domain=evil.example"] {
            let text = if error == CookieError::Path {
                text
            } else {
                &text[1..]
            };
            assert_eq!(put(text).build().unwrap_err(), error, "{text:?}");
        }
    }
    assert!(refused > 300);
    for (name, value, error) in [
        ("", "v", CookieError::Name),
        ("a=b", "v", CookieError::Name),
        ("n", "a b", CookieError::Value),
        ("n", "\"quoted\"", CookieError::Value),
    ] {
        assert_eq!(CookieBuilder::new(name, value).build().unwrap_err(), error);
    }
    for domain in ["", ".", "..a", "a..b", "a b", "a/b", "[::1]", "a:80"] {
        let cookie = CookieBuilder::new("n", "v").domain(domain);
        assert_eq!(cookie.build().unwrap_err(), CookieError::Domain, "{domain}");
    }

    // One that was not built is found out when it is set: no octet of it is sent.
    let routes = Router::new()
        .get("/", async || {
            Response::text("ok").set_cookie(CookieBuilder::new("n", "v\r\nx-injected: 1"))
        })
        .build()
        .unwrap();
    let reply = TestClient::new(routes).get("/").await;
    assert_eq!(reply.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(reply.header("x-injected").is_none() && reply.header("set-cookie").is_none());
}

#[test]
fn hd2_prefixes_and_what_else_browsers_refuse_is_checked() {
    let new = |name: &str| CookieBuilder::new(name, "v");
    let good = [
        new("__Secure-a").secure(),
        new("__Secure-a").secure().domain("example.com"),
        new("__Host-a").secure().path("/"),
        new("__HostA"),
        new("__Http-a").secure().http_only(),
        new("__Host-Http-a").secure().http_only().path("/"),
        new("a").same_site(SameSite::None).secure(),
        new("a").domain(".example.com"),
        CookieBuilder::new("a", "v".repeat(4095)),
    ];
    for cookie in good {
        assert!(cookie.clone().build().is_ok(), "{cookie:?}");
    }
    let bad = [
        (new("__Secure-a"), CookieError::SecurePrefix),
        (new("__SECURE-a"), CookieError::SecurePrefix),
        (new("__Host-a").path("/"), CookieError::HostPrefix),
        (new("__Host-a").secure(), CookieError::HostPrefix),
        (
            new("__Host-a").secure().path("/app"),
            CookieError::HostPrefix,
        ),
        (
            new("__host-a").secure().path("/").domain("a.example"),
            CookieError::HostPrefix,
        ),
        (new("__Http-a"), CookieError::HttpPrefix),
        (new("__Http-a").secure(), CookieError::HttpPrefix),
        (new("__http-a").http_only(), CookieError::HttpPrefix),
        (
            new("__Host-Http-a").http_only().path("/"),
            CookieError::HostPrefix,
        ),
        (
            new("__Host-HTTP-a").secure().path("/"),
            CookieError::HttpPrefix,
        ),
        (new("a").same_site("None"), CookieError::NotSecure),
        (new("a").partitioned(), CookieError::NotSecure),
        (new("a").same_site("Sometimes"), CookieError::SameSite),
        (new("a").path("app"), CookieError::Path),
        (new("a").path(""), CookieError::Path),
        (
            CookieBuilder::new("a", "v".repeat(4096)),
            CookieError::TooLong,
        ),
        (new("a").path("/".repeat(1025)), CookieError::TooLong),
    ];
    for (cookie, error) in bad {
        assert_eq!(cookie.build().unwrap_err(), error);
    }
}

fn key(secret: &str) -> Key {
    Key::new(secret.repeat(8)).unwrap()
}

/// What a cookie was set to.
fn value(cookie: &impl ToString) -> String {
    let text = cookie.to_string();
    let (pair, _) = text.split_once(';').unwrap_or((&text, ""));
    pair.split_once('=').unwrap().1.to_owned()
}

#[test]
fn signed_and_private_cookies_open_for_their_key_and_name_alone() {
    let set = |name: &str, value: &str| Cookies::parse(format!("{name}={value}").as_bytes());
    let ours = key("ours");
    let signed = SignedCookies::new(Cookies::default(), ours.clone());
    let private = PrivateCookies::new(Cookies::default(), ours.clone());
    let signed = value(&signed.seal(CookieBuilder::new("id", "user-7")).unwrap());
    // Text that no cookie could have is encoded on the way.
    let private = value(&private.seal(CookieBuilder::new("id", "user 7; é")).unwrap());
    assert!(signed.ends_with("user-7") && !private.contains("user"));

    let look = |name: &str, key: &Key| {
        (
            SignedCookies::new(set(name, &signed), key.clone()).get(name),
            PrivateCookies::new(set(name, &private), key.clone()).get(name),
        )
    };
    let opened = (Some("user-7".to_owned()), Some("user 7; é".to_owned()));
    assert_eq!(look("id", &ours), opened);
    // Another key, and another name.
    assert_eq!(look("id", &key("their")), (None, None));
    assert_eq!(look("admin", &ours), (None, None));
    // A new key that still reads what the old one made.
    let rotated = key("newer").with_old("ours".repeat(8)).unwrap();
    assert_eq!(look("id", &rotated), opened);

    // Every octet counts: none can be changed, none can be left out.
    for text in [&signed, &private] {
        for place in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            for text in [&changed, &text[..place], &text[place + 1..]] {
                let cookies = set("id", text);
                assert_eq!(
                    SignedCookies::new(cookies.clone(), ours.clone()).get("id"),
                    None
                );
                assert_eq!(PrivateCookies::new(cookies, ours.clone()).get("id"), None);
            }
        }
    }
    // One is not the other.
    assert_eq!(
        PrivateCookies::new(set("id", &signed), ours.clone()).get("id"),
        None
    );
    assert_eq!(
        SignedCookies::new(set("id", &private), ours.clone()).get("id"),
        None
    );
    // A planted cookie of the name before it does no harm.
    let both = Cookies::parse(format!("id=planted; id={signed}").as_bytes());
    assert_eq!(
        SignedCookies::new(both, ours).get("id").as_deref(),
        Some("user-7")
    );
}

#[test]
fn a_key_that_is_missing_or_too_short_is_told_at_the_start() {
    assert_eq!(
        Key::new("x".repeat(31)).unwrap_err(),
        KeyError::TooShort(31)
    );
    assert!(Key::new("x".repeat(32)).is_ok());
    assert_eq!(
        Key::from_env("NO_SUCH_VARIABLE").unwrap_err().to_string(),
        "there is no secret for the cookie key in NO_SUCH_VARIABLE"
    );
    let mut rotated = key("newest");
    for old in 0..8 {
        rotated = rotated
            .with_old(format!("an old secret, number {old}").repeat(2))
            .unwrap();
    }
    assert_eq!(
        rotated.with_old("y".repeat(32)).unwrap_err(),
        KeyError::TooMany
    );
    assert_eq!(format!("{:?}", key("secret")), "Key(..)");

    let refused = Router::new()
        .get("/", async |_: SignedCookies| ())
        .websocket("/ws", async |_: WebSocket, _: PrivateCookies| ())
        .build()
        .unwrap_err();
    assert_eq!(refused.problems().len(), 2, "{refused}");
    assert!(refused.to_string().contains("gave a `Key`"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn private_cookies_come_back_through_a_handler() {
    let routes = Router::new()
        .get("/", async |jar: PrivateCookies| {
            let visits = jar.get("visits").map_or(0, |visits| visits.len()) + 1;
            let cookie = CookieBuilder::new("visits", "x".repeat(visits)).http_only();
            jar.seal(cookie)
                .map(|cookie| Response::text(visits.to_string()).set_cookie(cookie))
        })
        .state(Key::random().unwrap())
        .build()
        .unwrap();
    let client = TestClient::new(routes);
    let mut cookie = String::new();
    for visit in ["1", "2", "3"] {
        let reply = client.get("/").header("cookie", cookie.as_str()).await;
        assert_eq!(reply.text(), visit);
        let line = reply.header("set-cookie").unwrap();
        assert!(line.ends_with("; HttpOnly"), "{line}");
        cookie = line.split(';').next().unwrap().to_owned();
    }
}
