//! Panics of handlers: caught, counted, told to whoever asked.

use crate::resource::counters::Counter;
use crate::service::link::Link;
use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// A function that is told the message of each panic of a handler.
#[derive(Clone)]
pub struct PanicHook(Arc<dyn Fn(&str) + Send + Sync>);

impl PanicHook {
    /// See [`Config::on_panic`](crate::service::link::config::Config::on_panic).
    pub fn new(hook: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(hook))
    }
}

impl fmt::Debug for PanicHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PanicHook")
    }
}

impl Link {
    /// A handler, or a future that took a connection over, panicked.
    #[cold]
    pub(crate) fn count_panic(&self, payload: Box<dyn Any + Send>) {
        self.shared.worker.counters.add(Counter::HandlerPanics);
        if let Some(PanicHook(hook)) = &self.shared.config.on_panic {
            // Neither a hook nor a payload that panics itself may take the connection with it.
            let _ = guarded(|| hook(message(&*payload)));
        }
        let _ = guarded(|| drop(payload));
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

fn message(payload: &(dyn Any + Send)) -> &str {
    match payload.downcast_ref::<String>() {
        Some(message) => message,
        None => payload
            .downcast_ref::<&str>()
            .copied()
            .unwrap_or("a panic without a message"),
    }
}
