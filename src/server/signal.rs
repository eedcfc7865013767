//! SIGINT and SIGTERM begin the drain, the second of them ends it.

use crate::server::handle::Handle;
use std::future::poll_fn;
use std::io;
use std::task::Poll;
use tokio::signal::unix::{SignalKind, signal};

/// Whether signals can be watched.
pub(super) const AVAILABLE: bool = true;

/// Watches for both signals as a task of the present runtime.
pub(super) fn watch(handle: Handle) -> io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        loop {
            poll_fn(|cx| {
                if interrupt.poll_recv(cx).is_ready() || terminate.poll_recv(cx).is_ready() {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            })
            .await;
            handle.stop();
        }
    });
    Ok(())
}
