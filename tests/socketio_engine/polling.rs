//! Sessions that poll.

use crate::peer::{INTERVAL, PATIENCE, TIMEOUT, ask, calm, contract, receive, send, serve};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout};
use wireline::socketio::engine::CloseReason;

#[tokio::test]
async fn a_session_is_opened_by_a_packet_with_exactly_these_members() {
    let site = serve(contract());
    let reply = site.get("EIO=4&transport=polling").await;
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.field("content-type"),
        Some("text/plain; charset=UTF-8")
    );
    assert_eq!(reply.field("cache-control"), Some("no-store"));
    let open: Value = serde_json::from_str(reply.body.strip_prefix('0').unwrap()).unwrap();
    let sid = open["sid"].as_str().unwrap();
    assert_eq!(sid.len(), 22);
    assert_eq!(
        open,
        json!({"sid": sid, "upgrades": ["websocket"], "pingInterval": 300, "pingTimeout": 200, "maxPayload": 1_000_000})
    );
    let bare = ask(site.addr(), "GET /engine.io?EIO=4&transport=polling", b"").await;
    assert_eq!(bare.status, 200, "without the slash at its end as well");
}

#[tokio::test]
async fn a_bad_query_is_refused_with_its_number() {
    let site = serve(contract());
    for (query, code, message) in [
        ("", 0, "Transport unknown"),
        ("EIO=4", 0, "Transport unknown"),
        ("EIO=4&transport=abc", 0, "Transport unknown"),
        ("EIO=4&transport=__proto__", 0, "Transport unknown"),
        ("transport=polling", 5, "Unsupported protocol version"),
        ("EIO=3&transport=polling", 5, "Unsupported protocol version"),
        (
            "EIO=abc&transport=polling",
            5,
            "Unsupported protocol version",
        ),
        ("EIO=4&transport=polling&sid=abc", 1, "Session ID unknown"),
        (
            "EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAAAA",
            1,
            "Session ID unknown",
        ),
        (
            "EIO=4&transport=polling&sid=__proto__",
            1,
            "Session ID unknown",
        ),
        ("EIO=4&transport=websocket", 3, "Bad request"),
    ] {
        site.get(query).await.is_refused(code, message);
    }
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let request = format!("{method} /engine.io/?EIO=4&transport=polling");
        let reply = ask(site.addr(), &request, b"4a").await;
        reply.is_refused(2, "Bad handshake method");
    }
    let sid = site.open().await;
    let put = format!("PUT /engine.io/?EIO=4&transport=polling&sid={sid}");
    ask(site.addr(), &put, b"4a")
        .await
        .is_refused(3, "Bad request");
    let stats = site.engine.stats();
    assert_eq!((stats.unknown_sid, stats.refused), (3, 13));
    assert_eq!(stats.sessions, 1, "who is refused opens nothing");
}

#[tokio::test]
async fn messages_come_and_go_as_text_and_in_base64() {
    let site = serve(calm());
    let sid = site.open().await;
    let reply = site.post(&sid, "4hello\u{1e}bAQIDBA==\u{1e}4ä").await;
    assert_eq!((reply.status, &*reply.body), (200, "ok"));
    assert_eq!(site.poll(&sid).await.body, "4hello\u{1e}bAQIDBA==\u{1e}4ä");
}

#[tokio::test]
async fn the_first_ping_comes_after_the_interval() {
    let site = serve(contract());
    let sid = site.open().await;
    let opened = Instant::now();
    for _ in 0..3 {
        let before = Instant::now();
        assert_eq!(site.poll(&sid).await.body, "2");
        let waited = before.elapsed();
        assert!(waited > INTERVAL - Duration::from_millis(40), "{waited:?}");
        assert_eq!(site.post(&sid, "3").await.status, 200);
    }
    assert!(opened.elapsed() > INTERVAL * 3 - Duration::from_millis(60));
}

#[tokio::test]
async fn a_client_that_does_not_answer_a_ping_is_gone() {
    let site = serve(contract());
    let sid = site.open().await;
    let opened = Instant::now();
    assert_eq!(site.poll(&sid).await.body, "2");
    assert_eq!(site.poll(&sid).await.body, "1");
    let waited = opened.elapsed();
    assert!(
        waited > INTERVAL + TIMEOUT - Duration::from_millis(60),
        "{waited:?}"
    );
    site.is_gone(&sid).await;
    assert_eq!(site.reason(&sid).await, CloseReason::PingTimeout);
    // One that never polls at all.
    let silent = site.open().await;
    assert_eq!(site.reason(&silent).await, CloseReason::PingTimeout);
    assert_eq!(site.engine.stats().ping_timeouts, 2);
    assert_eq!(site.engine.stats().sessions, 0);
}

