//! What is not let in, and what strangers can do.

use crate::peer::{PATIENCE, ask, calm, contract, message, receive, send, serve, serve_with};
use std::sync::Arc;
use tokio::time::{Instant, timeout};
use wireline::Router;
use wireline::service::user::CurrentUser;
use wireline::service::{middleware::Next, request::Request, response::Response};
use wireline::socketio::engine::CloseReason;
use wireline::socketio::transport::EngineConfig;
use wireline::ws::client::Client;
use wireline::ws::origin::Policy;

#[tokio::test]
async fn content_that_is_too_large_ends_the_session() {
    let site = serve(calm());
    let sid = site.open().await;
    let most = format!("4{}", "a".repeat(999_999));
    assert_eq!(site.post(&sid, &most).await.status, 200);
    assert_eq!(site.poll(&sid).await.body, most);
    let reply = site.post(&sid, &format!("{most}a")).await;
    assert_eq!(reply.status, 413);
    assert_eq!(site.reason(&sid).await, CloseReason::PayloadTooLarge);
    site.is_gone(&sid).await;
}

#[tokio::test]
async fn content_that_comes_in_chunks_is_bounded_as_well() {
    let site = serve(calm());
    let sid = site.open().await;
    // Chunked: the head says nothing of its length.
    let mut stream = tokio::net::TcpStream::connect(site.addr()).await.unwrap();
    let line = format!("POST /engine.io/?EIO=4&transport=polling&sid={sid}");
    let mut octets = format!(
        "{line} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    .into_bytes();
    for _ in 0..11 {
        octets.extend_from_slice(format!("{:x}\r\n", 100_000).as_bytes());
        octets.resize(octets.len() + 100_000, b'4');
        octets.extend_from_slice(b"\r\n");
    }
    octets.extend_from_slice(b"0\r\n\r\n");
    let written = tokio::io::AsyncWriteExt::write_all(&mut stream, &octets).await;
    let reply = timeout(PATIENCE, receive(&mut stream)).await.unwrap();
    assert!(reply.status == 413 || written.is_err(), "{reply:?}");
    assert_eq!(site.reason(&sid).await, CloseReason::PayloadTooLarge);
}

#[tokio::test]
async fn content_of_another_kind_ends_the_session() {
    let site = serve(calm());
    for (kind, is_taken) in [
        ("text/plain", true),
        ("text/plain;charset=UTF-8", true),
        ("text/plain; charset=\"utf-8\"", true),
        ("application/octet-stream", false),
        ("text/plain; charset=utf-16", false),
        ("text/plain; charset=latin1", false),
    ] {
        let sid = site.open().await;
        let reply = site
            .post_as(&sid, &format!("content-type: {kind}"), b"4a")
            .await;
        assert_eq!(reply.status == 200, is_taken, "{kind}: {reply:?}");
        if !is_taken {
            reply.is_refused(3, "Bad request");
            assert_eq!(site.reason(&sid).await, CloseReason::ParseError);
        }
    }
    let sid = site.open().await;
    let reply = site
        .post_as(&sid, "content-type: text/plain", b"4\xff")
        .await;
    reply.is_refused(3, "Bad request");
    site.is_gone(&sid).await;
}

#[tokio::test]
async fn half_a_million_packets_are_refused_at_once() {
    let site = serve(EngineConfig {
        max_packets_per_poll: 1024,
        ..calm()
    });
    let sid = site.open().await;
    let mut content = "3\u{1e}".repeat(499_999);
    content.push('3');
    let begun = Instant::now();
    site.post(&sid, &content).await.is_refused(3, "Bad request");
    assert!(begun.elapsed().as_secs() < 5);
    assert_eq!(site.reason(&sid).await, CloseReason::ParseError);
    let sid = site.open().await;
    let most = vec!["4a"; 1024].join("\u{1e}");
    assert_eq!(site.post(&sid, &most).await.status, 200);
    assert_eq!(site.poll(&sid).await.body, most);
}

#[tokio::test]
async fn s229_who_polls_is_told_that_it_takes_websockets_only() {
    let site = serve(EngineConfig {
        polling: false,
        ..calm()
    });
    let reply = site.get("EIO=4&transport=polling").await;
    assert_eq!(reply.status, 400);
    assert!(reply.body.starts_with("{\"code\":0,"), "{reply:?}");
    assert!(
        reply.body.contains("this server takes WebSockets only"),
        "{reply:?}"
    );
    assert!(serde_json::from_str::<serde_json::Value>(&reply.body).is_ok());
    let (_socket, _) = site.open_socket().await;
    let polling = serve(EngineConfig {
        websocket: false,
        ..calm()
    });
    let reply = polling.get("EIO=4&transport=polling").await;
    assert!(reply.body.contains("\"upgrades\":[]"), "{reply:?}");
    assert!(polling.socket("EIO=4&transport=websocket").await.is_none());
}

#[tokio::test]
async fn s230_a_session_of_another_node_is_unknown() {
    let (one, other) = (serve(calm()), serve(calm()));
    let sid = one.open().await;
    other.poll(&sid).await.is_refused(1, "Session ID unknown");
    other
        .post(&sid, "4a")
        .await
        .is_refused(1, "Session ID unknown");
    assert_eq!(one.post(&sid, "4a").await.status, 200);
}

#[tokio::test]
async fn pages_of_other_origins_are_let_in_as_they_are_allowed() {
    let site = serve(EngineConfig {
        origin: Policy::list(["https://app.example"]),
        ..calm()
    });
    for (origin, is_allowed) in [
        ("https://app.example", true),
        ("https://evil.example", false),
        ("null", false),
    ] {
        let request = format!("GET /engine.io/?EIO=4&transport=polling\norigin: {origin}");
        let reply = ask(site.addr(), &request, b"").await;
        assert_eq!(
            reply.status,
            if is_allowed { 200 } else { 403 },
            "{reply:?}"
        );
        if !is_allowed {
            assert_eq!(reply.body, "{\"code\":4,\"message\":\"Forbidden\"}");
        }
        let url = format!("ws://{}/engine.io/?EIO=4&transport=websocket", site.addr());
        let socket = Client::new().header("origin", origin).connect(&url).await;
        assert_eq!(socket.is_ok(), is_allowed, "{origin}");
    }
}

#[tokio::test]
async fn scripts_of_all_origins_read_what_the_contract_lets_them() {
    let site = serve(contract());
    let request = "GET /engine.io/?EIO=4&transport=polling\norigin: https://a.example";
    let reply = ask(site.addr(), request, b"").await;
    assert_eq!(reply.field("access-control-allow-origin"), Some("*"));
    let refused = "GET /engine.io/?EIO=4&transport=abc\norigin: https://a.example";
    let reply = ask(site.addr(), refused, b"").await;
    assert_eq!(reply.field("access-control-allow-origin"), Some("*"));
    let preflight = "OPTIONS /engine.io/?EIO=4&transport=polling\norigin: https://a.example\naccess-control-request-method: POST";
    let reply = ask(site.addr(), preflight, b"").await;
    assert_eq!(reply.status, 204, "{reply:?}");
    assert_eq!(reply.field("access-control-allow-origin"), Some("*"));
}

#[tokio::test]
async fn there_are_so_many_sessions_that_poll() {
    let site = serve(EngineConfig {
        max_sessions_per_address: 2,
        ..calm()
    });
    let first = site.open().await;
    let second = site.open().await;
    let reply = site.get("EIO=4&transport=polling").await;
    assert_eq!(reply.status, 503);
    assert_eq!(site.engine.stats().too_many, 1);
    let (_socket, _) = site.open_socket().await;
    // One that ends makes room, and so does one that goes over.
    assert_eq!(site.post(&first, "1").await.status, 200);
    site.reason(&first).await;
    let _third = opened(&site).await;
    let url = format!("EIO=4&transport=websocket&sid={second}");
    let mut socket = site.socket(&url).await.unwrap();
    socket.send_text("2probe").await.unwrap();
    socket.send_text("5").await.unwrap();
    socket.send_text("4a").await.unwrap();
    assert!(message(&mut socket).await.is_some());
    assert!(message(&mut socket).await.is_some());
    let _fourth = opened(&site).await;
}

/// Opens a session as soon as there is room for one.
async fn opened(site: &crate::peer::Site) -> String {
    let opening = async {
        while site.get("EIO=4&transport=polling").await.status != 200 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, opening).await.unwrap();
    String::new()
}

/// `x-user` says who it is.
async fn sign_in(mut request: Request, next: Next) -> Response {
    let name = request
        .header("x-user")
        .and_then(|value| value.to_str().ok());
    if let Some(name) = name.map(str::to_owned) {
        CurrentUser::new(name).put_into(&mut request);
    }
    next.run(request).await
}

#[tokio::test]
async fn a_session_is_nobody_elses() {
    for is_bound in [true, false] {
        let config = EngineConfig {
            bind_to_user: is_bound,
            ..calm()
        };
        let site = serve_with(config, Router::new().middleware(sign_in));
        let open = "GET /engine.io/?EIO=4&transport=polling\nx-user: ann";
        let reply = ask(site.addr(), open, b"").await;
        let sid = reply.body.split('"').nth(3).unwrap().to_owned();
        for user in ["x-user: bob", "x: y"] {
            let reply = site.post_as(&sid, user, b"4a").await;
            assert_eq!(reply.status == 200, !is_bound, "{reply:?}");
            if is_bound {
                reply.is_refused(1, "Session ID unknown");
                let query = format!("EIO=4&transport=websocket&sid={sid}");
                assert!(site.socket(&query).await.is_none());
            }
        }
        assert_eq!(site.post_as(&sid, "x-user: ann", b"4a").await.status, 200);
    }
}

#[tokio::test]
async fn a_session_is_served_by_every_worker() {
    use std::sync::mpsc;
    use wireline::Server;
    use wireline::socketio::engine::Data;
    use wireline::socketio::transport::{EngineIo, Outgoing, Session};
    let engine = EngineIo::each(calm(), |session: &Session, data| {
        if let Data::Text(text) = data {
            session.send(&Outgoing::text(&text));
        }
    });
    let routes = Router::new()
        .engine_io("/engine.io/", &engine)
        .build()
        .unwrap();
    let (sender, receiver) = mpsc::sync_channel(1);
    let thread = std::thread::spawn(move || {
        let server = Server::new(routes)
            .bind("127.0.0.1:0")
            .workers(4)
            .signals(false);
        server.run_with(move |handle| sender.send(handle.clone()).unwrap())
    });
    let handle = receiver.recv().unwrap();
    let addr = handle
        .bound()
        .iter()
        .find_map(|bound| match bound {
            wireline::server::bind::Bound::Tcp(addr) => Some(*addr),
            _ => None,
        })
        .unwrap();
    let opening = ask(addr, "GET /engine.io/?EIO=4&transport=polling", b"").await;
    let sid: Arc<str> = opening.body.split('"').nth(3).unwrap().into();
    let path = format!("/engine.io/?EIO=4&transport=polling&sid={sid}");
    for number in 0..40 {
        // Every request has a connection of its own, which any worker may have.
        let mut poll = send(addr, &format!("GET {path}"), b"").await;
        let packet = format!("4{number}");
        let post = ask(addr, &format!("POST {path}"), packet.as_bytes()).await;
        assert_eq!(post.body, "ok");
        let reply = timeout(PATIENCE, receive(&mut poll)).await.unwrap();
        assert_eq!(reply.body, packet);
    }
    let url = format!("ws://{addr}/engine.io/?EIO=4&transport=websocket&sid={sid}");
    let mut socket = wireline::ws::client::connect(&url).await.unwrap();
    socket.send_text("2probe").await.unwrap();
    assert!(message(&mut socket).await.is_some());
    socket.send_text("5").await.unwrap();
    for number in 0..40 {
        socket.send_text(format!("4{number}")).await.unwrap();
        let back = message(&mut socket).await.unwrap();
        assert_eq!(back.as_text().unwrap(), format!("4{number}"));
    }
    handle.force();
    thread.join().unwrap().unwrap();
}

/// Whoever guesses has a connection for each guess soon; the answer stays the same.
#[tokio::test]
async fn si5_an_address_that_guesses_loses_its_connections() {
    let site = serve(EngineConfig {
        max_unknown_sids: 3,
        ..calm()
    });
    let sid = site.open().await;
    let guess = "GET /engine.io/?EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAAAA HTTP/1.1\r\nhost: a\r\n\r\n";
    let mut stream = tokio::net::TcpStream::connect(site.addr()).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, guess.repeat(6).as_bytes())
        .await
        .unwrap();
    let mut octets = Vec::new();
    let reading = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut octets);
    let _ = timeout(PATIENCE, reading).await.expect("the server closes");
    let answers = String::from_utf8(octets).unwrap();
    let answers: Vec<&str> = answers.split("HTTP/1.1 400 ").skip(1).collect();
    let closes = |answer: &str| answer.to_lowercase().contains("\r\nconnection: close\r\n");
    assert_eq!(
        answers.iter().map(|one| closes(one)).collect::<Vec<_>>(),
        [false, false, false, true]
    );
    for answer in answers {
        assert!(answer.ends_with(r#"{"code":1,"message":"Session ID unknown"}"#));
    }
    // WebSockets count as well, and who has a session is served.
    let unknown = "EIO=4&transport=websocket&sid=AAAAAAAAAAAAAAAAAAAAAA";
    assert!(site.socket(unknown).await.is_none());
    assert_eq!(site.post(&sid, "4a").await.status, 200);
    assert_eq!(site.poll(&sid).await.body, "4a");
    let stats = site.engine.stats();
    assert_eq!((stats.unknown_sid, stats.guesses), (5, 2));
}

/// As [`ask`], from an address of one's own.
async fn ask_from(site: &crate::peer::Site, from: [u8; 4], request: &str) -> crate::peer::Reply {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    let mut stream = socket.connect(site.addr()).await.unwrap();
    let head = format!(
        "{request} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 2\r\n\r\n4a"
    );
    tokio::io::AsyncWriteExt::write_all(&mut stream, head.as_bytes())
        .await
        .unwrap();
    timeout(PATIENCE, receive(&mut stream)).await.unwrap()
}

#[tokio::test]
async fn si6_a_session_stays_where_it_was_opened_if_it_is_bound() {
    for is_bound in [true, false] {
        let site = serve(EngineConfig {
            bind_to_address: is_bound,
            ..calm()
        });
        let sid = site.open().await;
        let post = format!("POST /engine.io/?EIO=4&transport=polling&sid={sid}");
        let reply = ask_from(&site, [127, 0, 0, 2], &post).await;
        if is_bound {
            reply.is_refused(1, "Session ID unknown");
        } else {
            assert_eq!(reply.status, 200);
            assert_eq!(site.poll(&sid).await.body, "4a");
        }
        assert_eq!(ask_from(&site, [127, 0, 0, 1], &post).await.status, 200);
        assert_eq!(site.poll(&sid).await.body, "4a");
        assert_eq!(site.engine.stats().unknown_sid, u64::from(is_bound));
    }
}
