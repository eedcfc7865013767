//! From polling to a WebSocket.

use crate::peer::{PATIENCE, Site, calm, contract, message, number, receive, send, serve, text};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use wireline::socketio::engine::{CloseReason, Transport};
use wireline::socketio::transport::{EngineConfig, Outgoing};
use wireline::ws::message::Message;
use wireline::ws::socket::WebSocket;

async fn begin(site: &Site, sid: &str) -> Option<WebSocket> {
    site.socket(&format!("EIO=4&transport=websocket&sid={sid}"))
        .await
}

/// Goes over as clients do.
async fn upgrade(site: &Site, sid: &str) -> WebSocket {
    let mut socket = begin(site, sid).await.unwrap();
    socket.send_text("2probe").await.unwrap();
    assert_eq!(text(&mut socket).await.unwrap(), "3probe");
    socket.send_text("5").await.unwrap();
    socket
}

#[tokio::test]
async fn a_probe_ends_the_poll_and_the_websocket_goes_on() {
    let site = serve(calm());
    let sid = site.open().await;
    let query = format!("GET /engine.io/?EIO=4&transport=polling&sid={sid}");
    let mut poll = send(site.addr(), &query, b"").await;
    site.is_polled(&sid).await;
    let mut socket = begin(&site, &sid).await.unwrap();
    socket.send_text("2probe").await.unwrap();
    assert_eq!(text(&mut socket).await.unwrap(), "3probe");
    let reply = timeout(PATIENCE, receive(&mut poll)).await.unwrap();
    assert_eq!((reply.status, &*reply.body), (200, "6"));
    assert_eq!(site.poll(&sid).await.body, "6", "and so does another");
    assert_eq!(site.session(&sid).transport(), Transport::Polling);
    socket.send_text("5").await.unwrap();
    socket.send_text("4hello").await.unwrap();
    assert_eq!(text(&mut socket).await.unwrap(), "4hello");
    assert_eq!(site.session(&sid).transport(), Transport::WebSocket);
    socket.send_binary(vec![1, 2, 3]).await.unwrap();
    assert_eq!(message(&mut socket).await.unwrap().as_bytes(), [1, 2, 3]);
    site.poll(&sid).await.is_refused(3, "Bad request");
    site.post(&sid, "4a").await.is_refused(3, "Bad request");
    assert_eq!(site.engine.stats().upgraded, 1);
    socket.send_text("4still").await.unwrap();
    assert_eq!(text(&mut socket).await.unwrap(), "4still");
    drop(socket);
    assert_eq!(site.reason(&sid).await, CloseReason::TransportClose);
}

#[tokio::test]
async fn a_poll_that_waits_when_the_websocket_takes_over_is_answered() {
    let site = serve(calm());
    let sid = site.open().await;
    let mut socket = begin(&site, &sid).await.unwrap();
    socket.send_text("2probe").await.unwrap();
    assert_eq!(text(&mut socket).await.unwrap(), "3probe");
    socket.send_text("5").await.unwrap();
    socket.send_text("4a").await.unwrap();
    assert_eq!(text(&mut socket).await.unwrap(), "4a");
    assert_eq!(site.engine.stats().sessions, 1);
}

#[tokio::test]
async fn an_upgraded_session_has_pings_and_ends_without_pongs() {
    let site = serve(contract());
    let sid = site.open().await;
    let mut socket = upgrade(&site, &sid).await;
    assert_eq!(text(&mut socket).await.unwrap(), "2");
    socket.send_text("3").await.unwrap();
    let before = Instant::now();
    assert_eq!(text(&mut socket).await.unwrap(), "2");
    assert!(before.elapsed() > Duration::from_millis(260));
    assert_eq!(text(&mut socket).await, None);
    assert_eq!(site.reason(&sid).await, CloseReason::PingTimeout);
}

