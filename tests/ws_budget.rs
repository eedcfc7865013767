//! What waits in a socket costs what it is charged: short slices of a read buffer do not keep the whole of it. What large messages
//! are gathered in serves the next ones, is charged as well, and goes.

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

#[path = "support/talk.rs"]
mod talk;
#[path = "support/ws_peer.rs"]
mod ws_peer;

use std::time::Duration;
use talk::pass;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Builder;
use tokio::time::timeout;
use wireline::Router;
use wireline::test::TestClient;
use wireline::ws::connection::Lent;
use wireline::ws::deflate;
use wireline::ws::limits::Limits;
use wireline::ws::socket::config::Config;
use wireline::ws::socket::{SocketError, WebSocket, WsSender};
use ws_peer::{Peer, masked};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The counts are of the whole process, in which the harness begins and reports the other tests meanwhile: that is less than this.
const BESIDE: usize = 16 * 1024;

/// One scene at a time, because the counts are of the whole process: in a thread of its own, which has ended, and let go of what threads keep for
/// reuse, before the next one begins. What a scene needs is made in it.
fn alone(scene: impl AsyncFnOnce() + Send + 'static) {
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    let ended = thread::spawn(move || runtime.block_on(scene())).join();
    ended.unwrap_or_else(|panic| resume_unwind(panic));
}

/// The octets that are allocated now.
fn held() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// Each message is the only one of its read, and just long enough not to be copied when it is received.
#[test]
fn what_waits_costs_what_it_is_charged() {
    alone(async || {
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
                    let sent =
                        timeout(Duration::from_millis(50), peer.io.write_all(&message)).await;
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
    });
}

/// `/each` answers what it is lent, `/looks` looks at messages and drops them.
fn client() -> TestClient {
    let routes = Router::new()
        .websocket(
            "/each",
            async |mut socket: WebSocket| -> Result<(), SocketError> {
                socket
                    .each(|lent, replies| match lent {
                        Lent::Binary(octets) if replies.binary(octets).is_err() => {
                            ControlFlow::Break(())
                        }
                        _ => ControlFlow::Continue(()),
                    })
                    .await
            },
        )
        .websocket(
            "/looks",
            async |mut socket: WebSocket| {
                while let Some(Ok(_)) = socket.recv().await {}
            },
        )
        .build()
        .unwrap();
    TestClient::new(routes)
}

/// Sends a message and takes as many octets as `answer` has room for.
async fn exchange(peer: &mut Peer, message: &[u8], answer: &mut [u8]) {
    let both = async {
        peer.io.write_all(message).await.unwrap();
        peer.io.read_exact(answer).await.unwrap();
    };
    timeout(Duration::from_secs(5), both).await.unwrap();
}

/// The octets that were allocated so far.
fn allocated() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated + usize::try_from(stats.bytes_reallocated.max(0)).unwrap()
}

#[test]
fn the_block_of_a_large_message_serves_the_next_is_charged_and_goes() {
    alone(async || {
        let client = client();
        let mut peer = Peer::open(&client, "/each").await;
        pass(2.0).await;
        for len in [150_000, 500_000, 1 << 20] {
            let (message, mut answer) = (masked(0x82, &vec![b'x'; len]), vec![0; len + 10]);
            // The first one is gathered as it comes, the second in what the first one was.
            exchange(&mut peer, &message, &mut answer).await;
            exchange(&mut peer, &message, &mut answer).await;
            assert!(answer.ends_with(&message[14..]), "{len}");
            let (held_before, allocated_before) = (held(), allocated());
            for _ in 0..10 {
                exchange(&mut peer, &message, &mut answer).await;
            }
            let made = allocated() - allocated_before;
            assert!(made < len, "{len}: {made} octets for ten messages");
            assert!(client.buffered() >= len, "{}", client.buffered());
            pass(3.0).await;
            assert_eq!(client.buffered(), 0, "{len}");
            let freed = held_before.saturating_sub(held());
            assert!(freed >= len - BESIDE, "{len}: {freed} octets were freed");
        }
    });
}

/// However its reads were cut, and whether the last of them filled the buffer.
#[test]
fn a_socket_at_rest_holds_nothing_of_a_large_message() {
    alone(async || {
        let client = client();
        for (path, answers) in [("/looks", 0), ("/each", 1)] {
            for len in [66_000, 100_000, 300_000, 1 << 20] {
                let mut peer = Peer::open(&client, path).await;
                let (message, mut answer) = (
                    masked(0x82, &vec![b'x'; len]),
                    vec![0; answers * (len + 10)],
                );
                // What the thread keeps for reuse is there before the count begins.
                for len in [200_000, 10] {
                    let head = if len > 125 { 10 } else { 2 };
                    let mut answer = vec![0; answers * (len + head)];
                    let warm = masked(0x82, &vec![b'x'; len]);
                    exchange(&mut peer, &warm, &mut answer).await;
                }
                pass(2.0).await;
                let before = held();
                exchange(&mut peer, &message, &mut answer).await;
                pass(3.0).await;
                let pinned = held().saturating_sub(before);
                assert!(pinned <= 32 * 1024, "{path}, {len}: {pinned} octets");
                assert_eq!(client.buffered(), 0, "{path}, {len}");
            }
        }
    });
}

