//! Peers that take nothing, say too much or are gone, and handlers that look elsewhere: the worker goes on, and nothing
//! that was queued is lost, over the in-memory transport and on a paused clock.

#[path = "support/talk.rs"]
mod talk;
#[path = "support/ws_peer.rs"]
mod ws_peer;

use std::future::poll_fn;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use talk::pass;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wireline::Router;
use wireline::resource::counters::Counter;
use wireline::test::TestClient;
use wireline::ws::connection::Lent;
use wireline::ws::route::WebSocketHandler;
use wireline::ws::socket::WebSocket;
use wireline::ws::socket::config::Config;
use ws_peer::{Peer, masked};

/// A server whose only route is this.
fn serve<Args: 'static>(config: Config, handler: impl WebSocketHandler<Args>) -> TestClient {
    let routes = Router::new()
        .websocket_with("/", move |upgrade| upgrade.config(config.clone()), handler)
        .build()
        .unwrap();
    TestClient::new(routes)
}

/// Fails when `test` does not end: what hangs a thread cannot be stopped from within.
fn ends(test: impl Future<Output = ()> + Send + 'static) {
    let (done, ended) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(test);
        done.send(()).unwrap();
    });
    let ended = ended.recv_timeout(Duration::from_secs(20));
    assert!(ended.is_ok(), "the thread hangs, or the test has failed");
}

/// A future that is polled only when its own waker was woken, as those are that combine many.
struct Alone<F> {
    future: Pin<Box<F>>,
    woken: Arc<Woken>,
}

struct Woken {
    woken: AtomicBool,
    outer: Mutex<Option<Waker>>,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        let outer = self.outer.lock().unwrap().clone();
        outer.into_iter().for_each(Waker::wake);
    }
}

fn alone<F: Future>(future: F) -> Alone<F> {
    Alone {
        future: Box::pin(future),
        woken: Arc::new(Woken {
            woken: AtomicBool::new(true),
            outer: Mutex::default(),
        }),
    }
}

impl<F: Future> Future for Alone<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        *self.woken.outer.lock().unwrap() = Some(cx.waker().clone());
        if !self.woken.woken.swap(false, Ordering::SeqCst) {
            return Poll::Pending;
        }
        let waker = Waker::from(self.woken.clone());
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }
}

