//! Messages that are lent from small reads, which go without a buffer: over TCP, where such reads are, and cut everywhere.

#[path = "support/socket.rs"]
mod socket;

use crate::socket::Socket;
use std::future::poll_fn;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use wireline::test::TestServer;
use wireline::ws::connection::{Lent, Replies};
use wireline::ws::socket::{SocketError, WebSocket};
use wireline::{Router, Server};

fn server() -> TestServer {
    let routes = Router::new()
        .websocket("/each", async |mut socket: WebSocket| {
            socket.each(|lent, replies| answer(&lent, replies)).await
        })
        .websocket("/one", async |mut socket: WebSocket| {
            while let Some(lent) = socket
                .recv_each(|lent, replies| {
                    let _ = answer(&lent, replies);
                    ControlFlow::Break(())
                })
                .await
            {
                lent?;
            }
            Ok::<_, SocketError>(())
        })
        .websocket("/panics", panics);
    TestServer::start(Server::new(routes.build().unwrap()))
}

fn answer(lent: &Lent<'_>, replies: &mut Replies<'_>) -> ControlFlow<()> {
    let sent = match lent {
        Lent::Text(text) => replies.text(text),
        Lent::Binary(octets) => replies.binary(octets),
        _ => Ok(()),
    };
    sent.map_or(ControlFlow::Break(()), ControlFlow::Continue)
}

/// Panics behind each answer, and goes on.
async fn panics(mut socket: WebSocket) -> Result<(), SocketError> {
    loop {
        let mut each = pin!(socket.each(|lent, replies| {
            let _ = answer(&lent, replies);
            assert!(
                !matches!(lent, Lent::Text(_) | Lent::Binary(_)),
                "on purpose"
            );
            ControlFlow::Continue(())
        }));
        let ended = poll_fn(
            |cx| match catch_unwind(AssertUnwindSafe(|| each.as_mut().poll(cx))) {
                Ok(polled) => polled.map(Some),
                Err(_) => Poll::Ready(None),
            },
        );
        if let Some(ended) = ended.await {
            return ended;
        }
    }
}

fn open(server: &TestServer, path: &str) -> Socket {
    let mut socket = Socket::connect(server.addr());
    socket.send(format!(
        "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ));
    assert_eq!(socket.reply().status, 101);
    socket
}

/// A frame, masked by a client, of at most 65,535 octets; a server masks nothing.
fn frame(first: u8, payload: &[u8], key: Option<[u8; 4]>) -> Vec<u8> {
    let mask = if key.is_some() { 0x80 } else { 0 };
    let mut frame = match payload.len() {
        len @ ..126 => vec![first, mask | len as u8],
        len => [&[first, mask | 126][..], &(len as u16).to_be_bytes()].concat(),
    };
    frame.extend(key.into_iter().flatten());
    let key = key.unwrap_or_default();
    frame.extend(payload.iter().zip(key.iter().cycle()).map(|(a, b)| a ^ b));
    frame
}

/// What is sent, frame by frame, and what comes back for each of them.
fn conversation() -> Vec<(Vec<u8>, Vec<u8>)> {
    let (some, much): (Vec<u8>, Vec<u8>) =
        (vec![b'x'; 200], (0..=u8::MAX).cycle().take(3000).collect());
    let said: [(u8, &[u8]); 10] = [
        (0x81, b"Hi"),
        (0x82, &some),
        (0x89, b"ping"),
        (0x81, "Grüße".as_bytes()),
        (0x01, b"in two "),
        (0x80, b"parts"),
        (0x82, b""),
        (0x82, &much),
        (0x81, b"and so on"),
        (0x88, b"\x03\xe8"),
    ];
    let key = Some([0x12, 0xff, 0x00, 0xa5]);
    said.into_iter()
        .map(|(first, payload)| {
            let back = match first {
                0x89 => frame(0x8a, payload, None),
                0x01 => Vec::new(),
                0x80 => frame(0x81, b"in two parts", None),
                _ => frame(first, payload, None),
            };
            (frame(first, payload, key), back)
        })
        .collect()
}

/// What comes for the frames that are wholly in the first part comes before the second is sent: these are two reads.
#[test]
fn a_cut_changes_nothing() {
    let (server, conversation) = (server(), conversation());
    let wire: Vec<u8> = conversation
        .iter()
        .flat_map(|(frame, _)| frame.clone())
        .collect();
    for (path, step) in [("/each", 7), ("/one", 29), ("/panics", 61)] {
        for cut in (0..wire.len()).step_by(step) {
            let mut socket = open(&server, path);
            let (mut sent, mut first, mut second) = (0, Vec::new(), Vec::new());
            for (frame, back) in &conversation {
                sent += frame.len();
                (if sent <= cut { &mut first } else { &mut second }).extend_from_slice(back);
            }
            if cut > 0 {
                socket.send(&wire[..cut]);
            }
            assert_eq!(socket.take(first.len()), first, "{path}, cut at {cut}");
            socket.send(&wire[cut..]);
            assert_eq!(socket.take(second.len()), second, "{path}, cut at {cut}");
            socket.assert_end();
        }
    }
}

/// What stands before a fault is lent and answered, in the same read and in one before.
#[test]
fn a_fault_behind_good_messages_ends_the_socket() {
    let server = server();
    let key = Some([1, 2, 3, 4]);
    for (fault, code) in [
        (frame(0x81, b"\xff", key), 1007u16),
        (frame(0x83, b"", key), 1002),
        (frame(0x82, b"not masked", None), 1002),
    ] {
        let good = frame(0x82, b"good", key);
        let (answer, close) = (frame(0x82, b"good", None), 0x88);
        for wire in [
            [&good[..], &good, &fault, &good].concat(),
            [&good[..], &fault].concat(),
        ] {
            let goods = wire
                .windows(good.len())
                .filter(|part| *part == good)
                .count();
            let before = if goods == 3 { 2 } else { 1 };
            let mut socket = open(&server, "/each");
            socket.send(&wire);
            assert_eq!(socket.take(before * answer.len()), answer.repeat(before));
            let head = socket.take(2);
            assert_eq!(head[0], close);
            assert_eq!(socket.take(usize::from(head[1]))[..2], code.to_be_bytes());
            socket.assert_end();
        }
    }
}