/// A frame of 1 MiB is announced, and some of it comes: also when there is a block that would hold all of it.
#[test]
fn who_announces_much_and_sends_little_holds_little() {
    alone(async || {
        let client = client();
        let whole = masked(0x82, &vec![b'x'; 1 << 20]);
        for path in ["/looks", "/each"] {
            for (comes, most) in [(20, 17), (10_000, 17), (20_000, 81), (200_000, 801)] {
                let (mut first, mut peers) = (Peer::open(&client, path).await, Vec::new());
                for _ in 0..20 {
                    peers.push(Peer::open(&client, path).await);
                }
                pass(2.0).await;
                let before = held();
                first.io.write_all(&whole).await.unwrap();
                for peer in &mut peers {
                    peer.io.write_all(&whole[..comes]).await.unwrap();
                }
                pass(0.1).await;
                // With what there is for one message more.
                let (pinned, charged) = (held() - before, client.buffered());
                let most = 20 * most * 1024 + 4 * (1 << 20);
                assert!(
                    charged <= most,
                    "{path}, {comes}: {charged} octets are charged"
                );
                assert!(
                    pinned <= most + (1 << 20),
                    "{path}, {comes}: {pinned} octets"
                );
            }
        }
    });
}

/// Sends on the parts that come, and notes what is allocated meanwhile.
async fn passes_on(mut socket: WebSocket, most: Arc<AtomicUsize>) -> Result<(), SocketError> {
    let sender: WsSender = socket.sender();
    let mut open = None;
    while let Some(part) = socket.recv_fragment().await {
        let part = part?;
        let mut parts = match open.take() {
            Some(parts) => parts,
            None => sender.send_parts(part.text).await?,
        };
        parts.send(&part.data).await?;
        most.fetch_max(held(), Ordering::Relaxed);
        if part.last {
            parts.finish().await?;
        } else {
            open = Some(parts);
        }
    }
    Ok(())
}

/// The head of a client's frame.
fn head(first: u8, len: usize) -> Vec<u8> {
    let mut head = vec![first];
    match u16::try_from(len) {
        Ok(len) => {
            head.push(0x80 | 126);
            head.extend(len.to_be_bytes());
        }
        Err(_) => {
            head.push(0x80 | 127);
            head.extend(u64::try_from(len).unwrap().to_be_bytes());
        }
    }
    head.extend(KEY);
    head
}

const KEY: [u8; 4] = [0xa5, 0x0f, 0x3c, 0x81];

