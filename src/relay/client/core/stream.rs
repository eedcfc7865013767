//! The event stream that a client falls back to where no socket can be opened, and the way back.
//!
//! ```text
//!   a socket that was never open fails once, one that was open three times in a row
//!        |
//!   stream: the topics of now, from where they stand --- the topics change: another one, behind a moment
//!        |                                          \-- it ends: a socket again, behind a wait
//!   a socket is tried beside it, again and again; once it is open, it takes over
//! ```

use crate::relay::client::core::event::{Event, Refusal};
use crate::relay::client::core::incoming::each;
use crate::relay::client::core::pace::Ending;
use crate::relay::client::core::{Action, Core, Link};
use crate::relay::hub::Topic;
use crate::wire::number;
use std::time::{Duration, Instant};

/// What a link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// A WebSocket.
    Socket,
    /// An event stream, which only reads.
    Stream,
}

/// What may be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ways {
    /// Sockets, and streams where they cannot be had.
    Both,
    Sockets,
    Streams,
}

impl Ways {
    pub(crate) const fn first(self) -> Way {
        match self {
            Self::Both | Self::Sockets => Way::Socket,
            Self::Streams => Way::Stream,
        }
    }
}

/// Where a client is on its way between sockets and streams.
#[derive(Debug, Default)]
pub(crate) struct Detour {
    /// The sockets in a row that could not be opened.
    refused: u32,
    /// Whether anything was ever open.
    has_opened: bool,
    /// When a socket is tried beside the stream.
    probe: Option<Instant>,
    /// When a stream for other topics is opened.
    restream: Option<Instant>,
}

impl Detour {
    pub(super) const fn opened(&mut self) {
        (self.refused, self.has_opened) = (0, true);
    }

    /// The link is gone, and what was planned for it.
    pub(super) const fn clear(&mut self) {
        (self.probe, self.restream) = (None, None);
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.probe.into_iter().chain(self.restream).min()
    }
}

/// A topic that a stream is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    pub(crate) seat: u64,
    pub(crate) topic: Topic,
    /// Where it goes on: epoch and offset.
    pub(crate) since: Option<(u64, u64)>,
    pub(crate) rewind: Option<u32>,
    pub(crate) presence: bool,
}

impl Core {
    pub(crate) const fn way(&self) -> Way {
        self.way
    }

    /// Whether there is a socket.
    pub(crate) const fn is_writable(&self) -> bool {
        matches!((&self.link, self.way), (Link::Open { .. }, Way::Socket))
    }

    /// Whether there is a stream.
    pub(crate) const fn is_streaming(&self) -> bool {
        matches!((&self.link, self.way), (Link::Open { .. }, Way::Stream))
    }

    /// What a stream is asked for now.
    pub(crate) fn listed(&self) -> Vec<Listed> {
        let mut all: Vec<Listed> = self
            .seats
            .iter()
            .map(|(id, seat)| {
                let since = seat.position.filter(|_| seat.wants.recover);
                Listed {
                    seat: *id,
                    topic: seat.topic.clone(),
                    since,
                    rewind: seat.wants.rewind.filter(|_| since.is_none()),
                    presence: seat.wants.presence,
                }
            })
            .collect();
        all.sort_unstable_by_key(|one| one.seat);
        all
    }

    /// Takes the data of an event, and the cursor that stands beside it: where every topic of the stream is.
    pub(crate) fn streamed(&mut self, now: Instant, data: &str, cursor: Option<&str>) {
        if !self.is_streaming() {
            return;
        }
        each(data, |told| {
            if told.and_then(|told| self.take(now, told)).is_none() {
                self.ignored = self.ignored.saturating_add(1);
            }
        });
        for place in cursor.unwrap_or_default().split(';') {
            let mut words = place.split(' ');
            let topic = words.next().and_then(|topic| self.joined(topic));
            let mut number = || number::decimal(words.next()?.as_bytes());
            if let (Some(id), Some(epoch), Some(offset)) = (topic, number(), number())
                && let Some(seat) = self.seats.get_mut(&id)
            {
                seat.position = Some((epoch, offset));
            }
        }
    }

