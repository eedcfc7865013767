//! The words that a core speaks with its driver.

use crate::socketio::client::core::pace::Reconnection;
use crate::socketio::packet::{Args, Form, Limits};
use bytestring::ByteString;
use serde_json::{Map, Value};
use std::time::{Duration, Instant};

/// The numbers that a client is made with.
#[derive(Clone, Debug)]
pub(crate) struct Tuning {
    pub(crate) pace: Reconnection,
    pub(crate) form: Form,
    pub(crate) limits: Limits,
    /// How long the answer about a namespace may take.
    pub(crate) connect_timeout: Duration,
    /// What may wait to be sent, in each namespace until it is connected, and then in all: events, and octets.
    pub(crate) buffer: usize,
    pub(crate) buffer_octets: usize,
    /// The answers that a namespace may wait for.
    pub(crate) acks: usize,
    pub(crate) spaces: usize,
}

/// How a connection ended, or why there was none. What of it is told is the driver's to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    PingTimeout,
    Close,
    Broken,
    Parse,
}

/// Why a namespace is not connected any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    Server,
    Client,
    Lost(Lost),
}

#[derive(Debug, PartialEq)]
pub(crate) enum Link {
    Idle,
    Opening,
    Open {
        /// When the server has been silent for too long.
        silent_at: Instant,
        terms: Terms,
    },
    Waiting {
        at: Instant,
    },
    Ended,
}

/// What holds for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    /// How long the server may be silent.
    pub(crate) patience: Duration,
    /// The octets of a message that it takes.
    pub(crate) max_payload: usize,
    /// Whether octets travel as text: until the connection is a WebSocket.
    pub(crate) is_text: bool,
}

/// What a namespace signs in with.
#[derive(Clone, Debug)]
pub(crate) enum SignIn {
    With(Map<String, Value>),
    /// The driver asks for it each time.
    Asked,
}

/// What the driver is to do or to tell.
#[derive(Debug)]
pub(crate) enum Action {
    /// A connection is wanted.
    Dial,
    /// The connection is not wanted any more, once what waits was sent.
    Close,
    /// The callback of a namespace is to be asked.
    SignIn {
        space: u32,
        round: u64,
    },
    Event {
        space: u32,
        event: Event,
    },
    /// The answer to an event that was sent, or that there is none.
    Answer {
        space: u32,
        id: u64,
        outcome: Result<Args, NoAnswer>,
    },
}

/// What happened in a namespace.
#[derive(Debug)]
pub(crate) enum Event {
    Connected {
        sid: ByteString,
        recovered: bool,
    },
    /// The server refuses; it is not asked again.
    Refused {
        message: String,
        data: Option<Value>,
    },
    /// There is nothing to sign in with.
    NoAuth,
    /// The connection was lost before the server has said anything, or it says nothing.
    Unanswered(Option<Lost>),
    /// There is no connection; `last` when none is tried any more.
    NoConnection {
        last: bool,
    },
    Disconnected(Left),
    Message {
        name: ByteString,
        id: Option<u64>,
        args: Args,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    Timeout,
    Disconnected,
    /// It turned out to be larger than what the server takes.
    TooLarge,
}