/// More than 64 MiB, in one frame and in a thousand, come in parts and leave in parts: every octet of them, and nobody holds much.
#[test]
fn a_huge_message_goes_through_in_parts() {
    const PIECES: usize = 1025;
    alone(async || {
        // Not as long as anything is, so that no mistake fits.
        let piece: Vec<u8> = (0..65_524_u32).map(|at| (at * 7 % 251) as u8).collect();
        let coded = piece.iter().zip(KEY.iter().cycle());
        let coded: Vec<u8> = coded.map(|(octet, key)| octet ^ key).collect();
        let len = PIECES * piece.len();
        assert!(len > 64 << 20 && piece.len().is_multiple_of(4));
        let most = Arc::new(AtomicUsize::new(0));
        let seen = most.clone();
        let config = Config {
            limits: Limits {
                frame: len as u64,
                message: len,
                ..Limits::default()
            },
            fragments: true,
            ..Config::default()
        };
        let routes = Router::new().websocket_with(
            "/",
            move |upgrade| upgrade.config(config.clone()),
            move |socket: WebSocket| passes_on(socket, seen.clone()),
        );
        let client = TestClient::new(routes.build().unwrap());
        for in_one_frame in [true, false] {
            let peer = Peer::open(&client, "/").await;
            pass(0.1).await;
            let before = held();
            most.store(before, Ordering::Relaxed);
            let mut charged = 0;
            let (from, mut to) = tokio::io::split(peer.io);
            let sends = async {
                for number in 0..PIECES {
                    let head = match (in_one_frame, number) {
                        (true, 0) => head(0x82, len),
                        (true, _) => Vec::new(),
                        (false, 0) => head(0x02, piece.len()),
                        (false, number) if number + 1 < PIECES => head(0x00, piece.len()),
                        (false, _) => head(0x80, piece.len()),
                    };
                    to.write_all(&head).await.unwrap();
                    to.write_all(&coded).await.unwrap();
                }
            };
            let reads = async {
                let (mut from, mut got) = (from, 0);
                loop {
                    let first = from.read_u8().await.unwrap();
                    assert_eq!(first & 0x7f, if got == 0 { 0x02 } else { 0x00 });
                    let len = match from.read_u8().await.unwrap() {
                        126 => usize::from(from.read_u16().await.unwrap()),
                        len @ ..126 => usize::from(len),
                        _ => panic!("a part is larger than a read"),
                    };
                    let mut payload = vec![0; len];
                    from.read_exact(&mut payload).await.unwrap();
                    let mut left = &payload[..];
                    while !left.is_empty() {
                        let expected = &piece[got % piece.len()..];
                        let (found, behind) = left.split_at(left.len().min(expected.len()));
                        assert!(expected.starts_with(found), "behind {got} octets");
                        (got, left) = (got + found.len(), behind);
                    }
                    charged = charged.max(client.buffered());
                    if first & 0x80 != 0 {
                        return got;
                    }
                }
            };
            let both = async { tokio::join!(sends, reads).1 };
            let got = timeout(Duration::from_secs(600), both).await.unwrap();
            assert_eq!(got, len);
            let most = most.load(Ordering::Relaxed) - before;
            println!("one frame: {in_one_frame}; {most} octets at most, {charged} charged");
            assert!(most < 2 << 20, "{in_one_frame}: {most} octets");
            assert!(charged < 1 << 20, "{in_one_frame}: {charged} octets");
            pass(3.0).await;
            assert_eq!(client.buffered(), 0);
        }
    });
}

/// What a budget of kilobytes for the contexts of a socket buys, is what they take, and what is charged for them.
#[test]
fn a_socket_holds_no_more_contexts_than_its_kilobytes() {
    const SOCKETS: usize = 8;
    const OFFER: &str = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
    alone(async || {
        // A block that is stored as it is (RFC 1951 §3.2.4), and what is left of the empty one behind it.
        let said = [b'x'; 300];
        let len = u16::try_from(said.len()).unwrap();
        let (len, not) = (len.to_le_bytes(), (!len).to_le_bytes());
        let message = masked(0xc2, &[&[0][..], &len, &not, &said, &[0]].concat());
        // Nothing, an inflater, and with it each size of a deflater.
        for (kib, contexts) in [(79, 0), (80, 1), (214, 2), (242, 2), (354, 2), (452, 2)] {
            let routes = Router::new().websocket_with(
                "/",
                move |upgrade| upgrade.deflate(deflate::Config::within(kib)),
                async |mut socket: WebSocket| {
                    while let Some(Ok(message)) = socket.recv().await {
                        if message.is_binary() && socket.send(message).await.is_err() {
                            break;
                        }
                    }
                },
            );
            let client = TestClient::new(routes.build().unwrap());
            let mut peers = Vec::new();
            for _ in 0..=SOCKETS {
                let (peer, head) = Peer::ask(&client, "/", OFFER).await;
                assert!(head.contains("permessage-deflate"), "{head}");
                peers.push(peer);
            }
            let (mut before, mut charged_before) = (0, 0);
            for (number, peer) in peers.iter_mut().enumerate() {
                for _ in 0..2 {
                    peer.io.write_all(&message).await.unwrap();
                    let (first, answer) = peer.next().await;
                    assert_eq!(first, 0xc2);
                    assert!(answer.len() < 50);
                }
                if number == 0 {
                    // What the thread keeps for reuse is there from now on.
                    pass(3.0).await;
                    (before, charged_before) = (held(), client.buffered());
                }
            }
            pass(3.0).await;
            let pinned = held().saturating_sub(before) / SOCKETS;
            let charged = (client.buffered() - charged_before) / SOCKETS;
            println!("{kib} KiB: {pinned} octets a socket, {charged} charged");
            if contexts == 0 {
                assert!(pinned < 4096 && charged == 0, "{kib}: {pinned}, {charged}");
                continue;
            }
            let bought = kib * 1024;
            assert!(pinned <= bought + 4096, "{kib}: {pinned} octets");
            assert!(pinned > 64 * 1024 * contexts, "{kib}: {pinned} octets");
            assert!(
                charged.abs_diff(pinned) <= pinned / 8,
                "{kib}: {pinned} octets, {charged} are charged"
            );
        }
    });
}
