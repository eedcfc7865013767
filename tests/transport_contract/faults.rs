//! What only one transport shows: a reset behind unread octets, and each fault of the fault injector.

use crate::pairs::{CAPACITY, Peer, tcp};
use crate::within;
use bytes::BytesMut;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use wireline::resource::io::Transport;
use wireline::resource::io::fault::{Fault, FaultyTransport};
use wireline::resource::io::memory;

/// Unread octets hide a reset from a read; the look at the socket does not miss it.
#[tokio::test]
async fn a_reset_behind_unread_octets_is_seen() {
    let (mut client, mut server) = tcp().await;
    client.write_all(b"unread").await.unwrap();
    within(poll_fn(|cx| server.poll_readable(cx)))
        .await
        .unwrap();
    assert!(!Transport::is_reset(
        &mut server,
        &mut Context::from_waker(Waker::noop())
    ));
    client.abandon();
    drop(client);
    within(async {
        while !Transport::is_reset(&mut server, &mut Context::from_waker(Waker::noop())) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

/// In memory, where a zero can be provoked: each fault is the one that its name says, and lasts as it says.
#[tokio::test]
async fn each_fault_is_what_it_says() {
    let cx = &mut Context::from_waker(Waker::noop());
    for fault in Fault::ALL {
        let (mut client, server) = memory::pair(CAPACITY);
        client.write_all(b"0123456789").await.unwrap();
        let mut faulty = FaultyTransport::new(server, fault, 0);
        let mut buf = BytesMut::with_capacity(8);
        let mut reads = Vec::new();
        for _ in 0..2 {
            reads.push(faulty.poll_read(cx, &mut buf).map_err(|error| error.kind()));
            buf = BytesMut::with_capacity(8);
        }
        let expected = match fault {
            Fault::Reset => [Poll::Ready(Err(io::ErrorKind::ConnectionReset)); 2],
            Fault::BrokenPipe => [Poll::Ready(Err(io::ErrorKind::BrokenPipe)); 2],
            Fault::TimedOut => [Poll::Ready(Err(io::ErrorKind::TimedOut)); 2],
            Fault::End => [Poll::Ready(Ok(0)); 2],
            Fault::WriteZero => [Poll::Ready(Ok(8)), Poll::Ready(Ok(2))],
            Fault::Short => [Poll::Ready(Ok(4)), Poll::Ready(Ok(6))],
            Fault::Dribble => [Poll::Ready(Ok(1)); 2],
            Fault::Stall => [Poll::Pending; 2],
        };
        assert_eq!(reads, expected, "{fault:?}");

        let (_client, server) = memory::pair(CAPACITY);
        let mut faulty = FaultyTransport::new(server, fault, 0);
        let mut write = || {
            faulty
                .poll_writev(cx, &[IoSlice::new(b"abc"), IoSlice::new(b"defgh")])
                .map_err(|error| error.kind())
        };
        let expected = match fault {
            Fault::Reset => [Poll::Ready(Err(io::ErrorKind::ConnectionReset)); 2],
            Fault::BrokenPipe => [Poll::Ready(Err(io::ErrorKind::BrokenPipe)); 2],
            Fault::TimedOut => [Poll::Ready(Err(io::ErrorKind::TimedOut)); 2],
            Fault::End => [Poll::Ready(Ok(8)); 2],
            Fault::WriteZero => [
                Poll::Ready(Err(io::ErrorKind::WriteZero)),
                Poll::Ready(Ok(8)),
            ],
            Fault::Short => [Poll::Ready(Ok(3)), Poll::Ready(Ok(8))],
            Fault::Dribble => [Poll::Ready(Ok(1)); 2],
            Fault::Stall => [Poll::Pending; 2],
        };
        assert_eq!([write(), write()], expected, "{fault:?}");
    }
}
