//! What waits to be written, who waits for that, and what becomes of both: over the in-memory transport and on a paused
//! clock.

#[path = "support/talk.rs"]
mod talk;
#[path = "support/ws_peer.rs"]
mod ws_peer;

use bytes::BytesMut;
use futures_sink::Sink;
use std::future::{pending, poll_fn};
use std::io::{self, IoSlice};
use std::ops::ControlFlow;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker, ready};
use std::time::Duration;
use talk::pass;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};
use wireline::Router;
use wireline::http1;
use wireline::resource::counters::Counter;
use wireline::resource::io::{Io, Transport, memory};
use wireline::resource::panic::PanicHook;
use wireline::test::TestClient;
use wireline::ws::client::Client;
use wireline::ws::connection::{Lent, Replies};
use wireline::ws::handshake::accept_key;
use wireline::ws::message::Message;
use wireline::ws::prepared::Prepared;
use wireline::ws::route::WebSocketHandler;
use wireline::ws::socket::config::{Config, Overflow};
use wireline::ws::socket::{Sent, SocketError, WebSocket, WsSender};
use ws_peer::{Peer, masked};

/// A server whose only route is this.
fn serve<Args: 'static>(config: Config, handler: impl WebSocketHandler<Args>) -> TestClient {
    let routes = Router::new()
        .websocket_with("/", move |upgrade| upgrade.config(config.clone()), handler)
        .build()
        .unwrap();
    TestClient::new(routes)
}

/// A handler that hands its sending half out, and receives.
fn shows(place: &Arc<Mutex<Option<WsSender>>>) -> impl WebSocketHandler<()> + use<> {
    let place = place.clone();
    move |mut socket: WebSocket| {
        *place.lock().unwrap() = Some(socket.sender());
        async move { while socket.recv().await.is_some() {} }
    }
}

/// A server with such a queue, a peer that reads through a pipe of so many octets, and the half that sends to it.
async fn queued(queue: usize, overflow: Overflow, pipe: usize) -> (TestClient, Peer, WsSender) {
    let config = Config {
        queue,
        overflow,
        ..Config::default()
    };
    let place = Arc::default();
    let client = serve(config, shows(&place));
    let peer = Peer::open_narrow(&client, "/", pipe).await;
    pass(0.5).await;
    let sender = shown(&place);
    (client, peer, sender)
}

fn shown(place: &Arc<Mutex<Option<WsSender>>>) -> WsSender {
    place.lock().unwrap().take().expect("the handler has run")
}

