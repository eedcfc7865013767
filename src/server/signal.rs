//! SIGINT and SIGTERM begin the drain, the second of them ends it. SIGHUP reads certificates again.

use crate::server::handle::Handle;
use std::future::poll_fn;
use std::io;
use std::task::Poll;
use tokio::signal::unix::{SignalKind, signal};

/// Whether signals can be watched.
pub(super) const AVAILABLE: bool = true;

/// Watches for the signals as tasks of the present runtime. Without anything to read again SIGHUP does what it
/// does to any program.
pub(super) fn watch(handle: Handle) -> io::Result<()> {
    if handle.can_reload() {
        let (mut hangup, handle) = (signal(SignalKind::hangup())?, handle.clone());
        tokio::spawn(async move {
            while hangup.recv().await.is_some() {
                let handle = handle.clone();
                // Files may be slow. What is wrong with them was told.
                let _ = tokio::task::spawn_blocking(move || handle.reload()).await;
            }
        });
    }
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
