//! Limits of HTTP/2 connections.

use std::time::Duration;

/// What one HTTP/2 connection is allowed, beside what [`Config`](crate::service::link::config::Config) says of
/// every connection. It counts with feature `http2` alone.
///
/// ```
/// use wireline::service::link::http2::Http2;
///
/// let mut limits = Http2::default();
/// limits.max_streams = 250;
///
/// let routes = wireline::Router::new().build().unwrap();
/// let server = wireline::Server::new(routes).configure(|connection| connection.http2 = limits);
/// # drop(server);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Http2 {
    /// Whether plain ports speak HTTP/2, too, with clients that begin with its preface (prior knowledge, RFC
    /// 9113 §3.3). Default no. Over TLS the client chooses by ALPN, whatever this says.
    pub prior_knowledge: bool,
    /// Streams that a client may have open at the same time; the next is refused with REFUSED_STREAM. Default 100.
    pub max_streams: u32,
    /// Octets of content that a stream's client may send before its handler takes them. Default 64 KiB.
    pub stream_window: u32,
    /// The same for all streams of a connection together. Default 1 MiB.
    pub connection_window: u32,
    /// A request's fields, each with 32 octets of overhead (RFC 9113 §6.5.2); beyond it 431, and the end of the
    /// connection beyond four times as much. Default 32 KiB.
    pub header_list: u32,
    /// Octets of a response that wait for the socket, for each stream. Default 64 KiB.
    pub stream_send_buffer: usize,
    /// The same for all streams of a connection together. Default 1 MiB.
    pub send_buffer: usize,
    /// How long a connection with open streams may be silent before it is asked for a sign of life with PING.
    /// Default 30 s; `None` never asks.
    pub keepalive_interval: Option<Duration>,
    /// How long that sign may take, before the connection is closed. Default 10 s.
    pub keepalive_timeout: Duration,
    /// How long a stream may last on which nothing moves: neither content either way, nor its handler to an answer.
    /// Beyond it the stream is reset with CANCEL. Tunnels, WebSockets among them, have deadlines of their own.
    /// Default 300 s; `None` waits for ever.
    pub stream_idle_timeout: Option<Duration>,
    /// Resets of streams at once. Default 100.
    pub reset_burst: u32,
    /// Resets of streams in a second, in the long run. Default 20.
    pub resets_per_second: u32,
    /// From how many streams on a connection ends when more than half of them were reset within a second of
    /// their beginning. Default 200.
    pub early_resets_from: u32,
    /// Streams that a client may make us reset by what it sends, refused ones among them, in a connection's
    /// whole life. Default 128.
    pub max_errors: u32,
    /// PING, SETTINGS and GOAWAY frames, and changes of the size of HPACK's table (RFC 7541 §6.3), at once.
    /// Default 100. As many PING frames more are free, one for each DATA frame that was sent before: clients that
    /// measure the path ask while content comes.
    pub control_burst: u32,
    /// The same in a second, in the long run. Default 10.
    pub control_per_second: u32,
    /// PRIORITY frames for each stream that was opened, and for one more. Default 100.
    pub priorities_per_stream: u32,
    /// Frames without content that end nothing, in a connection's whole life, and never two in a row. Default 100.
    pub max_empty_frames: u32,
}

impl Default for Http2 {
    fn default() -> Self {
        Self {
            prior_knowledge: false,
            max_streams: 100,
            stream_window: 64 * 1024,
            connection_window: 1024 * 1024,
            header_list: 32 * 1024,
            stream_send_buffer: 64 * 1024,
            send_buffer: 1024 * 1024,
            keepalive_interval: Some(Duration::from_secs(30)),
            keepalive_timeout: Duration::from_secs(10),
            stream_idle_timeout: Some(Duration::from_secs(300)),
            reset_burst: 100,
            resets_per_second: 20,
            early_resets_from: 200,
            max_errors: 128,
            control_burst: 100,
            control_per_second: 10,
            priorities_per_stream: 100,
            max_empty_frames: 100,
        }
    }
}