/// Lets every other task run once.
async fn turn() {
    let mut had = false;
    poll_fn(|cx| {
        cx.waker().wake_by_ref();
        if std::mem::replace(&mut had, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

#[test]
fn a_close_behind_what_nobody_takes_does_not_hang_the_worker() {
    ends(async {
        let client = serve(Config::default(), async |mut socket: WebSocket| {
            while let Some(Ok(message)) = socket.recv().await {
                if message.is_binary() && socket.send(message).await.is_err() {
                    break;
                }
            }
        });
        let mut peer = Peer::open_narrow(&client, "/", 4096).await;
        for _ in 0..12 {
            peer.frame(0x82, &[b'x'; 10_000]).await;
        }
        pass(1.0).await;
        peer.frame(0x88, b"\x03\xe8").await;
        pass(8.0).await;
        assert_eq!((client.connections(), client.buffered()), (0, 0));
    });
}

#[test]
fn a_close_to_whoever_only_sends_does_not_hang_the_worker() {
    ends(async {
        let client = serve(Config::default(), async |socket: WebSocket| {
            let (sender, receiver) = socket.split();
            drop(receiver);
            while sender.send(vec![0; 10_000]).await.is_ok() {}
        });
        let mut peer = Peer::open_narrow(&client, "/", 4096).await;
        pass(1.0).await;
        peer.frame(0x88, b"\x03\xe8").await;
        pass(1.0).await;
        // What was framed before the Close still comes, and then the answer.
        let mut frames = 0;
        let answer = loop {
            match peer.next().await {
                (0x82, payload) => assert_eq!(payload.len(), 10_000),
                answer => break answer,
            }
            frames += 1;
        };
        assert!(frames > 0);
        assert_eq!(answer, (0x88, b"\x03\xe8".to_vec()));
        drop(peer);
        pass(1.0).await;
        assert_eq!((client.connections(), client.buffered()), (0, 0));
    });
}

#[tokio::test(start_paused = true)]
async fn a_receiver_with_a_waker_of_its_own_learns_of_the_end() {
    let ended = Arc::new(AtomicBool::new(false));
    let told = ended.clone();
    let client = serve(Config::default(), move |mut socket: WebSocket| {
        let told = told.clone();
        async move {
            alone(async { while socket.recv().await.is_some() {} }).await;
            told.store(true, Ordering::SeqCst);
        }
    });
    let _peer = Peer::open(&client, "/").await;
    pass(100.0).await;
    assert_eq!(client.count(Counter::WebSocketPingTimeouts), 1);
    assert!(ended.load(Ordering::SeqCst));
    assert_eq!(client.connections(), 0);
}

#[tokio::test(start_paused = true)]
async fn lending_under_a_waker_of_its_own_goes_on_when_the_peer_takes_again() {
    let config = Config {
        queue: 20_000,
        ..Config::default()
    };
    let seen = Arc::new(AtomicUsize::new(0));
    let count = seen.clone();
    let client = serve(config, move |mut socket: WebSocket| {
        let count = count.clone();
        async move {
            let lent = socket.each(|lent, replies| {
                if let Lent::Binary(octets) = lent {
                    count.fetch_add(1, Ordering::SeqCst);
                    replies.binary(octets).expect("it is open");
                }
                ControlFlow::Continue(())
            });
            alone(lent).await.expect("the peer is gone");
        }
    });
    let peer = Peer::open_narrow(&client, "/", 4096).await;
    let (mut reads, mut writes) = tokio::io::split(peer.io);
    let messages = masked(0x82, &[b'x'; 10_000]).repeat(20);
    let writing = tokio::spawn(async move { writes.write_all(&messages).await });
    pass(1.0).await;
    assert!(seen.load(Ordering::SeqCst) < 20);
    let mut replies = vec![0; 20 * 10_004];
    reads.read_exact(&mut replies).await.unwrap();
    assert_eq!(seen.load(Ordering::SeqCst), 20);
    assert!(writing.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_flood_leaves_others_their_turn() {
    for how in ["recv", "each", "deaf"] {
        let client = serve(Config::default(), move |mut socket: WebSocket| async move {
            match how {
                "recv" => while socket.recv().await.is_some() {},
                "each" => {
                    let _ = socket.each(|_, _| ControlFlow::Continue(())).await;
                }
                _ => {
                    let (sender, receiver) = socket.split();
                    drop(receiver);
                    sender.send("deaf").await.expect("it is open");
                    std::future::pending().await
                }
            }
        });
        let mut peer = Peer::open_narrow(&client, "/", 4 << 20).await;
        let mut flood = masked(0x82, b"x").repeat(400_000);
        flood.extend(masked(0x88, b"\x03\xe8"));
        peer.io.write_all(&flood).await.unwrap();
        let closed = tokio::spawn(async move { while peer.next().await.0 != 0x88 {} });
        // In a task of its own, as other connections are.
        let turns = tokio::spawn(async move {
            let mut turns = 0;
            while !closed.is_finished() {
                turns += 1;
                turn().await;
            }
            turns
        });
        let turns = turns.await.unwrap();
        assert!(turns > flood.len() / (128 * 1024), "{how}: {turns} turns");
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_does_not_receive_answers_all_the_same() {
    let client = serve(Config::default(), async |socket: WebSocket| {
        let (sender, mut receiver) = socket.split();
        sender.closed().await;
        // What came before the end is still there, in order.
        let mut seen = Vec::new();
        while let Some(Ok(message)) = receiver.recv().await {
            seen.push(message);
        }
        assert_eq!(seen.len(), 3);
        assert_eq!(seen[0].as_text(), Some("hello"));
        assert!(seen[1].is_ping() && seen[2].is_close());
        assert!(sender.is_closed());
    });
    let mut peer = Peer::open(&client, "/").await;
    peer.say("hello").await;
    peer.frame(0x89, b"there?").await;
    assert_eq!(peer.next().await, (0x8a, b"there?".to_vec()));
    peer.frame(0x88, b"\x03\xe8").await;
    assert_eq!(peer.next().await, (0x88, b"\x03\xe8".to_vec()));
    drop(peer);
    pass(1.0).await;
    assert_eq!(client.count(Counter::HandlerPanics), 0);
    assert_eq!((client.connections(), client.buffered()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_was_read_ahead_is_lent() {
    let client = serve(Config::default(), async |mut socket: WebSocket| {
        pass(1.0).await;
        let lent = socket.each(|lent, replies| {
            if let Lent::Text(text) = lent {
                replies.text(text).expect("it is open");
            }
            ControlFlow::Continue(())
        });
        lent.await.expect("no fault");
    });
    let mut peer = Peer::open(&client, "/").await;
    peer.say("a").await;
    pass(0.5).await;
    peer.say("b").await;
    pass(1.0).await;
    peer.say("c").await;
    for text in ["a", "b", "c"] {
        assert_eq!(peer.text().await, text);
    }
}

#[tokio::test(start_paused = true)]
async fn so_much_is_read_ahead_and_no_more() {
    let client = serve(Config::default(), async |mut socket: WebSocket| {
        pass(5.0).await;
        let mut messages = 0;
        while let Some(Ok(message)) = socket.recv().await {
            messages += usize::from(message.is_binary());
        }
        assert_eq!(messages, 100);
    });
    let mut peer = Peer::open_narrow(&client, "/", 4096).await;
    let mut flood = masked(0x82, &[0; 10_000]).repeat(100);
    flood.extend(masked(0x88, b""));
    let flooding = tokio::spawn(async move {
        peer.io.write_all(&flood).await.unwrap();
        peer.next().await
    });
    pass(4.0).await;
    assert!(client.buffered() < 100_000, "{}", client.buffered());
    assert_eq!(flooding.await.unwrap(), (0x88, Vec::new()));
    pass(1.0).await;
    assert_eq!(client.count(Counter::HandlerPanics), 0);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_only_waits_learns_that_its_peer_is_gone() {
    for (deaf, dead) in [(true, false), (false, false), (true, true), (false, true)] {
        let client = serve(Config::default(), move |socket: WebSocket| async move {
            let (sender, receiver) = socket.split();
            let _receiver = (!deaf).then_some(receiver);
            sender.closed().await;
        });
        let mut peer = Peer::open(&client, "/").await;
        // Nobody takes this, and it is no sign of life for ever.
        peer.frame(0x8a, b"").await;
        if dead {
            pass(100.0).await;
            assert_eq!(client.count(Counter::WebSocketPingTimeouts), 1);
        } else {
            drop(peer);
            pass(1.0).await;
        }
        assert_eq!((client.connections(), client.buffered()), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn sockets_that_hold_the_budget_do_not_shut_out_requests() {
    let routes = Router::new()
        .websocket(
            "/ws",
            async |mut socket: WebSocket| {
                while socket.recv().await.is_some() {}
            },
        )
        .get("/", async || "hello")
        .build()
        .unwrap();
    let client = TestClient::with_budget(routes, Default::default(), 10_000_000);
    let mut peers = Vec::new();
    for _ in 0..200 {
        peers.push(Peer::open_narrow(&client, "/ws", 65536).await);
    }
    for peer in &mut peers {
        let begun = masked(0x02, &[0; 50_000]);
        let _ = tokio::time::timeout(Duration::from_millis(10), peer.io.write_all(&begun)).await;
        pass(0.001).await;
    }
    pass(5.0).await;
    assert_eq!(client.get("/").await.status, 200);
    assert!(client.buffered() < 9_500_000, "{}", client.buffered());
    let held_back = client.count(Counter::ReadsPaused) + client.count(Counter::ShedConnections);
    assert!(held_back > 0);
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_that_goes_on_taking_lives() {
    let client = serve(Config::default(), async |mut socket: WebSocket| {
        let sender = socket.sender();
        let sending = async { while sender.send(vec![0; 100_000]).await.is_ok() {} };
        tokio::join!(sending, async { while socket.recv().await.is_some() {} });
    });
    let mut peer = Peer::open_narrow(&client, "/", 4096).await;
    let mut some = [0; 2048];
    for _ in 0..480 {
        assert!(peer.io.read(&mut some).await.unwrap() > 0);
        pass(0.25).await;
    }
    assert_eq!(client.count(Counter::WebSocketPingTimeouts), 0);
    assert_eq!(client.connections(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_last_words_have_as_long_as_the_peer_goes_on_taking() {
    let client = serve(Config::default(), async |socket: WebSocket| {
        socket.send(vec![7; 200_000]).await.expect("it is open");
    });
    let mut peer = Peer::open_narrow(&client, "/", 4096).await;
    let (mut some, mut taken) = ([0; 4096], 0);
    while taken < 10 + 200_000 {
        taken += peer.io.read(&mut some).await.unwrap();
        pass(0.25).await;
    }
    // Then nothing at all is taken, and it ends as it always did.
    let client = serve(Config::default(), async |socket: WebSocket| {
        socket.send(vec![7; 200_000]).await.expect("it is open");
    });
    let _peer = Peer::open_narrow(&client, "/", 4096).await;
    pass(7.0).await;
    assert_eq!((client.connections(), client.buffered()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_drain_keeps_what_was_queued() {
    let client = serve(Config::default(), async |mut socket: WebSocket| {
        for number in 0..20 {
            socket.send(vec![number; 10_000]).await.expect("it is open");
        }
        while socket.recv().await.is_some() {}
    });
    let mut peer = Peer::open_narrow(&client, "/", 4096).await;
    pass(1.0).await;
    client.drain();
    pass(3.0).await;
    for number in 0..20 {
        assert_eq!(peer.next().await, (0x82, vec![number; 10_000]));
    }
    assert_eq!(peer.close().await.0, 1001);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_put_together_of_its_parts_is_charged() {
    let config = Config {
        fragments: true,
        ..Config::default()
    };
    let client = serve(
        config,
        async |mut socket: WebSocket| {
            while socket.recv().await.is_some() {}
        },
    );
    let mut peer = Peer::open(&client, "/").await;
    peer.frame(0x02, &[0; 50_000]).await;
    for _ in 0..15 {
        peer.frame(0x00, &[0; 60_000]).await;
    }
    pass(1.0).await;
    assert!(client.buffered() >= 950_000, "{}", client.buffered());
}
