//! Threads that send while the socket's own task runs, rests or goes to rest: whatever is queued leaves, without another
//! event to remind the task of it.

#![expect(clippy::disallowed_methods, reason = "threads race on the real clock")]

#[path = "support/socket.rs"]
mod socket;

use crate::socket::Socket;
use std::hint::spin_loop;
use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime;
use wireline::Router;
use wireline::extract::Path;
use wireline::test::TestServer;
use wireline::ws::socket::{Sent, WebSocket, WsSender};

const ROUNDS: u32 = 4000;

/// A peer, and the half that sends to it, which the handler has shown.
fn open(server: &TestServer, path: &str, place: &Mutex<Option<WsSender>>) -> (Socket, WsSender) {
    let mut peer = Socket::connect(server.addr());
    peer.send(format!(
        "GET /{path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ));
    assert_eq!(peer.reply().status, 101);
    let begun = Instant::now();
    loop {
        if let Some(sender) = place.lock().unwrap().take() {
            return (peer, sender);
        }
        assert!(begun.elapsed() < PATIENCE, "no handler has run");
    }
}

const PATIENCE: Duration = Duration::from_secs(5);

#[test]
fn what_another_thread_queues_always_leaves() {
    let place = Arc::new(Mutex::new(None::<WsSender>));
    let shown = place.clone();
    let routes = Router::new().websocket(
        "/{how}",
        move |mut socket: WebSocket, Path(how): Path<String>| {
            *shown.lock().unwrap() = Some(socket.sender());
            async move {
                match how.as_str() {
                    "recv" => while let Some(Ok(_)) = socket.recv().await {},
                    "select" => loop {
                        tokio::select! {
                            received = socket.recv() => if received.is_none() { break },
                            () = tokio::task::yield_now() => {}
                        }
                        tokio::task::yield_now().await;
                        if socket.recv().await.is_none() {
                            break;
                        }
                    },
                    _ => drop(socket.each(|_, _| ControlFlow::Continue(())).await),
                }
            }
        },
    );
    let server = TestServer::new(routes.build().unwrap());
    for how in ["recv", "select", "each"] {
        let (mut peer, sender) = open(&server, how, &place);
        let round = Arc::new(AtomicU32::new(0));
        let rounds = round.clone();
        let pushing = thread::spawn(move || {
            for number in 1..=ROUNDS {
                while rounds.load(Ordering::Acquire) < number {
                    spin_loop();
                }
                // Another distance from the peer's message each time.
                for _ in 0..number % 97 * 40 {
                    spin_loop();
                }
                assert_eq!(sender.try_send("pushed").unwrap(), Sent::Queued);
            }
        });
        for number in 1..=ROUNDS {
            round.store(number, Ordering::Release);
            // What wakes the task, and is not answered.
            peer.send(b"\x81\x81\0\0\0\0x");
            assert_eq!(peer.take(8), b"\x81\x06pushed", "{how}: round {number}");
        }
        pushing.join().unwrap();
        peer.send(b"\x88\x80\0\0\0\0");
        assert_eq!(peer.take(2), b"\x88\0");
    }
}

/// Tells that it was woken.
struct Tells(mpsc::Sender<()>);

impl Wake for Tells {
    fn wake(self: Arc<Self>) {
        let _ = self.0.send(());
    }
}

/// A part that has to wait because a batch is lent goes on when that is back, though nothing else is to be written.
#[test]
fn a_part_that_found_a_batch_lent_leaves_when_that_is_back() {
    let place = Arc::new(Mutex::new(None::<WsSender>));
    let shown = place.clone();
    let (lends, lent) = mpsc::channel();
    let (lets_go, goes_on) = mpsc::channel();
    let goes_on = Arc::new(Mutex::new(goes_on));
    let routes = Router::new().websocket("/each", move |mut socket: WebSocket| {
        *shown.lock().unwrap() = Some(socket.sender());
        let (lends, goes_on) = (lends.clone(), goes_on.clone());
        async move {
            let each = socket.each(|_, _| {
                lends.send(()).unwrap();
                goes_on.lock().unwrap().recv_timeout(PATIENCE).unwrap();
                ControlFlow::Continue(())
            });
            drop(each.await);
        }
    });
    let server = TestServer::new(routes.build().unwrap());
    let (mut peer, sender) = open(&server, "each", &place);
    let (tells, told) = mpsc::channel();
    let waker = Waker::from(Arc::new(Tells(tells)));
    let runtime = runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut parts = sender.send_parts(false).await.unwrap();
        for _ in 0..3 {
            peer.send(b"\x81\x81\0\0\0\0x");
            lent.recv_timeout(PATIENCE).unwrap();
            {
                let cx = &mut Context::from_waker(&waker);
                let mut sending = pin!(parts.send("part"));
                assert!(sending.as_mut().poll(cx).is_pending());
                lets_go.send(()).unwrap();
                let told = told.recv_timeout(PATIENCE);
                told.expect("the batch is back");
                assert!(matches!(sending.poll(cx), Poll::Ready(Ok(()))));
            }
            let part = peer.take(6);
            assert_eq!(part[1..], *b"\x04part");
        }
        parts.finish().await.unwrap();
    });
    assert_eq!(peer.take(2), b"\x80\0");
}
