//! A conversation with the sans-I/O core of WebSocket, written down line by line.
//!
//! What the core gives stands in [`Record::lines`] in the words of the corpus: `text Hello`,
//! `binary \x00`, `ping x`, `pong x`, `close 1000 bye`, `close`. Whatever the core owes is sent after every
//! event and stands in [`Record::sent`].

use bytes::BytesMut;
use std::ops::ControlFlow;
use wireline::ws::close::CloseFrame;
use wireline::ws::connection::{Connection, Event, Lent};
use wireline::ws::error::Error;
use wireline::ws::limits::Limits;
use wireline::ws::message::{Fragment, Message};
use wireline::ws::out::Out;
use wireline::ws::state::State;

/// What a conversation came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// The events.
    pub(crate) lines: Vec<Vec<u8>>,
    /// What was sent.
    pub(crate) sent: Vec<u8>,
    /// Where it stopped.
    pub(crate) end: End,
}

/// Where a conversation stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Every octet was consumed, and no message has begun.
    Open,
    /// A frame or message has begun and not ended.
    Incomplete,
    /// The peer closed, and was answered.
    Closed,
    /// The connection was failed.
    Failed(Error),
}

/// How the core is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Event by event.
    Owned,
    /// Lent from the buffer.
    Lent,
    /// Lent, one event in each call.
    LentSingly,
    /// In fragments, which are put together here.
    Fragments,
}

impl Way {
    pub(crate) const ALL: [Self; 4] = [Self::Owned, Self::Lent, Self::LentSingly, Self::Fragments];
}

impl Record {
    /// The record of a conversation whose octets come in these pieces.
    pub(crate) fn of<'a>(
        mut connection: Connection,
        pieces: impl IntoIterator<Item = &'a [u8]>,
        limits: &Limits,
        way: Way,
    ) -> Self {
        if way == Way::Fragments {
            connection = connection.with_fragments();
        }
        let mut talk = Talk {
            buf: BytesMut::new(),
            out: Out::default(),
            lines: Vec::new(),
            begun: Vec::new(),
        };
        let mut failed = None;
        for piece in pieces {
            talk.buf.extend_from_slice(piece);
            if failed.is_none() {
                failed = talk.feed(&mut connection, limits, way).err();
                connection.send_pending(&mut talk.out);
            } else {
                // A failed connection throws away what still comes.
                assert_eq!(connection.receive(&mut talk.buf, limits), Ok(None));
                assert!(talk.buf.is_empty(), "octets after the end were kept");
            }
        }
        let end = match (failed, connection.state()) {
            (Some(error), State::Closed { clean: false }) => End::Failed(error),
            (None, State::Closed { clean: true }) => End::Closed,
            (None, State::Open) if talk.buf.is_empty() && !connection.is_inside_message() => {
                End::Open
            }
            (None, State::Open) => End::Incomplete,
            other => panic!("no such end: {other:?}"),
        };
        assert!(!connection.has_pending(), "something owed was not sent");
        Self {
            lines: talk.lines,
            sent: talk.out.to_vec(),
            end,
        }
    }
}

/// So many pings that wait are all answered; of more, the first ones and the newest.
const ANSWERED: usize = 16;

struct Talk {
    buf: BytesMut,
    out: Out,
    lines: Vec<Vec<u8>>,
    /// The fragments of a message that has not ended.
    begun: Vec<u8>,
}

impl Talk {
    fn feed(
        &mut self,
        connection: &mut Connection,
        limits: &Limits,
        way: Way,
    ) -> Result<(), Error> {
        loop {
            let before = self.buf.len();
            match way {
                Way::Owned | Way::Fragments => match connection.receive(&mut self.buf, limits)? {
                    None => return Ok(()),
                    Some(Event::Message(message)) => self.lines.push(owned_line(&message)),
                    Some(Event::Fragment(part)) => {
                        assert!(way == Way::Fragments, "nobody asked for fragments");
                        self.fragment(&part);
                    }
                },
                Way::Lent | Way::LentSingly => {
                    let lines = &mut self.lines;
                    let mut lent_now = 0;
                    let flow = connection.receive_each(
                        &mut self.buf,
                        &mut self.out,
                        limits,
                        |lent, _| {
                            lines.push(lent_line(&lent));
                            lent_now += 1;
                            if way == Way::LentSingly || lent_now == ANSWERED {
                                ControlFlow::Break(())
                            } else {
                                ControlFlow::Continue(())
                            }
                        },
                    )?;
                    if flow.is_continue() {
                        return Ok(());
                    }
                }
            }
            assert!(self.buf.len() <= before, "octets came from nowhere");
            connection.send_pending(&mut self.out);
        }
    }

    fn fragment(&mut self, part: &Fragment) {
        assert!(
            !part.data.is_empty() || part.last,
            "a part without anything"
        );
        if self.begun.is_empty() {
            self.begun = if part.text { b"text " } else { &b"binary "[..] }.to_vec();
        }
        self.begun.extend_from_slice(&part.data);
        if part.last {
            self.lines.push(std::mem::take(&mut self.begun));
        }
    }
}

fn owned_line(message: &Message) -> Vec<u8> {
    match message {
        Message::Text(text) => line("text ", text.as_bytes()),
        Message::Binary(octets) => line("binary ", octets),
        Message::Ping(payload) => line("ping ", payload),
        Message::Pong(payload) => line("pong ", payload),
        Message::Close(close) => close_line(close.as_ref()),
    }
}

fn lent_line(lent: &Lent<'_>) -> Vec<u8> {
    match lent {
        Lent::Text(text) => line("text ", text.as_bytes()),
        Lent::Binary(octets) => line("binary ", octets),
        Lent::Ping(payload) => line("ping ", payload),
        Lent::Pong(payload) => line("pong ", payload),
        Lent::Close(close) => close_line(close.as_ref()),
        Lent::Fragment(_) => panic!("nobody asked for fragments"),
    }
}

fn close_line(close: Option<&CloseFrame>) -> Vec<u8> {
    match close {
        None => b"close".to_vec(),
        Some(close) => line(&format!("close {} ", close.code), close.reason.as_bytes()),
    }
}

fn line(word: &str, payload: &[u8]) -> Vec<u8> {
    [word.as_bytes(), payload].concat()
}
