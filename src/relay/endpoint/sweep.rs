//! The task that forgets what has become too old.

use super::{Inner, Relay};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::sleep;

impl Relay {
    /// Has a task that sweeps, once a second, for as long as there is the relay and the runtime. Outside a runtime it does nothing.
    pub(super) fn keep_swept(&self) {
        if self.inner.is_swept.load(Ordering::Relaxed) {
            return;
        }
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        if !self.inner.is_swept.swap(true, Ordering::Relaxed) {
            let sweeping = Sweeping(Arc::downgrade(&self.inner));
            runtime.spawn(sweeping.run());
        }
    }
}

struct Sweeping(Weak<Inner>);

impl Sweeping {
    async fn run(self) {
        loop {
            sleep(EVERY).await;
            let Some(inner) = self.0.upgrade() else {
                return;
            };
            let relay = Relay { inner };
            relay.hub().sweep(relay.now());
        }
    }
}

/// Its runtime has ended: whoever comes next begins again.
impl Drop for Sweeping {
    fn drop(&mut self) {
        if let Some(inner) = self.0.upgrade() {
            inner.is_swept.store(false, Ordering::Relaxed);
        }
    }
}

const EVERY: Duration = Duration::from_secs(1);
