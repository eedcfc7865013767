//! Threads that send while the socket's own task runs, rests or goes to rest: whatever is queued leaves, without another
//! event to remind the task of it.

#![expect(clippy::disallowed_methods, reason = "threads race on the real clock")]

#[path = "support/socket.rs"]
mod socket;

use crate::socket::Socket;
use std::hint::spin_loop;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use wireline::Router;
use wireline::extract::Path;
use wireline::test::TestServer;
use wireline::ws::socket::{Sent, WebSocket, WsSender};

const ROUNDS: u32 = 4000;

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
        let mut peer = Socket::connect(server.addr());
        peer.send(format!(
            "GET /{how} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ));
        assert_eq!(peer.reply().status, 101);
        let begun = Instant::now();
        let sender = loop {
            if let Some(sender) = place.lock().unwrap().take() {
                break sender;
            }
            assert!(
                begun.elapsed() < Duration::from_secs(5),
                "no handler has run"
            );
        };
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
