//! Panics of the application: caught, counted, told to whoever asked.

use crate::resource::counters::Counter;
use crate::resource::worker::Worker;
use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// A function that is told the message of each panic of a handler.
#[derive(Clone)]
pub struct PanicHook(Arc<dyn Fn(&str) + Send + Sync>);

impl PanicHook {
    /// A hook for the configuration of a server. It runs on the thread where the panic was caught.
    ///
    /// ```
    /// use wireline::resource::panic::PanicHook;
    ///
    /// let hook = PanicHook::new(|message| eprintln!("a handler panicked: {message}"));
    /// assert_eq!(format!("{hook:?}"), "PanicHook");
    /// ```
    pub fn new(hook: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(hook))
    }
}

impl fmt::Debug for PanicHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PanicHook")
    }
}

impl Worker {
    /// A handler, or a future that took a connection over, panicked.
    #[cold]
    pub(crate) fn count_panic(&self, payload: Box<dyn Any + Send>) {
        self.counters.add(Counter::HandlerPanics);
        if let Some(PanicHook(hook)) = self.on_panic.get() {
            // Neither a hook nor a payload that panics itself may take the connection with it.
            let _ = guarded(|| hook(message(&*payload)));
        }
        forget(payload);
    }
}

/// Runs code of the application, whose panic is the end of one request and of nothing else.
///
/// Nothing that the code touched is used afterwards but through its own types, whose locks ignore
/// poisoning: that is why asserting unwind safety is sound here.
#[inline]
pub(crate) fn guarded<T>(code: impl FnOnce() -> T) -> Result<T, Box<dyn Any + Send>> {
    catch_unwind(AssertUnwindSafe(code))
}

/// Drops what a panic left, which may panic as well.
pub(crate) fn forget(payload: Box<dyn Any + Send>) {
    let _ = guarded(|| drop(payload));
}

fn message(payload: &(dyn Any + Send)) -> &str {
    match payload.downcast_ref::<String>() {
        Some(message) => message,
        None => payload
            .downcast_ref::<&str>()
            .copied()
            .unwrap_or("a panic without a message"),
    }
}