#[tokio::test]
async fn a_second_websocket_is_refused_and_harms_nobody() {
    let site = serve(calm());
    let sid = site.open().await;
    let mut first = begin(&site, &sid).await.unwrap();
    assert!(begin(&site, &sid).await.is_none(), "one is about to");
    first.send_text("2probe").await.unwrap();
    assert_eq!(text(&mut first).await.unwrap(), "3probe");
    assert!(begin(&site, &sid).await.is_none(), "one is about to");
    first.send_text("5").await.unwrap();
    first.send_text("4a").await.unwrap();
    assert_eq!(text(&mut first).await.unwrap(), "4a");
    assert!(begin(&site, &sid).await.is_none(), "it has one");
    first.send_text("4b").await.unwrap();
    assert_eq!(text(&mut first).await.unwrap(), "4b");
    drop(first);
    site.reason(&sid).await;
    assert!(begin(&site, &sid).await.is_none(), "it has ended");
    // A session that never polled cannot go anywhere.
    let (_socket, sid) = site.open_socket().await;
    assert!(begin(&site, &sid).await.is_none());
    let unknown = begin(&site, "AAAAAAAAAAAAAAAAAAAAAA").await;
    assert!(unknown.is_none());
}

#[tokio::test]
async fn a_websocket_that_says_something_else_is_closed_alone() {
    let site = serve(calm());
    let sid = site.open().await;
    for words in [
        &["5"][..],
        &["4a"],
        &["2"],
        &["abc"],
        &["2probe", "2probe"],
        &["2probe", "4a"],
        &["2probe", "1"],
    ] {
        let mut socket = begin(&site, &sid).await.unwrap();
        for word in words {
            socket.send_text(*word).await.unwrap();
        }
        while let Some(answer) = text(&mut socket).await {
            assert_eq!(answer, "3probe");
        }
        let count = site.engine.stats().upgrades_failed;
        assert!(count > 0);
    }
    let mut socket = begin(&site, &sid).await.unwrap();
    socket.send_binary(vec![1]).await.unwrap();
    assert_eq!(message(&mut socket).await, None);
    drop(begin(&site, &sid).await.unwrap());
    assert_eq!(site.post(&sid, "4here").await.status, 200);
    assert_eq!(site.poll(&sid).await.body, "4here");
    assert_eq!(site.session(&sid).transport(), Transport::Polling);
}

#[tokio::test]
async fn a_websocket_that_never_takes_over_is_closed_in_time() {
    let site = serve(EngineConfig {
        upgrade_timeout: Duration::from_millis(300),
        ..calm()
    });
    let sid = site.open().await;
    for probes in [false, true] {
        let mut socket = begin(&site, &sid).await.unwrap();
        let begun = Instant::now();
        if probes {
            socket.send_text("2probe").await.unwrap();
            assert_eq!(text(&mut socket).await.unwrap(), "3probe");
        }
        assert_eq!(text(&mut socket).await, None);
        let waited = begun.elapsed();
        assert!(waited > Duration::from_millis(250), "{waited:?}");
    }
    assert_eq!(site.post(&sid, "4here").await.status, 200);
    assert_eq!(site.poll(&sid).await.body, "4here");
    assert_eq!(site.engine.stats().upgrades_failed, 2);
    let mut socket = upgrade(&site, &sid).await;
    socket.send_text("4there").await.unwrap();
    assert_eq!(text(&mut socket).await.unwrap(), "4there");
}

