//! Limits, deadlines and queues of a socket.

use crate::ws::limits::Limits;
use std::time::Duration;

/// How a socket is run. Everything is on by default.
///
/// ```
/// use std::time::Duration;
/// use wireline::ws::socket::config::Config;
///
/// let config = Config { ping_interval: Duration::from_secs(30), ..Config::default() };
/// assert_eq!(config.queue, 256 * 1024);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// What is read before the connection is failed.
    pub limits: Limits,
    /// A peer that was silent for this long gets a ping. Default 25 s; zero turns pings and the idle
    /// deadline off.
    pub ping_interval: Duration,
    /// A peer that does not say anything for this long after a ping is gone. Default 10 s.
    pub pong_timeout: Duration,
    /// How long a Close waits for its answer before the transport is closed. Default 5 s.
    pub close_timeout: Duration,
    /// Over how long sockets are closed when the server drains, not all at the same moment: whoever is sent away comes back somewhere. What is
    /// longer than the server's `shutdown_timeout` is cut short by it. Default 2 s; zero closes all at once.
    pub drain_spread: Duration,
    /// How long a peer may take nothing of what waits for it before it is gone. Default 30 s.
    pub write_timeout: Duration,
    /// The octets that may wait to be written. A message that is larger is taken when nothing waits.
    /// Default 256 KiB.
    pub queue: usize,
    /// What becomes of a message for which there is no room. Default [`Overflow::Close`].
    pub overflow: Overflow,
    /// Whether pings and pongs are handed to the handler; they are answered all the same. Default yes.
    pub control_frames: bool,
    /// Whether parts of large messages are handed on as they come, see
    /// [`recv_fragment`](crate::ws::socket::WebSocket::recv_fragment); `recv` still gives whole messages.
    /// [`Limits::message`] holds for what goes through: raise it, and [`Limits::frame`], for messages that are
    /// longer than memory. Default no.
    pub fragments: bool,
}

/// What becomes of a message for which there is no room in the queue. Control frames have 64 KiB of their own
/// beside it; beyond them sending waits, and what cannot wait is told so.
///
/// ```
/// use wireline::ws::socket::config::{Config, Overflow};
///
/// let config = Config { queue: 32 * 1024, overflow: Overflow::DropOldest, ..Config::default() };
/// # let _ = config;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// Sending waits; what cannot wait is told so.
    Wait,
    /// The oldest messages that wait are dropped, and counted.
    DropOldest,
    /// The message is dropped, and whoever sends it is told.
    DropNewest,
    /// Sending waits, as long as the write timeout allows; what cannot wait, such as a message to everybody,
    /// closes the connection with 1013.
    #[default]
    Close,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            ping_interval: Duration::from_secs(25),
            pong_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(5),
            drain_spread: Duration::from_secs(2),
            write_timeout: Duration::from_secs(30),
            queue: 256 * 1024,
            overflow: Overflow::Close,
            control_frames: true,
            fragments: false,
        }
    }
}
