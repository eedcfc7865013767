//! What the parser is given of the content, and when.

use crate::extract::multipart::{MultipartError, MultipartLimits};
use crate::service::body::Body;
use bytes::{Buf, Bytes, BytesMut};
use futures_core::Stream;
use http_body::Body as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

/// What the form and its source know of each other. Nobody waits for the lock: both are in the same task.
#[derive(Default)]
pub(super) struct Meter(Mutex<State>);

#[derive(Default)]
struct State {
    /// The parser may have one piece now.
    is_open: bool,
    /// It has had it, or has learned that there is none.
    took: bool,
    has_ended: bool,
    /// A header section is looked for, and this much was given since.
    head: Option<usize>,
    /// What the handler holds in memory.
    held: usize,
}

impl Meter {
    /// From here on a boundary and a header section are looked for, unless they are already: a call may be cancelled.
    pub(super) fn begin_head(&self) {
        self.state().head.get_or_insert(0);
    }

    /// From here on it is content.
    pub(super) fn begin_content(&self) {
        self.state().head = None;
    }

    /// The handler keeps so much more.
    pub(super) fn hold(&self, octets: usize) {
        self.state().held += octets;
    }

    /// Lets the parser go on, piece by piece, as far as it can. Asked once, it would take everything that there is into memory.
    pub(super) fn drive<T>(
        &self,
        cx: &mut Context<'_>,
        mut parser: impl FnMut(&mut Context<'_>) -> Poll<multer::Result<T>>,
    ) -> Poll<Result<T, MultipartError>> {
        loop {
            let had_ended = {
                let mut state = self.state();
                (state.is_open, state.took) = (true, false);
                state.has_ended
            };
            if let Poll::Ready(outcome) = parser(cx) {
                return Poll::Ready(outcome.map_err(MultipartError::from));
            }
            if had_ended {
                // It waits for what cannot come.
                return Poll::Ready(Err(MultipartError::Malformed("the content is cut short")));
            }
            if !self.state().took {
                return Poll::Pending;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The content as the parser sees it.
pub(super) struct Source {
    body: Body,
    /// It has given everything.
    is_over: bool,
    /// What has come and was not given yet.
    rest: Bytes,
    /// Pieces of a header section that does not end in them.
    gathered: BytesMut,
    /// How much of an empty line the last octets were.
    matched: usize,
    left: u64,
    header: usize,
    meter: Arc<Meter>,
}

impl Source {
    pub(super) fn new(body: Body, limits: MultipartLimits, meter: Arc<Meter>) -> Self {
        Self {
            body,
            is_over: false,
            rest: Bytes::new(),
            gathered: BytesMut::new(),
            matched: 0,
            left: limits.total,
            header: limits.header,
            meter,
        }
    }

    /// Waits for content that was not given yet. `false` at the end.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, MultipartError>> {
        while self.rest.is_empty() {
            if self.is_over {
                return Poll::Ready(Ok(false));
            }
            let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
            let Some(frame) = frame else {
                self.is_over = true;
                continue;
            };
            // Trailers say nothing about a form.
            self.rest = frame
                .map_err(MultipartError::Body)?
                .into_data()
                .unwrap_or_default();
            let left = self.left.checked_sub(self.rest.len() as u64);
            self.left = left.ok_or(MultipartError::TooLarge)?;
        }
        Poll::Ready(Ok(true))
    }

    /// Whether an empty line ends in this, with what came before.
    fn has_empty_line(&mut self, piece: &[u8]) -> bool {
        let mut found = false;
        for octet in piece {
            self.matched = match (self.matched, octet) {
                (0 | 2, b'\r') | (1, b'\n') => self.matched + 1,
                (3, b'\n') => {
                    found = true;
                    2
                }
                (_, b'\r') => 1,
                _ => 0,
            };
        }
        found
    }

    /// The next piece, when it is worth the parser's while.
    fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
        state: &mut State,
    ) -> Poll<Option<Result<Bytes, MultipartError>>> {
        if state.head.is_none() && !self.gathered.is_empty() {
            return Poll::Ready(Some(Ok(self.gathered.split().freeze())));
        }
        loop {
            if !ready!(self.poll_rest(cx))? {
                state.has_ended = self.gathered.is_empty();
                let last = self.gathered.split().freeze();
                return Poll::Ready((!last.is_empty()).then_some(Ok(last)));
            }
            let room = PIECE - self.gathered.len();
            let piece = self.rest.split_to(self.rest.len().min(room));
            let Some(given) = &mut state.head else {
                // What is told of an empty line that began here hangs on the last octets alone.
                let last = piece.len().saturating_sub(3);
                if last > 0 {
                    self.matched = 0;
                }
                self.has_empty_line(&piece[last..]);
                return Poll::Ready(Some(Ok(piece)));
            };
            let found = self.has_empty_line(&piece);
            let is_full = piece.len() == room;
            if found || is_full {
                if *given > self.header {
                    return Poll::Ready(Some(Err(MultipartError::HeaderTooLarge)));
                }
                *given += self.gathered.len() + piece.len();
                if self.gathered.is_empty() {
                    return Poll::Ready(Some(Ok(piece)));
                }
            }
            self.gathered.extend_from_slice(&piece);
            if found || is_full {
                return Poll::Ready(Some(Ok(self.gathered.split().freeze())));
            }
        }
    }
}

impl Stream for Source {
    type Item = Result<Bytes, MultipartError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let meter = self.meter.clone();
        let mut state = meter.state();
        if !state.is_open {
            return Poll::Pending;
        }
        self.body.keep(self.rest.remaining() + state.held);
        let piece = ready!(self.poll_piece(cx, &mut state));
        (state.is_open, state.took) = (false, true);
        Poll::Ready(piece)
    }
}

/// What the parser is given at a time at the most.
const PIECE: usize = 4 * 1024;
