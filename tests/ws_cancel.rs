//! What waits on a server's socket may be given up at any time: nothing is lost, nothing is sent twice.

#[path = "support/talk.rs"]
mod talk;
#[path = "support/ws_peer.rs"]
mod ws_peer;

use std::ops::ControlFlow;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use talk::pass;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use wireline::Router;
use wireline::resource::counters::Counter;
use wireline::test::TestClient;
use wireline::ws::close::CloseCode;
use wireline::ws::connection::{Lent, Replies};
use wireline::ws::message::Message;
use wireline::ws::route::WebSocketHandler;
use wireline::ws::socket::config::{Config, Overflow};
use wireline::ws::socket::{Sent, SocketError, WebSocket};
use ws_peer::Peer;

/// Gives `$attempt` up and begins it anew until it is ready: after one turn of the others, or after a millisecond.
macro_rules! impatiently {
    ($tries:ident, $attempt:expr) => {
        loop {
            $tries += 1;
            tokio::select! {
                biased;
                done = $attempt => break done,
                () = patience($tries) => {}
            }
        }
    };
}

/// A paused clock only moves when nobody is busy.
async fn patience(tries: u32) {
    if tries.is_multiple_of(2) {
        tokio::task::yield_now().await;
    } else {
        pass(0.001).await;
    }
}

/// A client and a peer of a server whose only route is this.
async fn open<Args: 'static>(
    config: Config,
    handler: impl WebSocketHandler<Args>,
) -> (TestClient, Peer) {
    let routes = Router::new()
        .websocket_with("/", move |upgrade| upgrade.config(config.clone()), handler)
        .build()
        .unwrap();
    let client = TestClient::new(routes);
    let peer = Peer::open(&client, "/").await;
    (client, peer)
}

/// Ends the conversation: the handler has returned without a fault.
async fn end(client: &TestClient, mut peer: Peer) {
    assert_eq!(peer.close().await.0, 1000);
    peer.frame(0x88, b"\x03\xe8").await;
    pass(1.0).await;
    assert_eq!(client.count(Counter::HandlerPanics), 0);
    assert_eq!((client.connections(), client.buffered()), (0, 0));
}

/// Writes octets a few at a time, so that frames are cut anywhere, and the reader waits often.
async fn trickle(peer: &mut Peer, octets: &[u8]) {
    for (number, piece) in octets.chunks(3).enumerate() {
        peer.io.write_all(piece).await.unwrap();
        if number % 2 == 0 {
            pass(0.0007).await;
        }
    }
}

/// Frames with zeros for a key.
fn frames(frames: &[(u8, &[u8])]) -> Vec<u8> {
    let mut octets = Vec::new();
    for (first, payload) in frames {
        octets.extend_from_slice(&[*first, 0x80 | u8::try_from(payload.len()).unwrap()]);
        octets.extend_from_slice(&[0; 4]);
        octets.extend_from_slice(payload);
    }
    octets
}

#[tokio::test(start_paused = true)]
async fn a_recv_that_was_given_up_loses_nothing() {
    let (client, mut peer) = open(Config::default(), async |mut socket: WebSocket| {
        let (mut tries, mut pongs) = (0, 0);
        for number in 0..60 {
            let message = loop {
                match impatiently!(tries, socket.recv()) {
                    Some(Ok(Message::Pong(_))) => pongs += 1,
                    message => break message,
                }
            };
            let expected = Message::from(format!("number {number}"));
            assert!(matches!(message, Some(Ok(message)) if message == expected));
        }
        assert!(tries > 300 && pongs == 20, "{tries} {pongs}");
    })
    .await;
    for number in 0..60 {
        let text = format!("number {number}");
        let (begin, end) = text.as_bytes().split_at(number % 8);
        // In one frame, or in parts with a control frame between them.
        let octets = if number % 3 > 0 {
            frames(&[(0x81, text.as_bytes())])
        } else {
            frames(&[(0x01, begin), (0x8a, b"p"), (0x80, end)])
        };
        trickle(&mut peer, &octets).await;
    }
    end(&client, peer).await;
}