    /// The server refuses every topic that a stream was asked for.
    pub(crate) fn stream_refused(&mut self, now: Instant, listed: &[u64], refusal: &Refusal) {
        for id in listed {
            self.refuse_seat(now, *id, refusal.clone());
        }
        let why = format!("the server refuses the event stream: {}", refusal.message);
        self.lost(now, &Ending::Failed(why));
    }

    /// The callback of a subscription gave no token, without which the stream is not asked for.
    pub(crate) fn stream_token_failed(&mut self, now: Instant, id: u64, message: String) {
        let why = format!("no token for a subscription: {message}");
        let refusal = Refusal {
            code: "token".to_owned(),
            message,
        };
        if self.seats.contains_key(&id) {
            self.tell(id, Event::Error(refusal));
        }
        self.lost(now, &Ending::NoToken(why));
    }

    /// A socket that was tried beside the stream could not be opened.
    pub(crate) fn probe_failed(&mut self, now: Instant) {
        if self.is_streaming() {
            self.schedule_probe(now);
        }
    }

    pub(super) fn schedule_probe(&mut self, now: Instant) {
        if self.tuning.ways == Ways::Both {
            self.detour.probe = Some(now + self.tuning.probe);
        }
    }

    /// The topics are others than those of the stream. What changes with them within a moment is one change.
    pub(super) fn restream(&mut self, now: Instant) {
        let is_under_way = matches!(self.link, Link::Opening | Link::Open { .. });
        if is_under_way && self.way == Way::Stream {
            self.detour.restream.get_or_insert(now + MOMENT);
        }
    }

    pub(super) fn handle_stream_timeout(&mut self, now: Instant) {
        if self.detour.restream.is_some_and(|at| at <= now) {
            self.disconnect();
            self.actions.push_back(Action::Close);
            self.connect();
        } else if self.detour.probe.is_some_and(|at| at <= now) {
            self.detour.probe = None;
            self.actions.push_back(Action::Connect);
        }
    }

    /// Opens what is next.
    pub(super) fn connect(&mut self) {
        self.link = Link::Opening;
        if self.way == Way::Stream && self.seats.is_empty() {
            // There is no stream of nothing.
            self.way = self.tuning.ways.first();
        }
        match self.way {
            Way::Socket => self.actions.push_back(Action::Connect),
            Way::Stream if self.seats.is_empty() => {}
            Way::Stream => self.actions.push_back(Action::Stream),
        }
    }

    /// Counts a socket that could not be opened; called while the link is still what it was.
    pub(super) fn note_refusal(&mut self, ending: &Ending) {
        let is_socket = self.link == Link::Opening && self.way == Way::Socket;
        if is_socket && !matches!(ending, Ending::NoToken(_)) {
            self.detour.refused = self.detour.refused.saturating_add(1);
        }
    }

    /// What is tried behind a link that is gone.
    pub(super) fn next_way(&self) -> Way {
        let patience = if self.detour.has_opened { PATIENCE } else { 0 };
        let is_due = self.way == Way::Socket && self.detour.refused > patience;
        if self.tuning.ways == Ways::Both && is_due && !self.seats.is_empty() {
            Way::Stream
        } else {
            self.tuning.ways.first()
        }
    }

    /// Whether the server said no to sockets, rather than to this client or for now, and a stream is next or soon.
    pub(super) fn detours_from(&self, ending: &Ending) -> bool {
        let is_no = match ending {
            Ending::Refused {
                status,
                retry_after: None,
            } => matches!(status, 400..=428 | 430..=499 | 501),
            _ => false,
        };
        let may_stream = self.tuning.ways == Ways::Both && !self.seats.is_empty();
        is_no && may_stream && self.way == Way::Socket
    }
}

/// The sockets in a row that may fail to open once there was a connection, before a stream is tried.
const PATIENCE: u32 = 2;

/// How long a stream waits for further topics.
const MOMENT: Duration = Duration::from_millis(10);
