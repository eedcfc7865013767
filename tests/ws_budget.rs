//! What waits in a socket costs what it is charged: short slices of a read buffer do not keep the whole of it.

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;

#[path = "support/talk.rs"]
mod talk;
#[path = "support/ws_peer.rs"]
mod ws_peer;

use std::time::Duration;
use talk::pass;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;
use wireline::Router;
use wireline::test::TestClient;
use wireline::ws::socket::WebSocket;
use ws_peer::{Peer, masked};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The octets that are allocated now.
fn held() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// Each message is the only one of its read, and just long enough not to be copied when it is received.
#[tokio::test(start_paused = true)]
async fn what_waits_costs_what_it_is_charged() {
    let routes = Router::new()
        .websocket("/echoes", async |mut socket: WebSocket| {
            while let Some(Ok(message)) = socket.recv().await {
                if socket.send(message).await.is_err() {
                    break;
                }
            }
        })
        .websocket("/looks/elsewhere", async |_socket: WebSocket| {
            pass(1000.0).await;
        })
        .build()
        .unwrap();
    let client = TestClient::new(routes);
    for (path, messages) in [("/echoes", 440), ("/looks/elsewhere", 28)] {
        for len in [512, 2000, 4095] {
            let mut peer = Peer::open_narrow(&client, path, 8192).await;
            pass(0.1).await;
            let (before, charged_before) = (held(), client.buffered());
            let message = masked(0x82, &vec![b'x'; len]);
            for _ in 0..messages {
                let sent = timeout(Duration::from_millis(50), peer.io.write_all(&message)).await;
                if sent.is_err() {
                    break;
                }
                for _ in 0..6 {
                    tokio::task::yield_now().await;
                }
            }
            pass(0.3).await;
            let pinned = held() - before;
            let charged = client.buffered() - charged_before;
            assert!(charged > 10_000, "{path}, {len}: {charged}");
            assert!(
                pinned <= 2 * charged + 64 * 1024,
                "{path}, {len}: {pinned} octets, {charged} charged"
            );
            drop(peer);
            pass(1.0).await;
        }
    }
}
