//! Topics as an event stream.

use super::{Reader, Step, farewell};
use crate::relay::endpoint::Relay;
use crate::relay::endpoint::reader::ask::Ask;
use crate::service::problem::Problem;
use crate::service::request::Parts;
use crate::service::response::{IntoResponse, Response};
use crate::sse::{Event, Sse};
use futures_core::Stream;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Answers a request for an event stream. `parts` is its head.
pub(crate) async fn stream(relay: Relay, parts: Parts) -> Response {
    let ask = match Ask::of(&parts, &relay) {
        Ok(ask) => ask,
        Err(error) => return Problem::from(error).into_response(),
    };
    match Reader::open(&relay, ask, parts).await {
        Ok(reader) => {
            let events = Events {
                reader,
                has_ended: false,
            };
            Sse::from_stream(events).into_response()
        }
        Err(problem) => problem.into_response(),
    }
}

/// What a reader is told, as events. It is polled when the connection has room for another one; meanwhile what comes waits where
/// everything waits for slow clients.
struct Events {
    reader: Reader,
    has_ended: bool,
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let me = &mut *self;
        if me.has_ended {
            return Poll::Ready(None);
        }
        loop {
            while let Some((text, step)) = me.reader.pop() {
                // Of texts alone there is something to tell, and they are UTF-8.
                if let Ok(text) = std::str::from_utf8(&text) {
                    return Poll::Ready(Some(me.event(text, !matches!(step, Step::Presence))));
                }
            }
            if me.reader.closing.is_some() {
                break;
            }
            me.reader.poll(cx);
            if me.reader.ready.is_empty() {
                break;
            }
        }
        if let Some(close) = me.reader.closing.take() {
            me.has_ended = true;
            return Poll::Ready(Some(me.event(&farewell(&close), true)));
        }
        if me.reader.is_refused() {
            me.has_ended = true;
            return Poll::Ready(None);
        }
        Poll::Pending
    }
}

impl Events {
    fn event(&self, text: &str, has_id: bool) -> Event {
        let event = Event::data(text);
        let cursor = self.reader.cursor.text();
        if !has_id || cursor.is_empty() {
            return event;
        }
        // Topics and numbers end no line.
        event.id(cursor).unwrap_or_else(|_| Event::data(text))
    }
}
