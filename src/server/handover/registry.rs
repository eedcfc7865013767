//! The listeners that a server has open.

use crate::server::accept::Accepting;
use crate::server::handover::asked::Asked;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use tokio::sync::{Mutex, MutexGuard, watch};

/// The listeners of one server. It does not keep them open.
#[derive(Default)]
pub(in crate::server) struct Registry {
    /// How many there are once every worker has begun.
    expected: AtomicUsize,
    open: watch::Sender<Vec<(Asked, Weak<Accepting>)>>,
    turn: Mutex<()>,
}

/// A listener on its way.
#[derive(Debug)]
pub(super) struct Bequest {
    pub(super) asked: Asked,
    pub(super) socket: OwnedFd,
}

impl Registry {
    /// So many will be added.
    pub(in crate::server) fn expect(&self, count: usize) {
        self.expected.store(count, Ordering::SeqCst);
    }

    pub(in crate::server) fn add(&self, asked: Asked, listener: &Arc<Accepting>) {
        let listener = Arc::downgrade(listener);
        self.open.send_modify(|open| open.push((asked, listener)));
    }

    /// Waits until nobody else gives these listeners away.
    pub(super) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Waits until all of them are open; gives a second descriptor of each that still is.
    pub(super) async fn bequests(&self) -> io::Result<Vec<Bequest>> {
        let mut open = self.open.subscribe();
        let all = |open: &Vec<_>| open.len() >= self.expected.load(Ordering::SeqCst);
        let open = open.wait_for(all).await.map_err(io::Error::other)?;
        open.iter()
            .filter_map(|(asked, listener)| Some((asked.clone(), listener.upgrade()?)))
            .map(|(asked, listener)| {
                let socket = listener.descriptor().try_clone_to_owned()?;
                Ok(Bequest { asked, socket })
            })
            .collect()
    }
}
