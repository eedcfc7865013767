//! A transport that is never the one to wait, and what moves through it in each turn of its connection.

use bytes::BytesMut;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use wireline::resource::io::{Io, Transport};
use wireline::test::TestClient;

/// A peer that always has something to send, and takes whatever is written.
struct Tireless {
    head: &'static [u8],
    again: &'static [u8],
    moved: Arc<AtomicUsize>,
}

impl Transport for Tireless {
    fn poll_readable(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_read(&mut self, _: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>> {
        let before = buf.len();
        buf.extend_from_slice(std::mem::take(&mut self.head));
        while !self.again.is_empty() && buf.capacity() - buf.len() >= self.again.len() {
            buf.extend_from_slice(self.again);
        }
        let len = buf.len() - before;
        self.moved.fetch_add(len, Ordering::Relaxed);
        if len == 0 {
            return Poll::Pending;
        }
        Poll::Ready(Ok(len))
    }

    fn poll_writev(
        &mut self,
        _: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let len = bufs.iter().map(|buf| buf.len()).sum();
        self.moved.fetch_add(len, Ordering::Relaxed);
        Poll::Ready(Ok(len))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Waits until every task that was woken before had its turn; tokio's own yield lets the driver run, too.
async fn queue_again() {
    let mut queued = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut queued, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// How much a connection moved in each of its turns, this task having one between them. Its peer sends `head`, then `again`
/// and again, and takes whatever comes. With `yields` a turn lasts until the runtime has looked at its sockets.
pub(crate) async fn turns(
    client: &TestClient,
    head: &'static [u8],
    again: &'static [u8],
    yields: bool,
) -> Vec<usize> {
    let moved = Arc::new(AtomicUsize::new(0));
    let io = Tireless {
        head,
        again,
        moved: moved.clone(),
    };
    let serving = client.serve(Io::Dyn(Box::new(io)));
    // A task of its own: the test's own future is polled less often than tasks are.
    let counting = tokio::spawn(async move {
        let mut turns = Vec::new();
        for _ in 0..if yields { 20 } else { 50 } {
            if yields {
                tokio::task::yield_now().await;
            } else {
                queue_again().await;
            }
            turns.push(moved.swap(0, Ordering::Relaxed));
        }
        turns
    });
    let turns = counting.await.unwrap();
    assert!(!serving.is_finished());
    serving.abort();
    turns
}