#[tokio::test]
async fn what_is_no_packet_ends_the_session() {
    let site = serve(calm());
    for content in ["abc", "", "4a\u{1e}", "4a\u{1e}7", "b?"] {
        let sid = site.open().await;
        site.post(&sid, content).await.is_refused(3, "Bad request");
        site.is_gone(&sid).await;
        assert_eq!(
            site.reason(&sid).await,
            CloseReason::ParseError,
            "{content:?}"
        );
    }
}

#[tokio::test]
async fn a_second_poll_ends_the_session() {
    let site = serve(calm());
    let sid = site.open().await;
    let query = format!("GET /engine.io/?EIO=4&transport=polling&sid={sid}");
    let mut first = send(site.addr(), &query, b"").await;
    // It waits already, or comes second itself; which of them is the server's to say.
    let second = site.poll(&sid).await;
    let first = timeout(PATIENCE, receive(&mut first)).await.unwrap();
    let mut both = [first, second];
    both.sort_by_key(|reply| reply.status);
    assert_eq!((both[0].status, &*both[0].body), (200, "1"));
    both[1].is_refused(3, "Bad request");
    site.is_gone(&sid).await;
    assert_eq!(site.reason(&sid).await, CloseReason::TransportError);
}

#[tokio::test]
async fn a_second_post_ends_the_session() {
    let site = serve(calm());
    // However little is still to come, and whether its length is known.
    for (framing, begin, end) in [
        (
            "transfer-encoding: chunked",
            "3\r\n4he\r\n",
            "3\r\nllo\r\n0\r\n\r\n",
        ),
        ("content-length: 6", "4he", "llo"),
        ("content-length: 2", "", "4a"),
    ] {
        let sid = site.open().await;
        let head = format!(
            "POST /engine.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{framing}\r\n\r\n{begin}"
        );
        let mut first = tokio::net::TcpStream::connect(site.addr()).await.unwrap();
        first.write_all(head.as_bytes()).await.unwrap();
        // The first has begun once the second is refused.
        let refused = async {
            loop {
                let reply = site.post(&sid, "3").await;
                if reply.status == 400 {
                    return reply;
                }
            }
        };
        timeout(PATIENCE, refused)
            .await
            .expect(framing)
            .is_refused(3, "Bad request");
        first.write_all(end.as_bytes()).await.unwrap();
        let first = timeout(PATIENCE, receive(&mut first)).await.unwrap();
        assert_eq!(first.status, 400, "{framing}");
        site.is_gone(&sid).await;
        assert_eq!(site.reason(&sid).await, CloseReason::TransportError);
    }
}

#[tokio::test]
async fn content_that_comes_slowly_is_taken() {
    let site = serve(calm());
    let sid = site.open().await;
    let head = format!(
        "POST /engine.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 6\r\n\r\n"
    );
    let mut post = tokio::net::TcpStream::connect(site.addr()).await.unwrap();
    post.set_nodelay(true).unwrap();
    post.write_all(head.as_bytes()).await.unwrap();
    for piece in ["4h", "el", "lo"] {
        tokio::time::sleep(Duration::from_millis(20)).await;
        post.write_all(piece.as_bytes()).await.unwrap();
    }
    let reply = timeout(PATIENCE, receive(&mut post)).await.unwrap();
    assert_eq!((reply.status, &*reply.body), (200, "ok"));
    assert_eq!(site.poll(&sid).await.body, "4hello");
    // One that goes in the midst of it ends its session.
    let mut post = tokio::net::TcpStream::connect(site.addr()).await.unwrap();
    post.write_all(&[head.as_bytes(), b"4h"].concat())
        .await
        .unwrap();
    drop(post);
    assert_eq!(site.reason(&sid).await, CloseReason::TransportError);
}

#[tokio::test]
async fn a_client_that_gives_up_its_poll_ends_the_session() {
    let site = serve(calm());
    let sid = site.open().await;
    let query = format!("GET /engine.io/?EIO=4&transport=polling&sid={sid}");
    let poll = send(site.addr(), &query, b"").await;
    site.is_polled(&sid).await;
    drop(poll);
    assert_eq!(site.reason(&sid).await, CloseReason::TransportError);
    site.is_gone(&sid).await;
}