#[tokio::test]
async fn nothing_is_lost_and_nothing_overtakes_while_a_session_goes_over() {
    let site = serve(calm());
    for round in 0..20 {
        let sid = site.open().await;
        let session = site.session(&sid);
        let sender = tokio::task::spawn_blocking(move || {
            for number in 0..500 {
                assert!(session.send(&Outgoing::text(&number.to_string())));
                if number % 50 == 0 {
                    std::thread::yield_now();
                }
            }
        });
        let mut seen: Vec<u64> = Vec::new();
        let take = |body: &str, seen: &mut Vec<u64>| {
            let packets = body.split('\u{1e}').filter(|packet| *packet != "6");
            seen.extend(packets.map(|packet| number(&packet[1..])));
        };
        if round % 2 == 0 {
            take(&site.poll(&sid).await.body, &mut seen);
        }
        let mut socket = begin(&site, &sid).await.unwrap();
        socket.send_text("2probe").await.unwrap();
        assert_eq!(text(&mut socket).await.unwrap(), "3probe");
        take(&site.poll(&sid).await.body, &mut seen);
        socket.send_text("5").await.unwrap();
        socket.send_text("4999").await.unwrap();
        // The echo may come before what is sent meanwhile.
        while seen.len() < 501 {
            let packet = text(&mut socket).await.unwrap();
            seen.push(number(&packet[1..]));
        }
        sender.await.unwrap();
        seen.retain(|number| *number != 999);
        let in_order: Vec<u64> = (0..seen.len() as u64).collect();
        assert_eq!(seen, in_order);
    }
}

#[tokio::test]
async fn what_was_posted_before_comes_before() {
    let site = serve(calm());
    for _ in 0..10 {
        let sid = site.open().await;
        let numbers: Vec<String> = (0..200).map(|number| format!("4{number}")).collect();
        let mut socket = begin(&site, &sid).await.unwrap();
        socket.send_text("2probe").await.unwrap();
        assert_eq!(text(&mut socket).await.unwrap(), "3probe");
        let posted = site.post(&sid, &numbers.join("\u{1e}")).await;
        assert_eq!(posted.body, "ok");
        socket.send_text("5").await.unwrap();
        socket.send(Message::from("4200")).await.unwrap();
        for number in 0..=200 {
            assert_eq!(text(&mut socket).await.unwrap(), format!("4{number}"));
        }
    }
}

#[tokio::test]
async fn what_a_post_brings_after_the_upgrade_is_taken() {
    let site = serve(calm());
    let sid = site.open().await;
    let mut post = TcpStream::connect(site.addr()).await.unwrap();
    let head = format!(
        "POST /engine.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nhost: localhost\r\n\
         connection: close\r\nexpect: 100-continue\r\ncontent-length: 7\r\n\r\n"
    );
    post.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    timeout(PATIENCE, post.read_exact(&mut go_on))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    let mut socket = upgrade(&site, &sid).await;
    socket.send_text("4first").await.unwrap();
    assert_eq!(text(&mut socket).await.unwrap(), "4first");
    post.write_all(b"4a\x1e4bcd").await.unwrap();
    let reply = timeout(PATIENCE, receive(&mut post)).await.unwrap();
    assert_eq!((reply.status, &*reply.body), (200, "ok"));
    for posted in ["4a", "4bcd"] {
        assert_eq!(text(&mut socket).await.unwrap(), posted);
    }
}

