//! From events to content.

use crate::sse::Event;
use bytes::Bytes;
use http_body::Frame;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, sleep};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The end of a stream, an event, or a failure, when one is there.
type PollEvent = Poll<Option<Result<Event, Failure>>>;

/// Where events come from.
pub(super) enum Source {
    Channel(mpsc::Receiver<Event>),
    #[allow(dead_code, reason = "only streams make them, and these are optional")]
    Other(Box<dyn FnMut(&mut Context<'_>) -> PollEvent + Send>),
}

/// The content of an event stream.
pub(super) struct Events {
    source: Source,
    keep_alive: Option<Duration>,
    /// Made when the stream waits for the first time.
    quiet: Option<Pin<Box<Sleep>>>,
    ended: bool,
}

impl Events {
    pub(super) const fn new(source: Source, keep_alive: Option<Duration>) -> Self {
        Self {
            source,
            keep_alive,
            quiet: None,
            ended: false,
        }
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> PollEvent {
        match &mut self.source {
            Source::Channel(events) => events.poll_recv(cx).map(|event| event.map(Ok)),
            Source::Other(poll) => poll(cx),
        }
    }

    /// The comment, when nothing was sent for long enough.
    fn poll_keep_alive(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        let Some(every) = self.keep_alive else {
            return Poll::Pending;
        };
        let quiet = self.quiet.get_or_insert_with(|| Box::pin(sleep(every)));
        if quiet.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        Poll::Ready(Bytes::from_static(b":\n\n"))
    }
}

impl http_body::Body for Events {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        let me = &mut *self;
        if me.ended {
            return Poll::Ready(None);
        }
        let sent = match me.poll_event(cx) {
            Poll::Ready(Some(Ok(event))) => event.into_bytes(),
            Poll::Ready(ended) => {
                me.ended = true;
                return Poll::Ready(ended.map(|failed| failed.map(|_| Frame::data(Bytes::new()))));
            }
            Poll::Pending => match me.poll_keep_alive(cx) {
                Poll::Ready(comment) => comment,
                Poll::Pending => return Poll::Pending,
            },
        };
        if let (Some(quiet), Some(every)) = (&mut me.quiet, me.keep_alive) {
            quiet.as_mut().reset(Instant::now() + every);
        }
        Poll::Ready(Some(Ok(Frame::data(sent))))
    }
}