#[tokio::test]
async fn a_client_that_closes_ends_its_poll_as_well() {
    let site = serve(calm());
    let sid = site.open().await;
    let query = format!("GET /engine.io/?EIO=4&transport=polling&sid={sid}");
    let mut poll = send(site.addr(), &query, b"").await;
    // The poll waits before the close comes: a message goes through it.
    assert_eq!(site.post(&sid, "4a").await.status, 200);
    assert_eq!(receive(&mut poll).await.body, "4a");
    let mut poll = send(site.addr(), &query, b"").await;
    site.is_polled(&sid).await;
    let reply = site.post(&sid, "1").await;
    assert_eq!((reply.status, &*reply.body), (200, "ok"));
    let reply = timeout(PATIENCE, receive(&mut poll)).await.unwrap();
    assert_eq!((reply.status, &*reply.body), (200, "6"));
    site.is_gone(&sid).await;
    assert_eq!(site.reason(&sid).await, CloseReason::TransportClose);
}

#[tokio::test]
async fn what_was_sent_before_the_end_is_still_fetched() {
    let site = serve(calm());
    let sid = site.open().await;
    assert_eq!(site.post(&sid, "4close").await.status, 200);
    assert_eq!(site.poll(&sid).await.body, "4goodbye");
    assert_eq!(site.poll(&sid).await.body, "1");
    site.is_gone(&sid).await;
    assert_eq!(site.reason(&sid).await, CloseReason::ForcedClose);
    // With a poll that waits it is told by that.
    let sid = site.open().await;
    let query = format!("GET /engine.io/?EIO=4&transport=polling&sid={sid}");
    let mut poll = send(site.addr(), &query, b"").await;
    site.is_polled(&sid).await;
    assert_eq!(site.post(&sid, "4close").await.status, 200);
    assert_eq!(receive(&mut poll).await.body, "4goodbye");
    assert_eq!(site.poll(&sid).await.body, "1");
    site.is_gone(&sid).await;
}

#[tokio::test]
async fn an_answer_has_so_many_octets_and_the_rest_comes_next() {
    let site = serve(wireline::socketio::transport::EngineConfig {
        max_payload: 20,
        ..calm()
    });
    let sid = site.open().await;
    assert_eq!(site.post(&sid, "4count 12").await.status, 200);
    let mut all = String::new();
    for _ in 0..2 {
        let body = site.poll(&sid).await.body;
        assert!(body.len() <= 20, "{body:?}");
        all.push_str(&body);
        all.push('\u{1e}');
    }
    let expected: String = (0..12).map(|number| format!("4{number}\u{1e}")).collect();
    assert_eq!(all, expected);
}

#[tokio::test]
async fn an_answer_has_so_many_packets_and_the_rest_comes_next() {
    for (most, sizes) in [(16, vec![16, 16, 8]), (30, vec![30, 10]), (0, vec![1; 40])] {
        let site = serve(wireline::socketio::transport::EngineConfig {
            max_packets_per_poll: most,
            ..calm()
        });
        let sid = site.open().await;
        assert_eq!(site.post(&sid, "4count 40").await.status, 200);
        let mut all = Vec::new();
        for size in sizes {
            let body = site.poll(&sid).await.body;
            assert_eq!(body.split('\u{1e}').count(), size);
            all.extend(body.split('\u{1e}').map(str::to_owned));
        }
        let expected: Vec<String> = (0..40).map(|number| format!("4{number}")).collect();
        assert_eq!(all, expected);
    }
}

#[tokio::test]
async fn what_was_sent_before_the_end_may_take_several_polls() {
    let site = serve(calm());
    let sid = site.open().await;
    assert_eq!(site.post(&sid, "4count 20\u{1e}4close").await.status, 200);
    let mut all = Vec::new();
    loop {
        let body = site.poll(&sid).await.body;
        if body == "1" {
            break;
        }
        assert!(body.split('\u{1e}').count() <= 16);
        all.extend(body.split('\u{1e}').map(str::to_owned));
    }
    let mut expected: Vec<String> = (0..20).map(|number| format!("4{number}")).collect();
    expected.push("4goodbye".to_owned());
    assert_eq!(all, expected);
    site.is_gone(&sid).await;
}

#[tokio::test]
async fn what_waited_for_a_client_comes_in_one_post() {
    let site = serve(calm());
    let sid = site.open().await;
    // What a client kept while it was away: it bounds octets alone.
    let body = vec!["4x"; 5000].join("\u{1e}");
    assert_eq!(site.post(&sid, &body).await.status, 200);
    assert!(!site.session(&sid).is_closed());
    // More than anybody says, each in as few octets as there are.
    let body = vec!["4"; 300_000].join("\u{1e}");
    assert_eq!(site.post(&sid, &body).await.status, 400);
    assert_eq!(site.reason(&sid).await, CloseReason::ParseError);
}