#[tokio::test]
async fn volatile_messages_need_somebody_who_takes_them() {
    let site = serve(calm());
    let sid = site.open().await;
    // No poll waits: what is said at once is all that comes.
    assert_eq!(site.post(&sid, "4volatile 3").await.status, 200);
    assert_eq!(site.poll(&sid).await.body, "4first\u{1e}4last");
    // One waits, and has its answer when it is written to once.
    let query = format!("GET /engine.io/?EIO=4&transport=polling&sid={sid}");
    let mut poll = send(site.addr(), &query, b"").await;
    site.is_polled(&sid).await;
    let session = site.session(&sid);
    assert!(session.send_volatile(&Outgoing::text("taken")));
    assert!(!session.send_volatile(&Outgoing::text("dropped")));
    let reply = timeout(PATIENCE, receive(&mut poll)).await.unwrap();
    assert_eq!(reply.body, "4taken");
    // Between the probe and the packet that ends it no poll waits.
    let mut socket = begin(&site, &sid).await.unwrap();
    socket.send_text("2probe").await.unwrap();
    assert_eq!(text(&mut socket).await.unwrap(), "3probe");
    assert!(!session.send_volatile(&Outgoing::text("dropped")));
    assert!(session.send(&Outgoing::text("waits")));
    // From then on nothing is in the way of what is said, whatever waited.
    socket.send_text("5").await.unwrap();
    socket.send_text("4volatile 3").await.unwrap();
    for said in ["4waits", "4first", "40", "41", "42", "4last"] {
        assert_eq!(text(&mut socket).await.unwrap(), said);
    }
    // A client that takes nothing is sent nothing more.
    let (idle, sid) = site.open_socket().await;
    let session = site.session(&sid);
    let message = Outgoing::binary(vec![7; 100_000]);
    let full = async {
        while session.send_volatile(&message) {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, full).await.unwrap();
    assert!(!session.is_closed());
    drop(idle);
}

#[tokio::test]
async fn an_end_before_the_upgrade_is_told_by_the_websocket() {
    let site = serve(calm());
    let sid = site.open().await;
    let mut socket = begin(&site, &sid).await.unwrap();
    socket.send_text("2probe").await.unwrap();
    assert_eq!(text(&mut socket).await.unwrap(), "3probe");
    assert_eq!(site.poll(&sid).await.body, "6");
    let session = site.session(&sid);
    session.send(&Outgoing::text("goodbye"));
    session.close(CloseReason::ForcedClose);
    socket.send_text("5").await.unwrap();
    assert_eq!(text(&mut socket).await.as_deref(), Some("4goodbye"));
    assert_eq!(text(&mut socket).await, None);
    assert_eq!(site.reason(&sid).await, CloseReason::ForcedClose);
    let gone = async {
        while site.engine.stats().polling > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, gone).await.unwrap();
    site.is_gone(&sid).await;
    // One that polls on is told by that, and its WebSocket is closed.
    let sid = site.open().await;
    let mut socket = begin(&site, &sid).await.unwrap();
    socket.send_text("2probe").await.unwrap();
    assert_eq!(text(&mut socket).await.unwrap(), "3probe");
    let session = site.session(&sid);
    session.send(&Outgoing::text("goodbye"));
    session.close(CloseReason::ForcedClose);
    assert_eq!(site.poll(&sid).await.body, "4goodbye");
    assert_eq!(site.poll(&sid).await.body, "1");
    assert_eq!(text(&mut socket).await, None);
    // Another end is not told by anything.
    let sid = site.open().await;
    let mut socket = begin(&site, &sid).await.unwrap();
    socket.send_text("2probe").await.unwrap();
    assert_eq!(text(&mut socket).await.unwrap(), "3probe");
    site.session(&sid).close(CloseReason::TooSlow);
    assert_eq!(text(&mut socket).await, None);
    site.is_gone(&sid).await;
}

/// A ping comes the interval behind the answer to the one before, however long that might have taken.
#[tokio::test]
async fn pings_do_not_wait_for_the_time_of_an_answer_that_has_come() {
    let site = serve(EngineConfig {
        ping_timeout: Duration::from_secs(600),
        ..contract()
    });
    let begun = Instant::now();
    let (mut socket, _) = site.open_socket().await;
    let sid = site.open().await;
    for _ in 0..3 {
        assert_eq!(text(&mut socket).await.unwrap(), "2");
        socket.send_text("3").await.unwrap();
        assert_eq!(site.poll(&sid).await.body, "2");
        assert_eq!(site.post(&sid, "3").await.status, 200);
    }
    let mut over = upgrade(&site, &sid).await;
    for socket in [&mut socket, &mut over] {
        for _ in 0..2 {
            assert_eq!(text(socket).await.unwrap(), "2");
            socket.send_text("3").await.unwrap();
        }
    }
    assert!(begun.elapsed() < Duration::from_secs(60));
}
