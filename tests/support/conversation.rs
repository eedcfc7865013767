//! A conversation with the sans-I/O core of HTTP/1.1, written down line by line.
//!
//! Every request is answered with an empty 200, a refused one with its error, and the next cycle
//! begins at once. What the core gave stands in [`Record::lines`] in the words of the corpus:
//!
//! ```text
//! request POST /a HTTP/1.1 length=5 keep-alive
//! field host: a
//! data hello
//! end
//! ```

use bytes::BytesMut;
use http::{StatusCode, Version};
use wireline::http1::connection::{Connection, Event, ResponseHead};
use wireline::http1::encode::Stamp;
use wireline::http1::error::Error;
use wireline::http1::framing::BodyFraming;
use wireline::http1::head::RequestHead;
use wireline::http1::limits::Limits;
use wireline::http1::out::Out;
use wireline::http1::state::Life;

/// What a conversation came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// The events, consecutive data put together, values as the octets that they are.
    pub(crate) lines: Vec<Vec<u8>>,
    /// Where it stopped.
    pub(crate) end: End,
}

/// Where a conversation stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Every octet was consumed, the next request may come.
    Waiting,
    /// A message has begun and not ended.
    Incomplete,
    /// The last message has ended, and nothing after it is read; after CONNECT it is a tunnel's.
    Closed,
    /// A message was refused, and nothing after it is read.
    Refused(Error),
}

impl Record {
    /// The record of a conversation whose octets come in these pieces.
    pub(crate) fn of<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, limits: &Limits) -> Self {
        let mut conversation = Conversation::default();
        for piece in pieces {
            conversation.feed(piece, limits);
        }
        conversation.finish(limits)
    }
}

#[derive(Default)]
struct Conversation {
    connection: Connection,
    buf: BytesMut,
    lines: Vec<Vec<u8>>,
    refused: Option<Error>,
}

impl Conversation {
    fn feed(&mut self, octets: &[u8], limits: &Limits) {
        self.buf.extend_from_slice(octets);
        loop {
            let before = self.buf.len();
            match self.connection.receive(&mut self.buf, limits) {
                Ok(None) => break,
                Ok(Some(Event::Request)) => {
                    self.lines.extend(head_lines(self.connection.head()));
                    if self.connection.head().framing() == BodyFraming::Empty {
                        self.ended();
                    }
                }
                Ok(Some(Event::Data(data))) => {
                    assert!(!data.is_empty(), "an event without content");
                    match self.lines.last_mut() {
                        Some(line) if line.starts_with(b"data ") => line.extend_from_slice(&data),
                        _ => self.lines.push([b"data ", &data[..]].concat()),
                    }
                }
                Ok(Some(Event::EndOfMessage(trailers))) => {
                    self.lines.extend(
                        trailers.iter().map(|field| {
                            [b"trailer ", field.name(), b": ", field.value()].concat()
                        }),
                    );
                    self.ended();
                }
                Err(error) => {
                    self.refused = Some(error);
                    self.answer(
                        error
                            .status()
                            .expect("whoever sends a faulty message gets an answer"),
                        true,
                    );
                    break;
                }
            }
            assert!(self.buf.len() <= before, "octets came from nowhere");
        }
        if self.refused.is_some() || self.is_over() {
            let left = self.buf.len();
            assert!(
                matches!(self.connection.receive(&mut self.buf, limits), Ok(None)),
                "something was read after the last message"
            );
            assert_eq!(
                self.buf.len(),
                left,
                "octets were taken after the last message"
            );
        }
    }

    /// The message has ended: answers it and begins the next cycle, where there is one.
    fn ended(&mut self) {
        self.lines.push(b"end".to_vec());
        self.answer(StatusCode::OK, false);
        let persists = self.connection.state().life == Life::Persistent;
        assert_eq!(
            self.connection.next_cycle().is_ok(),
            persists,
            "a cycle after this one"
        );
    }

    fn answer(&mut self, status: StatusCode, close: bool) {
        let mut out = Out::default();
        let head = ResponseHead {
            status,
            length: Some(0),
            close,
        };
        self.connection
            .send_response(
                head,
                None,
                std::iter::empty(),
                &mut Stamp::default(),
                &mut out,
            )
            .expect("one answer for each message");
        self.connection
            .send_end(std::iter::empty(), &mut out)
            .expect("an answer that ends");
        let sent = out.to_vec();
        let says = |option: &[u8]| sent.windows(option.len()).any(|window| window == option);
        match self.connection.state().life {
            Life::Persistent => {
                assert!(!close && says(b"connection: keep-alive") && !says(b"close"))
            }
            Life::MustClose => assert!(says(b"connection: close") && !says(b"keep-alive")),
            Life::Switched => assert!(!close && !says(b"connection") && !says(b"content-length")),
            Life::Closed => panic!("closed before the answer was written"),
        }
    }

    /// Whether the last message of the connection has ended.
    fn is_over(&self) -> bool {
        let state = self.connection.state();
        state.is_cycle_complete() && state.life != Life::Persistent
    }

    fn finish(mut self, limits: &Limits) -> Record {
        let end = if let Some(error) = self.refused {
            End::Refused(error)
        } else if self.is_over() {
            End::Closed
        } else if self.connection.receive_end().is_err() {
            End::Incomplete
        } else {
            assert!(self.buf.is_empty(), "octets were left over");
            End::Waiting
        };
        assert!(
            matches!(self.connection.receive(&mut self.buf, limits), Ok(None)),
            "something was read after the end"
        );
        Record {
            lines: self.lines,
            end,
        }
    }
}

fn head_lines(head: &RequestHead) -> Vec<Vec<u8>> {
    let version = if head.version() == Version::HTTP_10 {
        "HTTP/1.0"
    } else {
        "HTTP/1.1"
    };
    let framing = match head.framing() {
        BodyFraming::Empty => "empty".to_owned(),
        BodyFraming::Length(length) => format!("length={length}"),
        BodyFraming::Chunked => "chunked".to_owned(),
        BodyFraming::CloseDelimited => {
            panic!("a request that only the end of the connection would end")
        }
    };
    let persistence = if head.is_persistent() {
        "keep-alive"
    } else {
        "close"
    };
    let mut line = [
        b"request ",
        head.method().as_str().as_bytes(),
        b" ",
        head.uri(),
        b" ",
    ]
    .concat();
    line.extend_from_slice(format!("{version} {framing} {persistence}").as_bytes());
    line.extend_from_slice(if head.expects_continue() {
        b" expect"
    } else {
        b""
    });
    line.extend_from_slice(if head.offers_upgrade() {
        b" upgrade"
    } else {
        b""
    });
    let fields = head
        .fields()
        .map(|field| [b"field ", field.name(), b": ", field.value()].concat());
    std::iter::once(line).chain(fields).collect()
}