#[tokio::test(start_paused = true)]
async fn a_recv_fragment_that_was_given_up_loses_nothing() {
    let config = Config {
        fragments: true,
        ..Config::default()
    };
    let (client, mut peer) = open(config, async |mut socket: WebSocket| {
        let (mut tries, mut whole, mut parts, mut all) = (0, Vec::new(), 0, Vec::new());
        while all.len() < 20 {
            let part = impatiently!(tries, socket.recv_fragment());
            let part = part.expect("more comes").expect("it is well-formed");
            parts += 1;
            whole.extend_from_slice(&part.data);
            if part.last {
                all.push(std::mem::take(&mut whole));
            }
        }
        assert!(tries > 500 && parts > 100, "{tries} {parts}");
        for (number, whole) in all.iter().enumerate() {
            assert_eq!(whole, &numbers(number));
        }
        // Whole messages are put together of parts just as well.
        let ping = impatiently!(tries, socket.recv());
        assert!(matches!(ping, Some(Ok(Message::Ping(_)))));
        let last = impatiently!(tries, socket.recv());
        assert!(matches!(last, Some(Ok(message)) if message == Message::from(numbers(20))));
    })
    .await;
    for number in 0..=20 {
        let octets = numbers(number);
        let (begin, rest) = octets.split_at(30);
        let (middle, end) = rest.split_at(20);
        let octets = frames(&[(0x02, begin), (0, middle), (0x89, b""), (0x80, end)]);
        trickle(&mut peer, &octets).await;
        assert_eq!(peer.next().await, (0x8a, Vec::new()));
    }
    end(&client, peer).await;
}

/// Octets that tell where they were cut.
fn numbers(seed: usize) -> Vec<u8> {
    let first = u8::try_from(seed).unwrap();
    (first..first + 80).collect()
}

#[tokio::test(start_paused = true)]
async fn a_send_that_was_given_up_was_not_sent_and_others_are_sent_once() {
    let config = Config {
        queue: 3000,
        overflow: Overflow::Wait,
        ..Config::default()
    };
    let (client, mut peer) = open(config, async |mut socket: WebSocket| {
        socket.send(vec![b'-'; 300_000]).await.unwrap();
        for _ in 0..10 {
            let waiting = timeout(Duration::from_millis(10), socket.send("lost"));
            assert!(waiting.await.is_err(), "there was room");
        }
        let other = socket.sender();
        let (mut tries, mut heard) = (0, 0);
        for number in 0..100u32 {
            // While it waits to send, it receives; whichever comes first, the other is given up.
            let sent = loop {
                tries += 1;
                let message = vec![u8::try_from(number).unwrap(); 1000];
                tokio::select! {
                    biased;
                    sent = other.send(message) => break sent,
                    received = socket.recv() => {
                        assert!(matches!(received, Some(Ok(Message::Text(_)))));
                        heard += 1;
                    }
                    () = patience(tries) => {}
                }
            };
            assert!(matches!(sent, Ok(Sent::Queued)));
        }
        while heard < 200 {
            assert!(matches!(impatiently!(tries, socket.recv()), Some(Ok(_))));
            heard += 1;
        }
        assert!(tries > 300, "{tries}");
    })
    .await;
    pass(1.0).await;
    let mut wrote = 0;
    let mut messages = Vec::new();
    while messages.len() < 101 {
        messages.push(peer.next().await.1);
        for _ in 0..4 {
            if wrote < 200 {
                trickle(&mut peer, &frames(&[(0x81, b"here")])).await;
                wrote += 1;
            }
        }
        pass(0.005).await;
    }
    assert_eq!(messages[0].len(), 300_000);
    for (number, message) in messages[1..].iter().enumerate() {
        assert_eq!(message, &vec![u8::try_from(number).unwrap(); 1000]);
    }
    end(&client, peer).await;
}

#[tokio::test(start_paused = true)]
async fn a_drained_that_was_given_up_changes_nothing() {
    let (client, mut peer) = open(Config::default(), async |socket: WebSocket| {
        let mut tries = 0;
        for round in 1..=3u8 {
            for number in 0..20 {
                socket
                    .send(vec![round * 20 + number; 10_000])
                    .await
                    .unwrap();
            }
            impatiently!(tries, socket.drained());
            assert_eq!(socket.buffered_amount(), 0);
        }
        assert!(tries > 100, "{tries}");
    })
    .await;
    for number in 20..80 {
        pass(0.005).await;
        assert_eq!(peer.next().await, (0x82, vec![number; 10_000]));
    }
    end(&client, peer).await;
}