#[tokio::test(start_paused = true)]
async fn dropping_the_oldest_keeps_to_the_bound_and_to_the_newest() {
    let (client, mut peer, sender) = queued(10_000, Overflow::DropOldest, 1024).await;
    let mut longest = 0;
    for number in 0..1000_u16 {
        let mut payload = vec![0; 1000];
        payload[..2].copy_from_slice(&number.to_be_bytes());
        assert_eq!(sender.try_send(payload).unwrap(), Sent::Queued);
        longest = longest.max(sender.buffered_amount());
    }
    assert!(longest <= 10_000, "{longest}");
    assert!(
        (985..1000).contains(&sender.dropped()),
        "{}",
        sender.dropped()
    );
    // What was framed before is no exception, and what is not framed yet stays before it.
    let news = Prepared::text("news");
    assert_eq!(sender.try_send_prepared(&news).unwrap(), Sent::Queued);
    let (mut last, mut found) = (0, 0);
    loop {
        let (first, payload) = peer.next().await;
        if first == 0x81 {
            assert_eq!(payload, b"news");
            break;
        }
        let number = u16::from_be_bytes([payload[0], payload[1]]);
        assert!(number >= last, "{number} came behind {last}");
        (last, found) = (number, found + 1);
    }
    assert_eq!(last, 999);
    assert_eq!(found + sender.dropped(), 1000);
    assert_eq!(
        client.count(Counter::WebSocketMessagesDropped),
        sender.dropped()
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_framed_before_obeys_each_policy() {
    for overflow in [
        Overflow::Wait,
        Overflow::DropOldest,
        Overflow::DropNewest,
        Overflow::Close,
    ] {
        let (_client, _peer, sender) = queued(10_000, overflow, 1024).await;
        let news = Prepared::binary(&[0; 1000]);
        let sent: Vec<_> = (0..20).map(|_| sender.try_send_prepared(&news)).collect();
        let queued = |sent: &Result<Sent, _>| matches!(sent, Ok(Sent::Queued));
        assert!(sent[..8].iter().all(queued), "{overflow:?}");
        let (_, rest) = sent.split_at(10);
        match overflow {
            Overflow::Wait => assert!(
                rest.iter()
                    .all(|sent| matches!(sent, Err(SocketError::Full)))
            ),
            Overflow::DropOldest => assert!(rest.iter().all(queued)),
            Overflow::DropNewest => {
                assert!(rest.iter().all(|sent| matches!(sent, Ok(Sent::Dropped))));
            }
            Overflow::Close => {
                assert!(
                    rest.iter()
                        .all(|sent| matches!(sent, Err(SocketError::Closed)))
                );
            }
        }
        assert!(sender.buffered_amount() <= 11_000, "{overflow:?}");
    }
}

/// What is dropped for want of room are messages: a ping of ours, and the answer to one of the peer's, are on their way at any time.
#[tokio::test(start_paused = true)]
async fn control_frames_are_never_dropped_for_messages() {
    for overflow in [Overflow::DropOldest, Overflow::DropNewest] {
        let (client, mut peer, sender) = queued(10_000, overflow, 1024).await;
        let flood = || {
            let before = sender.dropped();
            for _ in 0..50 {
                sender.try_send(vec![0; 1000]).unwrap();
            }
            sender.dropped() - before
        };
        let dropped = flood();
        assert!(dropped > 30, "{overflow:?}: {dropped}");
        let ping = Message::Ping("are you there?".into());
        assert_eq!(sender.try_send(ping).unwrap(), Sent::Queued);
        peer.frame(0x89, b"and you?").await;
        pass(0.1).await;
        // Five times what fits: whatever could be dropped is gone by now.
        let dropped = flood();
        assert!(dropped > 40, "{overflow:?}: {dropped}");
        let mut controls = Vec::new();
        while controls.len() < 2 {
            let next = timeout(Duration::from_secs(5), peer.next()).await;
            match next.unwrap() {
                (0x82, message) => assert_eq!(message.len(), 1000),
                control => controls.push(control),
            }
        }
        let ping = (0x89, b"are you there?".to_vec());
        assert_eq!(controls, [ping, (0x8a, b"and you?".to_vec())]);
        let dropped = client.count(Counter::WebSocketMessagesDropped);
        assert_eq!(dropped, sender.dropped(), "{overflow:?}");
    }
}

/// Nor where they cannot be framed yet, because a batch is lent.
#[tokio::test(start_paused = true)]
async fn nor_are_those_that_wait_for_a_batch_that_is_lent() {
    let config = Config {
        queue: 10_000,
        overflow: Overflow::DropOldest,
        ..Config::default()
    };
    let client = serve(config, async |mut socket: WebSocket| {
        let sender = socket.sender();
        let lent = socket.each(|_, _| {
            let ping = Message::Ping("are you there?".into());
            assert_eq!(sender.try_send(ping).unwrap(), Sent::Queued);
            for number in 0..100 {
                let sent = sender.try_send(vec![number; 1000]);
                assert_eq!(sent.unwrap(), Sent::Queued);
            }
            ControlFlow::Break(())
        });
        lent.await.unwrap();
        assert!(sender.dropped() > 80, "{}", sender.dropped());
    });
    let mut peer = Peer::open(&client, "/").await;
    peer.say("now").await;
    assert_eq!(peer.next().await, (0x89, b"are you there?".to_vec()));
    let (first, message) = peer.next().await;
    assert_eq!((first, message.len()), (0x82, 1000));
    assert!(message[0] > 80, "{} was the oldest", message[0]);
}

/// What was framed before a batch was lent waits to be written all the same.
#[tokio::test(start_paused = true)]
async fn what_waits_is_counted_while_a_batch_is_lent() {
    let client = serve(Config::default(), async |mut socket: WebSocket| {
        let sender = socket.sender();
        sender.try_send(vec![0; 50_000]).unwrap();
        let lent = socket.each(|_, _| {
            let waiting = sender.buffered_amount();
            assert!((40_000..50_100).contains(&waiting), "{waiting}");
            let cx = &mut Context::from_waker(Waker::noop());
            assert!(pin!(sender.drained()).poll(cx).is_pending());
            sender.try_send(vec![1; 1000]).unwrap();
            assert!(sender.buffered_amount() > waiting + 1000);
            ControlFlow::Break(())
        });
        lent.await.unwrap();
        sender.drained().await;
        assert_eq!(sender.buffered_amount(), 0);
    });
    let mut peer = Peer::open_narrow(&client, "/", 1024).await;
    peer.say("now").await;
    pass(0.1).await;
    assert_eq!(peer.next().await.1.len(), 50_000);
    assert_eq!(peer.next().await, (0x82, vec![1; 1000]));
    assert_eq!(peer.close().await.0, 1000);
}

/// A waker that counts those of its kind that are left.
struct Counted(Arc<AtomicUsize>);

impl Wake for Counted {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn futures_that_are_gone_leave_nothing_behind() {
    let (_client, _peer, sender) = queued(1000, Overflow::Wait, 256).await;
    while sender.try_send(vec![0; 500]).is_ok() {}
    let left = Arc::new(AtomicUsize::new(0));
    for _ in 0..100 {
        let waiting: [Pin<Box<dyn Future<Output = ()>>>; 4] = [
            Box::pin(sender.closed()),
            Box::pin(sender.draining()),
            Box::pin(sender.drained()),
            Box::pin(async { drop(sender.send(vec![0; 500]).await) }),
        ];
        for mut future in waiting {
            left.fetch_add(1, Ordering::SeqCst);
            let waker = Waker::from(Arc::new(Counted(left.clone())));
            let cx = &mut Context::from_waker(&waker);
            assert!(future.as_mut().poll(cx).is_pending());
            // The same future in another task has one place, not two.
            assert!(future.as_mut().poll(cx).is_pending());
        }
    }
    assert_eq!(left.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_room_goes_on_before_all_is_written() {
    let (_client, mut peer, sender) = queued(100_000, Overflow::Wait, 1024).await;
    while sender.try_send(vec![0; 10_000]).is_ok() {}
    let waits = sender.clone();
    let waiting = tokio::spawn(async move { waits.send(vec![1; 20_000]).await });
    pass(0.1).await;
    assert!(!waiting.is_finished());
    for _ in 0..6 {
        peer.next().await;
    }
    pass(0.1).await;
    assert!(waiting.is_finished());
    let left = sender.buffered_amount();
    assert!((30_000..60_000).contains(&left), "{left}");
}

#[tokio::test(start_paused = true)]
async fn a_close_waits_for_the_message_in_parts_and_for_all_behind_it() {
    let place = Arc::default();
    let client = serve(Config::default(), shows(&place));
    let mut peer = Peer::open(&client, "/").await;
    pass(0.1).await;
    let sender = shown(&place);
    let mut parts = sender.send_parts(true).await.unwrap();
    parts.send("one ").await.unwrap();
    assert_eq!(sender.try_send("two").unwrap(), Sent::Queued);
    sender.close(None).unwrap();
    assert!(sender.is_closed());
    sender.closed().await;
    assert!(matches!(sender.try_send("late"), Err(SocketError::Closed)));
    assert!(matches!(sender.close(None), Err(SocketError::Closed)));
    pass(1.0).await;
    parts.send("message").await.unwrap();
    parts.finish().await.unwrap();
    assert_eq!(peer.next().await, (0x01, b"one ".to_vec()));
    assert_eq!(peer.next().await, (0x00, b"message".to_vec()));
    assert_eq!(peer.next().await, (0x80, Vec::new()));
    assert_eq!(peer.next().await, (0x81, b"two".to_vec()));
    assert_eq!(peer.next().await, (0x88, Vec::new()));
}

/// Waits for a write, or for the room that it makes, in one of the ways there are.
async fn goes_on(how: &str, mut sender: WsSender) {
    match how {
        "drained" => sender.drained().await,
        "flush" => poll_fn(|cx| Pin::new(&mut sender).poll_flush(cx))
            .await
            .unwrap(),
        "ready" => poll_fn(|cx| Pin::new(&mut sender).poll_ready(cx))
            .await
            .unwrap(),
        _ => assert_eq!(sender.send_ping("").await.unwrap(), Sent::Queued),
    }
}

/// Whoever waits for a write is told of it while a message in parts is open, too: its end may be his to bring about.
#[tokio::test(start_paused = true)]
async fn a_write_is_told_while_a_message_in_parts_is_open() {
    for how in ["drained", "flush", "ready", "ping"] {
        let config = Config {
            queue: 50_000,
            ..Config::default()
        };
        let client = serve(config, move |socket: WebSocket| async move {
            let mut parts = socket.send_parts(false).await.unwrap();
            parts.send(vec![0; 200_000]).await.unwrap();
            let begun = Instant::now();
            goes_on(how, socket.sender()).await;
            // Nor by the next event that comes by.
            assert!(begun.elapsed() < Duration::from_secs(1), "{how}");
            parts.finish().await.unwrap();
        });
        let mut peer = Peer::open_narrow(&client, "/", 1024).await;
        takes_parts(&mut peer, how).await;
        assert_eq!(peer.next().await, (0x80, Vec::new()), "{how}");
        assert_eq!(peer.close().await.0, 1000, "{how}");

        // In another task, which nothing else wakes.
        let (_client, mut peer, sender) = queued(50_000, Overflow::Wait, 1024).await;
        let mut parts = sender.send_parts(false).await.unwrap();
        parts.send(vec![0; 200_000]).await.unwrap();
        let waiting = tokio::spawn(goes_on(how, sender.clone()));
        pass(0.1).await;
        assert!(!waiting.is_finished(), "{how}");
        takes_parts(&mut peer, how).await;
        let waited = timeout(Duration::from_secs(1), waiting).await;
        waited.expect(how).expect(how);
        parts.finish().await.unwrap();
        assert_eq!(peer.next().await, (0x80, Vec::new()), "{how}");
    }
}

async fn takes_parts(peer: &mut Peer, how: &str) {
    let (first, part) = peer.next().await;
    assert_eq!((first, part.len()), (0x02, 200_000));
    if how == "ping" {
        let ping = timeout(Duration::from_secs(1), peer.next()).await;
        assert_eq!(ping.expect(how), (0x89, Vec::new()));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_behind_a_message_in_parts_is_waited_for_without_a_spin() {
    let (_client, mut peer, sender) = queued(50_000, Overflow::Wait, 1024).await;
    let mut parts = sender.send_parts(false).await.unwrap();
    assert_eq!(sender.try_send("behind").unwrap(), Sent::Queued);
    parts.send(vec![0; 200_000]).await.unwrap();
    let waits = sender.clone();
    let waiting = tokio::spawn(async move {
        let mut drained = pin!(waits.drained());
        let mut polls = 0;
        poll_fn(|cx| {
            polls += 1;
            assert!(polls < 1000, "it goes round and round");
            drained.as_mut().poll(cx)
        })
        .await;
    });
    takes_parts(&mut peer, "drained").await;
    pass(5.0).await;
    assert!(!waiting.is_finished());
    parts.finish().await.unwrap();
    assert_eq!(peer.next().await, (0x80, Vec::new()));
    assert_eq!(peer.text().await, "behind");
    let waited = timeout(Duration::from_secs(1), waiting).await;
    waited.unwrap().unwrap();
}

/// However small the queue is, what is larger is taken when nothing waits; and what the peer is owed leaves.
#[tokio::test(start_paused = true)]
async fn a_queue_of_nothing_takes_one_message_after_another() {
    for queue in [0, 1, 2] {
        let config = Config {
            queue,
            ..Config::default()
        };
        let next = async |peer: &mut Peer| {
            let next = timeout(Duration::from_secs(5), peer.next()).await;
            next.unwrap_or_else(|_| panic!("nothing comes with a queue of {queue}"))
        };
        let client = serve(config.clone(), async |mut socket: WebSocket| {
            let again = Prepared::text("again");
            while let Some(Ok(message)) = socket.recv().await {
                if message.is_text() {
                    socket.send(message).await.unwrap();
                    socket.send_prepared(&again).await.unwrap();
                    let ready = poll_fn(|cx| Pin::new(&mut socket).poll_ready(cx));
                    ready.await.unwrap();
                }
            }
        });
        let mut peer = Peer::open(&client, "/").await;
        let said = [
            masked(0x81, b"one"),
            masked(0x89, b"ping"),
            masked(0x81, b"two"),
        ];
        peer.io.write_all(&said.concat()).await.unwrap();
        let (mut messages, mut pongs) = (Vec::new(), 0);
        while messages.len() < 4 || pongs < 1 {
            match next(&mut peer).await {
                (0x8a, payload) => {
                    assert_eq!(payload, b"ping");
                    pongs += 1;
                }
                (_, payload) => messages.push(payload),
            }
        }
        assert_eq!(messages, [&b"one"[..], b"again", b"two", b"again"]);

        // A handler that does something else.
        let client = serve(config.clone(), async |socket: WebSocket| {
            pending::<()>().await;
            drop(socket);
        });
        let mut peer = Peer::open(&client, "/").await;
        for _ in 0..3 {
            peer.frame(0x89, b"are you there?").await;
            let pong = (0x8a, b"are you there?".to_vec());
            assert_eq!(next(&mut peer).await, pong);
        }

        // Who answers what he is lent, and a client with such a queue of its own.
        let client = serve(config.clone(), async |mut socket: WebSocket| {
            socket.each(back).await
        });
        let (io, server) = memory::pair(64 * 1024);
        drop(client.serve(Io::Dyn(Box::new(server))));
        let opening = Client::new().config(config);
        let opened = opening.connect_over(Io::Dyn(Box::new(io)), "ws://a/").await;
        let mut socket = opened.unwrap();
        for number in 0..3 {
            let sent = timeout(Duration::from_secs(5), socket.send(vec![number; 1000]));
            assert_eq!(sent.await.unwrap().unwrap(), Sent::Queued);
        }
        for number in 0..3 {
            let heard = timeout(Duration::from_secs(5), socket.recv()).await;
            let message = heard.unwrap().unwrap().unwrap();
            assert_eq!(message, Message::Binary(vec![number; 1000].into()));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_drain_does_not_wait_for_a_message_in_parts_for_ever() {
    let place = Arc::default();
    let client = serve(Config::default(), shows(&place));
    let mut peer = Peer::open(&client, "/").await;
    pass(0.1).await;
    let sender = shown(&place);
    let mut parts = sender.send_parts(true).await.unwrap();
    parts.send("one ").await.unwrap();
    client.drain();
    pass(9.0).await;
    assert_eq!(client.connections(), 0);
    assert!(matches!(parts.send("more").await, Err(SocketError::Closed)));
    assert_eq!(peer.next().await, (0x01, b"one ".to_vec()));
    assert_eq!(peer.io.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_sink_tells_what_never_left() {
    let place = Arc::default();
    let client = serve(Config::default(), shows(&place));
    let peer = Peer::open_narrow(&client, "/", 1024).await;
    pass(0.1).await;
    let mut sender = shown(&place);
    assert!(
        poll_fn(|cx| Pin::new(&mut sender).poll_flush(cx))
            .await
            .is_ok()
    );
    let flushed = async {
        for _ in 0..10 {
            sender.try_send(vec![0; 10_000]).unwrap();
        }
        poll_fn(|cx| Pin::new(&mut sender).poll_flush(cx)).await
    };
    let leaves = async {
        pass(1.0).await;
        drop(peer);
    };
    let (flushed, ()) = tokio::join!(flushed, leaves);
    assert!(matches!(flushed, Err(SocketError::Closed)), "{flushed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_told_at_once() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let tells = told.clone();
    let mut config = http1::driver::config::Config::default();
    config.on_panic = Some(PanicHook::new(move |message| {
        tells.lock().unwrap().push(message.to_owned());
    }));
    let routes = Router::new()
        .websocket("/", async |mut socket: WebSocket| {
            let said = socket.recv().await;
            assert!(said.is_none(), "something was said");
        })
        .build()
        .unwrap();
    let client = TestClient::with_config(routes, config);
    let mut peer = Peer::open(&client, "/").await;
    peer.say("something").await;
    assert_eq!(peer.close().await.0, 1011);
    assert_eq!(*told.lock().unwrap(), ["something was said"]);
    assert_eq!(client.count(Counter::HandlerPanics), 1);
}

#[tokio::test(start_paused = true)]
async fn after_a_panic_the_peer_is_understood_all_the_same() {
    for first in [
        masked(0x81, b"small"),
        masked(0x82, &[b'x'; 5000]),
        masked(0x89, b"ping"),
        [masked(0x01, b"in "), masked(0x80, b"parts")].concat(),
    ] {
        let client = serve(Config::default(), async |mut socket: WebSocket| {
            let ended = socket.each(|lent, _| panic!("on purpose: {lent:?}")).await;
            drop(ended);
        });
        let mut peer = Peer::open(&client, "/").await;
        let (begun, rest) = (masked(0x81, &[b'y'; 100]), 50);
        let octets = [&first[..], &begun[..rest]].concat();
        peer.io.write_all(&octets).await.unwrap();
        loop {
            let (first, payload) = peer.next().await;
            if first == 0x88 {
                assert_eq!(payload[..2], 1011_u16.to_be_bytes());
                break;
            }
            assert_eq!((first, &payload[..]), (0x8a, &b"ping"[..]));
        }
        peer.io.write_all(&begun[rest..]).await.unwrap();
        peer.frame(0x88, &1011_u16.to_be_bytes()).await;
        assert_eq!(peer.io.read(&mut [0]).await.unwrap(), 0);
        drop(peer);
        pass(1.0).await;
        assert_eq!(client.count(Counter::WebSocketProtocolErrors), 0);
        assert_eq!(client.count(Counter::WebSocketsClosedClean), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_cannot_write_any_more_still_hears_why() {
    let (io, mut server) = memory::pair(64 * 1024);
    let opening = tokio::spawn(async move {
        let client = Client::new();
        client
            .connect_over(Io::Dyn(Box::new(io)), "ws://a/")
            .await
            .unwrap()
    });
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(server.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let key = head
        .lines()
        .find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("sec-websocket-key")
                .then_some(value)
        })
        .unwrap();
    let accept = accept_key(key.as_bytes());
    server
        .write_all(
            format!(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
            )
            .as_bytes(),
        )
        .await
        .unwrap();
    let mut socket = opening.await.unwrap();
    server.write_all(b"\x88\x04\x03\xf1no").await.unwrap();
    drop(server);
    // The transport is gone, what came before is not.
    while socket.try_send(vec![0; 10_000]).is_ok() {
        pass(0.1).await;
    }
    let heard = timeout(Duration::from_secs(1), socket.recv())
        .await
        .unwrap();
    let Some(Ok(Message::Close(Some(close)))) = heard else {
        panic!("{heard:?}");
    };
    assert_eq!((close.code.get(), close.reason.as_str()), (1009, "no"));
}

/// Takes up to 64 KiB into a buffer of its own, as a transport with records does, and sends them with the flush.
struct Holds {
    io: Io,
    taken: Vec<u8>,
}

impl Transport for Holds {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.poll_readable(cx)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>> {
        self.io.poll_read(cx, buf)
    }

    fn poll_writev(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.taken.len() >= 64 * 1024 {
            ready!(self.poll_flush(cx))?;
        }
        let before = self.taken.len();
        slices
            .iter()
            .for_each(|slice| self.taken.extend_from_slice(slice));
        Poll::Ready(Ok(self.taken.len() - before))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.taken.is_empty() {
            let sent = ready!(self.io.poll_writev(cx, &[IoSlice::new(&self.taken)]))?;
            self.taken.drain(..sent);
        }
        self.io.poll_flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_flush(cx))?;
        self.io.poll_shutdown(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_transport_holds_back_has_not_left() {
    let config = Config {
        ping_interval: Duration::ZERO,
        ..Config::default()
    };
    let place = Arc::default();
    let client = serve(config, shows(&place));
    let (io, server) = memory::pair(1024);
    let holds = Holds {
        io: Io::Dyn(Box::new(server)),
        taken: Vec::new(),
    };
    drop(client.serve(Io::Dyn(Box::new(holds))));
    let mut peer = Peer::open_over(io, "/").await;
    pass(0.1).await;
    let sender = shown(&place);
    sender.send(vec![0; 20_000]).await.unwrap();
    assert!(
        timeout(Duration::from_secs(5), sender.drained())
            .await
            .is_err()
    );
    // Whoever reads gets all of it, and then it has left.
    assert_eq!(peer.next().await.1.len(), 20_000);
    timeout(Duration::from_secs(1), sender.drained())
        .await
        .unwrap();
    // Whoever does not is gone after the write timeout, pings or not.
    sender.send(vec![0; 20_000]).await.unwrap();
    pass(29.0).await;
    assert_eq!(client.connections(), 1);
    pass(3.0).await;
    assert_eq!(client.connections(), 0);
    assert_eq!(client.count(Counter::WriteTimeouts), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_queued_while_a_receive_waits_in_the_same_turn_leaves() {
    let client = serve(Config::default(), async |mut socket: WebSocket| {
        let sender = socket.sender();
        loop {
            tokio::select! {
                biased;
                received = socket.recv() => if received.is_none() { break },
                () = async {
                    sender.try_send("and then").unwrap();
                    pending().await
                } => {}
            }
        }
    });
    let mut peer = Peer::open(&client, "/").await;
    for _ in 0..5 {
        let said = timeout(Duration::from_millis(200), peer.text()).await;
        assert_eq!(said.unwrap(), "and then");
        pass(0.5).await;
        peer.say("go on").await;
    }
}

/// Counts the writes.
struct Counts {
    io: Io,
    writes: Arc<AtomicUsize>,
}

impl Transport for Counts {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.poll_readable(cx)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>> {
        self.io.poll_read(cx, buf)
    }

    fn poll_writev(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.io.poll_writev(cx, slices)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.poll_flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.poll_shutdown(cx)
    }
}

/// Answers what it is lent.
fn back(lent: Lent<'_>, replies: &mut Replies<'_>) -> ControlFlow<()> {
    let sent = match lent {
        Lent::Binary(octets) => replies.binary(octets),
        _ => Ok(()),
    };
    sent.map_or(ControlFlow::Break(()), ControlFlow::Continue)
}

/// Sends each message back, as three ways of receiving have it.
fn echoes() -> TestClient {
    let routes = Router::new()
        .websocket("/recv", async |mut socket: WebSocket| {
            while let Some(Ok(message)) = socket.recv().await {
                if message.is_binary() && socket.send(message).await.is_err() {
                    break;
                }
            }
        })
        .websocket("/recv_each", async |mut socket: WebSocket| {
            while let Some(Ok(())) = socket.recv_each(back).await {}
        })
        .websocket("/each", async |mut socket: WebSocket| {
            socket.each(back).await
        });
    TestClient::new(routes.build().unwrap())
}

/// What is answered to the messages of one read leaves together, also where each of them is answered by itself.
#[tokio::test(start_paused = true)]
async fn the_answers_to_what_one_read_has_brought_leave_in_one_write() {
    let client = echoes();
    for path in ["/recv", "/recv_each", "/each"] {
        // Which is one slice and no more; what is larger is a slice of its own.
        for len in [0, 16, 200, 900] {
            let (io, server) = memory::pair(64 * 1024);
            let writes = Arc::new(AtomicUsize::new(0));
            let counts = Counts {
                io: Io::Dyn(Box::new(server)),
                writes: writes.clone(),
            };
            drop(client.serve(Io::Dyn(Box::new(counts))));
            let mut peer = Peer::open_over(io, path).await;
            pass(0.1).await;
            for round in 0..3 {
                let before = writes.load(Ordering::SeqCst);
                let message = vec![round; len];
                let all = masked(0x82, &message).repeat(16);
                peer.io.write_all(&all).await.unwrap();
                for _ in 0..16 {
                    assert_eq!(peer.next().await, (0x82, message.clone()));
                }
                let wrote = writes.load(Ordering::SeqCst) - before;
                assert_eq!(wrote, 1, "16 answers of {len} octets at {path}");
            }
        }
    }
}
