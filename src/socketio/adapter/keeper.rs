//! The task of an adapter.

use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// A task that is there while this is, and a runtime. A runtime may end, and its tasks with it.
#[derive(Default)]
pub(super) struct Keeper(Mutex<Option<JoinHandle<()>>>);

impl Keeper {
    /// Sees to it that the task runs. Outside a runtime it does nothing.
    pub(super) fn keep(&self, run: impl FnOnce() -> Pin<Box<dyn Future<Output = ()> + Send>>) {
        let mut task = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if task.as_ref().is_none_or(JoinHandle::is_finished)
            && let Ok(runtime) = Handle::try_current()
        {
            *task = Some(runtime.spawn(run()));
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let task = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = task {
            task.abort();
        }
    }
}