#[tokio::test(start_paused = true)]
async fn behind_a_close_a_recv_that_was_given_up_loses_nothing() {
    let (client, mut peer) = open(Config::default(), async |mut socket: WebSocket| {
        socket.send("before").await.unwrap();
        socket.close(None).unwrap();
        assert!(matches!(socket.close(None), Err(SocketError::Closed)));
        assert!(matches!(socket.send("x").await, Err(SocketError::Closed)));
        let mut tries = 0;
        for number in 0..30 {
            let message = impatiently!(tries, socket.recv());
            let expected = Message::from(format!("late {number}"));
            assert!(matches!(message, Some(Ok(message)) if message == expected));
        }
        let close = impatiently!(tries, socket.recv());
        assert!(
            matches!(close, Some(Ok(Message::Close(Some(close)))) if close.code == CloseCode::AWAY)
        );
        assert!(impatiently!(tries, socket.recv()).is_none());
        assert!(tries > 100, "{tries}");
        let status = socket.close_status().expect("it is closed");
        assert_eq!((status.code(), status.clean), (1001, true));
    })
    .await;
    assert_eq!(peer.text().await, "before");
    assert_eq!(peer.next().await, (0x88, Vec::new()));
    for number in 0..30 {
        let text = format!("late {number}");
        trickle(&mut peer, &frames(&[(0x81, text.as_bytes())])).await;
    }
    trickle(&mut peer, &frames(&[(0x88, b"\x03\xe9")])).await;
    // The answer to our own Close is not answered.
    let mut rest = Vec::new();
    peer.io.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest, b"");
    drop(peer);
    pass(1.0).await;
    assert_eq!(client.count(Counter::HandlerPanics), 0);
    assert_eq!((client.connections(), client.buffered()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn whoever_waited_to_send_parts_and_gave_up_is_in_nobodys_way() {
    let (client, mut peer) = open(Config::default(), async |socket: WebSocket| {
        let mut first = socket.send_parts(false).await.unwrap();
        first.send("one ").await.unwrap();
        for _ in 0..3 {
            let second = timeout(Duration::from_millis(10), socket.send_parts(true));
            assert!(second.await.is_err(), "the first has not ended");
        }
        // A part that was given up was not sent; the message goes on.
        let filling = vec![b'x'; 400_000];
        first.send(&filling[..]).await.unwrap();
        let waiting = timeout(Duration::from_millis(10), first.send("lost"));
        assert!(waiting.await.is_err(), "there was room");
        let mut tries = 0;
        impatiently!(tries, first.send(" two")).unwrap();
        assert!(tries > 10, "{tries}");
        first.finish().await.unwrap();
        let second = impatiently!(tries, socket.send_parts(true)).unwrap();
        second.finish().await.unwrap();
    })
    .await;
    pass(0.1).await;
    for (first, len) in [(0x02, 4), (0x00, 400_000), (0x00, 4), (0x80, 0), (0x81, 0)] {
        let (found, payload) = peer.next().await;
        assert_eq!((found, payload.len()), (first, len));
    }
    end(&client, peer).await;
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_message_in_parts_may_be_given_up() {
    let (client, mut peer) = open(Config::default(), async |socket: WebSocket| {
        let mut parts = socket.send_parts(false).await.unwrap();
        parts.send(vec![b'x'; 400_000]).await.unwrap();
        // It has ended all the same, and there is no room for what comes behind it.
        let waiting = timeout(Duration::from_millis(10), parts.finish());
        assert!(waiting.await.is_err(), "there was room");
        let waiting = timeout(Duration::from_millis(10), socket.send("lost"));
        assert!(waiting.await.is_err(), "there was room");
        let mut tries = 0;
        let mut parts = impatiently!(tries, socket.send_parts(true)).unwrap();
        impatiently!(tries, parts.send("and ")).unwrap();
        parts.finish().await.unwrap();
        impatiently!(tries, socket.send("behind it")).unwrap();
    })
    .await;
    pass(0.1).await;
    for (first, len) in [(0x02, 400_000), (0x80, 0), (0x01, 4), (0x80, 0), (0x81, 9)] {
        let (found, payload) = peer.next().await;
        assert_eq!((found, payload.len()), (first, len));
    }
    end(&client, peer).await;
}

/// While a batch is lent nothing can be framed: what ends a message in parts is done when it is back.
#[tokio::test(start_paused = true)]
async fn a_message_in_parts_ends_while_a_batch_is_lent() {
    for whole in [true, false] {
        let (client, mut peer) = open(Config::default(), move |mut socket: WebSocket| async move {
            let mut parts = socket.send_parts(true).await.unwrap();
            parts.send("begun").await.unwrap();
            let mut parts = Some(parts);
            let lent = socket.each(|_, _| {
                let parts = parts.take().expect("it is called once");
                if whole {
                    let finish = std::pin::pin!(parts.finish());
                    let cx = &mut Context::from_waker(Waker::noop());
                    assert!(matches!(finish.poll(cx), Poll::Ready(Ok(()))));
                } else {
                    drop(parts);
                }
                ControlFlow::Break(())
            });
            lent.await.unwrap();
            let next = timeout(Duration::from_secs(1), socket.send("next")).await;
            assert_eq!(next.expect("nobody is in its way").is_ok(), whole);
            let others = timeout(Duration::from_secs(1), socket.send_parts(true)).await;
            let others = others.expect("nobody is in its way");
            assert_eq!(others.is_ok(), whole);
            if let Ok(others) = others {
                others.finish().await.unwrap();
            }
        })
        .await;
        assert_eq!(peer.next().await, (0x01, b"begun".to_vec()));
        peer.say("now").await;
        if whole {
            assert_eq!(peer.next().await, (0x80, Vec::new()));
            assert_eq!(peer.next().await, (0x81, b"next".to_vec()));
            assert_eq!(peer.next().await, (0x81, Vec::new()));
            end(&client, peer).await;
        } else {
            assert_eq!(peer.close().await.0, 1011);
            peer.frame(0x88, b"\x03\xf3").await;
            pass(1.0).await;
            assert_eq!(client.count(Counter::HandlerPanics), 0);
            assert_eq!((client.connections(), client.buffered()), (0, 0));
        }
    }
}

/// Notes 60 messages, batch after batch or all of them in one call, given up again and again.
async fn notes<const ON: bool>(mut socket: WebSocket) {
    let (mut tries, mut heard) = (0, Vec::new());
    while heard.len() < 60 {
        let mut note = |lent: Lent<'_>, _: &mut Replies<'_>| {
            if let Lent::Text(text) = lent {
                heard.push(text.to_owned());
            }
            if heard.len() == 60 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        if ON {
            impatiently!(tries, socket.each(&mut note)).unwrap();
        } else {
            impatiently!(tries, socket.recv_each(&mut note))
                .unwrap()
                .unwrap();
        }
    }
    let expected: Vec<_> = (0..60).map(|number| format!("number {number}")).collect();
    assert_eq!(heard, expected);
    assert!(tries > 300, "{tries}");
}

#[tokio::test(start_paused = true)]
async fn lending_that_was_given_up_loses_nothing() {
    for on in [false, true] {
        let (client, mut peer) = if on {
            open(Config::default(), notes::<true>).await
        } else {
            open(Config::default(), notes::<false>).await
        };
        for number in 0..60 {
            let text = format!("number {number}");
            let (begin, end) = text.as_bytes().split_at(number % 8);
            // Not more pongs than may come.
            let octets = if number % 3 > 0 {
                frames(&[(0x81, text.as_bytes())])
            } else {
                frames(&[(0x01, begin), (0x8a, b"p"), (0x80, end)])
            };
            trickle(&mut peer, &octets).await;
        }
        end(&client, peer).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_message_that_was_given_up_is_there_the_next_time() {
    let (client, mut peer) = open(Config::default(), async |mut socket: WebSocket| {
        let mut tries = 0;
        let deadline = Duration::from_secs(5);
        let first = impatiently!(tries, socket.first_message(deadline)).unwrap();
        assert_eq!(first, Message::from("token"));
        assert!(tries > 3, "{tries}");
    })
    .await;
    trickle(&mut peer, &frames(&[(0x89, b"p"), (0x81, b"token")])).await;
    assert_eq!(peer.next().await, (0x8a, b"p".to_vec()));
    end(&client, peer).await;
}
