//! The end of a stream, of those that share a connection: whoever asks is told.

use crate::resource::waking::Notify;
use crate::sync::{AtomicBool, said_before_asked};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Whether a stream has ended.
///
/// What [`Parts::closed`](crate::service::request::Parts::closed) waits for where several requests share a connection.
///
/// ```
/// use std::time::Duration;
/// use wireline::Request;
/// use wireline::resource::stream_end::StreamEnd;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let mut request = Request::get("/");
/// let guard = request.parts_mut().begin_stream();
/// let closed = tokio::spawn(request.closed());
/// // The client gives its request up: the driver drops what it holds.
/// drop(guard);
/// closed.await.unwrap();
///
/// // One that nobody has begun has not ended either.
/// let waiting = tokio::time::timeout(Duration::ZERO, async { StreamEnd::default().wait().await }).await;
/// assert!(waiting.is_err());
/// # });
/// ```
#[derive(Debug, Default)]
pub struct StreamEnd {
    has_come: AtomicBool,
    /// Somebody has asked: few do, and telling nobody costs as much as telling one.
    is_awaited: AtomicBool,
    told: Notify,
}

/// The stream goes on for as long as this lives.
///
/// It comes from [`Parts::begin_stream`](crate::service::request::Parts::begin_stream).
///
/// ```
/// use wireline::Request;
/// use wireline::resource::stream_end::StreamGuard;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let mut request = Request::get("/");
/// let guard: StreamGuard = request.parts_mut().begin_stream();
/// let closed = tokio::spawn(request.closed());
/// drop(guard);
/// closed.await.unwrap();
/// # });
/// ```
#[derive(Debug)]
#[must_use = "the stream ends when this is dropped"]
pub struct StreamGuard(Arc<StreamEnd>);

impl StreamEnd {
    /// Waits until the stream has ended.
    ///
    /// Cancel safe.
    pub async fn wait(&self) {
        let mut told = std::pin::pin!(self.told.notified());
        told.as_mut().enable();
        // Either this is seen by the guard, or the end is seen here.
        self.is_awaited.store(true, Ordering::Relaxed);
        said_before_asked();
        if !self.has_come.load(Ordering::Acquire) {
            told.await;
        }
    }

    /// The end of another stream, in the memory of one that nobody knows any more.
    pub(crate) fn recycled(old: Option<Arc<Self>>) -> Arc<Self> {
        if let Some(mut end) = old
            && let Some(own) = Arc::get_mut(&mut end)
        {
            own.has_come = AtomicBool::new(false);
            own.is_awaited = AtomicBool::new(false);
            return end;
        }
        Arc::default()
    }
}

impl StreamGuard {
    /// For the stream of `end`.
    pub(crate) const fn new(end: Arc<StreamEnd>) -> Self {
        Self(end)
    }
}

impl Drop for StreamGuard {
    fn drop(&mut self) {
        self.0.has_come.store(true, Ordering::Release);
        said_before_asked();
        if self.0.is_awaited.load(Ordering::Relaxed) {
            self.0.told.notify_waiters();
        }
    }
}

#[cfg(all(test, wireline_loom))]
mod interleavings;
#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_told_before_and_after() {
        let end = StreamEnd::recycled(None);
        let guard = StreamGuard::new(end.clone());
        let waiting = tokio::spawn({
            let end = end.clone();
            async move { end.wait().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(guard);
        waiting.await.unwrap();
        end.wait().await;
        // While somebody knows it there is another, and then it is used again.
        let other = StreamEnd::recycled(Some(end.clone()));
        assert!(!Arc::ptr_eq(&end, &other));
        let pointer = Arc::as_ptr(&end);
        let again = StreamEnd::recycled(Some(end));
        assert_eq!(Arc::as_ptr(&again), pointer);
        let waits = tokio::time::timeout(std::time::Duration::from_secs(9), again.wait());
        assert!(waits.await.is_err());
    }
}
