//! One event, as text.

use crate::service::error::Error;
use bytes::Bytes;
use std::fmt;
use std::time::Duration;

/// One event: what `EventSource` dispatches, or a comment that it ignores.
///
/// ```
/// use wireline::sse::{Event, InvalidEvent};
///
/// let event = Event::data("first line\nsecond line").event("news")?.id("7")?;
/// assert_eq!(event.as_str(), "data: first line\ndata: second line\nevent: news\nid: 7\n");
/// assert!(Event::data("").id("7\ndata: forged").is_err());
/// # Ok::<(), InvalidEvent>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Lines, each with its end; the empty line that ends an event is not there yet.
    lines: String,
}

impl Event {
    /// An event with this data. Its lines may end in LF, CR or both; the client sees them joined by LF.
    pub fn data(text: impl AsRef<str>) -> Self {
        let mut event = Self {
            lines: String::new(),
        };
        event.push("data: ", text.as_ref());
        event
    }

    /// A comment, which no client sees: for keeping a connection open, and for people who read along.
    pub fn comment(text: impl AsRef<str>) -> Self {
        let mut event = Self {
            lines: String::new(),
        };
        event.push(": ", text.as_ref());
        event
    }

    /// The same event with its own id: what the client says in `Last-Event-ID` when it comes back.
    ///
    /// # Errors
    ///
    /// An id with CR, LF or NUL: the first two would end its line and begin others, and with the last clients ignore it.
    pub fn id(mut self, id: impl AsRef<str>) -> Result<Self, InvalidEvent> {
        self.push_one("id", id.as_ref())?;
        Ok(self)
    }

    /// The same event with a name, for `addEventListener(name, ..)`. Without one it is `message`.
    ///
    /// # Errors
    ///
    /// A name with CR, LF or NUL.
    pub fn event(mut self, name: impl AsRef<str>) -> Result<Self, InvalidEvent> {
        self.push_one("event", name.as_ref())?;
        Ok(self)
    }

    /// The same event with the time after which a client that lost its connection opens another, in milliseconds on the wire.
    #[must_use]
    pub fn retry(mut self, after: Duration) -> Self {
        self.lines
            .push_str(&format!("retry: {}\n", after.as_millis()));
        self
    }

    /// Its lines.
    pub fn as_str(&self) -> &str {
        &self.lines
    }

    /// What goes out: its lines, and the empty one that ends it.
    pub(super) fn into_bytes(mut self) -> Bytes {
        self.lines.push('\n');
        self.lines.into()
    }

    fn push(&mut self, begin: &str, text: &str) {
        // CR LF is one end of a line, and so are CR and LF alone.
        let mut rest = text;
        loop {
            let end = rest.find(['\r', '\n']).unwrap_or(rest.len());
            self.lines.extend([begin, &rest[..end], "\n"]);
            let Some(after) = rest.get(end..).filter(|after| !after.is_empty()) else {
                return;
            };
            let after_crlf = after.strip_prefix("\r\n");
            rest = after_crlf.unwrap_or_else(|| &after[1..]);
        }
    }

    fn push_one(&mut self, field: &'static str, value: &str) -> Result<(), InvalidEvent> {
        if value.contains(['\r', '\n', '\0']) {
            return Err(InvalidEvent { field });
        }
        self.lines.extend([field, ": ", value, "\n"]);
        Ok(())
    }
}

/// An id or a name of an event with CR, LF or NUL in it.
///
/// ```
/// use wireline::sse::{Event, InvalidEvent};
///
/// let error: InvalidEvent = Event::data("news").id("7\ndata: forged").unwrap_err();
/// assert_eq!(error.to_string(), "the `id` of an event has CR, LF or NUL in it");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidEvent {
    field: &'static str,
}

impl fmt::Display for InvalidEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the `{}` of an event has CR, LF or NUL in it",
            self.field
        )
    }
}

impl std::error::Error for InvalidEvent {}

impl From<InvalidEvent> for Error {
    fn from(error: InvalidEvent) -> Self {
        Self::internal(error)
    }
}
