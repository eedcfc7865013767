//! Named counters: every refusal, deadline and shed moves one.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// What is counted. [`name`](Self::name) is stable: dashboards may rely on it.
        ///
        /// ```
        /// use wireline::resource::counters::Counter;
        ///
        /// assert_eq!(Counter::RefusedInFlight.name(), "refused_in_flight");
        /// let timeouts = Counter::ALL.iter().filter(|counter| counter.name().ends_with("_timeouts"));
        /// assert!(timeouts.count() > 1);
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Counter { $($(#[$doc])* $variant,)* }

        impl Counter {
            /// All counters, in the order of their declaration.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The counter's name in snake case.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

counters! {
    /// Connections accepted.
    ConnectionsAccepted = "connections_accepted",
    /// Connections that have ended.
    ConnectionsClosed = "connections_closed",
    /// Connections answered 503 or closed because a limit of connections was reached, or no descriptor
    /// was left.
    ConnectionsRefused = "connections_refused",
    /// Requests answered 503 because `max_in_flight` others were being answered.
    RefusedInFlight = "refused_in_flight",
    /// Times that accepting stopped because all places were taken, where connections wait for one.
    AcceptsPaused = "accepts_paused",
    /// Times that accepting stopped because connections came faster than `accept_rate`.
    AcceptsPaced = "accepts_paced",
    /// Connections that ended with a response because of their age or their number of requests.
    ConnectionsRetired = "connections_retired",
    /// Accept calls that failed (out of descriptors, for one).
    AcceptErrors = "accept_errors",
    /// Connections closed because who made them may not speak the PROXY protocol, at a listener that wants it.
    RefusedProxySource = "refused_proxy_source",
    /// Connections closed because they did not begin with a header of the PROXY protocol that is to be taken.
    RefusedProxyHeader = "refused_proxy_header",
    /// Connections closed because their header of the PROXY protocol did not come in time.
    ProxyHeaderTimeouts = "proxy_header_timeouts",
    /// TLS handshakes that were completed.
    TlsHandshakes = "tls_handshakes",
    /// Those of them that resumed a session.
    TlsResumed = "tls_resumed",
    /// TLS handshakes that failed: what the client sent was no TLS that we speak, or its certificate was
    /// none that we take.
    TlsFailures = "tls_failures",
    /// TLS handshakes that took too long.
    TlsTimeouts = "tls_timeouts",
    /// Times that a TLS handshake waited because `max_handshakes` others were in progress.
    TlsHandshakesPaused = "tls_handshakes_paused",
    /// Plain HTTP on a TLS port, answered 400.
    RefusedPlainHttp = "refused_plain_http",
    /// Certificates were read again, and new ones are in use.
    CertificateReloads = "certificate_reloads",
    /// Certificates were read again and not all could be used: those before them stay.
    CertificateReloadFailures = "certificate_reload_failures",
    /// HTTP/2 connections whose preface came.
    Http2Connections = "http2_connections",
    /// Streams that their client reset.
    Http2StreamsReset = "http2_streams_reset",
    /// HTTP/2 connections ended because the client broke the protocol.
    Http2ProtocolErrors = "http2_protocol_errors",
    /// HTTP/2 connections ended because nothing came after a PING.
    Http2PingTimeouts = "http2_ping_timeouts",
    /// HTTP/2 connections ended because the client reset too many streams.
    Http2ResetFloods = "http2_reset_floods",
    /// HTTP/2 connections ended because the client made us reset too many streams.
    Http2ErrorFloods = "http2_error_floods",
    /// HTTP/2 connections ended because of too many PRIORITY frames.
    Http2PriorityFloods = "http2_priority_floods",
    /// HTTP/2 connections ended because of too many WINDOW_UPDATE frames.
    Http2WindowUpdateFloods = "http2_window_update_floods",
    /// HTTP/2 connections ended because of too many PING frames.
    Http2PingFloods = "http2_ping_floods",
    /// HTTP/2 connections ended because of too many SETTINGS or GOAWAY frames.
    Http2SettingsFloods = "http2_settings_floods",
    /// HTTP/2 connections ended because of too many changes of the size of HPACK's table.
    Http2TableSizeFloods = "http2_table_size_floods",
    /// HTTP/2 connections ended because of too many frames without content.
    Http2EmptyFrameFloods = "http2_empty_frame_floods",
    /// HTTP/2 connections ended because they carried too little but overhead.
    Http2OverheadFloods = "http2_overhead_floods",
    /// HTTP/2 connections that were told to go because three quarters of a budget were used up.
    Http2Warnings = "http2_warnings",
    /// Streams of HTTP/2 reset because nothing moved on them.
    Http2StreamIdleTimeouts = "http2_stream_idle_timeouts",
    /// HTTP/2 connections ended with ENHANCE_YOUR_CALM for a header section that is no end of frames or far too
    /// large, or for content in too small frames.
    Http2OtherFloods = "http2_other_floods",
    /// Requests whose head was accepted.
    Requests = "requests",
    /// Responses that were begun.
    Responses = "responses",
    /// Requests refused with 400.
    RefusedMalformed = "refused_malformed",
    /// Requests refused with 408: the head did not come in time.
    HeadTimeouts = "head_timeouts",
    /// Connections closed before the first octet of a request came.
    SilentTimeouts = "silent_timeouts",
    /// Requests refused with 408: the body stalled, was too slow or took too long.
    BodyTimeouts = "body_timeouts",
    /// Kept-alive connections closed because nothing came.
    IdleTimeouts = "idle_timeouts",
    /// Connections closed because the client did not take the response.
    WriteTimeouts = "write_timeouts",
    /// Requests refused with 413.
    RefusedContentTooLarge = "refused_content_too_large",
    /// Requests refused with 414.
    RefusedRequestLine = "refused_request_line",
    /// Requests refused with 417.
    RefusedExpectation = "refused_expectation",
    /// Requests refused with 431.
    RefusedHeaderSection = "refused_header_section",
    /// Requests refused with 501.
    RefusedTransferCoding = "refused_transfer_coding",
    /// Requests refused with 505.
    RefusedVersion = "refused_version",
    /// Requests answered 503 because the byte budget was nearly used up.
    ShedRequests = "shed_requests",
    /// Connections closed because the byte budget was used up.
    ShedConnections = "shed_connections",
    /// Times a connection stopped reading because the byte budget ran short.
    ReadsPaused = "reads_paused",
    /// Handlers that panicked.
    HandlerPanics = "handler_panics",
    /// Handlers dropped because the client went away.
    HandlersCancelled = "handlers_cancelled",
    /// Connections that ended inside a request.
    IncompleteRequests = "incomplete_requests",
    /// Connections that failed in a read or a write.
    IoErrors = "io_errors",
    /// Responses that could not be sent as the handler made them (invalid field, wrong length).
    InvalidResponses = "invalid_responses",
    /// Connections handed to another protocol.
    Upgrades = "upgrades",
    /// WebSockets opened.
    WebSocketsOpened = "websockets_opened",
    /// WebSockets that ended with a Close in each direction.
    WebSocketsClosedClean = "websockets_closed_clean",
    /// WebSockets that ended without.
    WebSocketsClosedUnclean = "websockets_closed_unclean",
    /// WebSockets failed because the peer broke the protocol or passed a limit of what it may send.
    WebSocketProtocolErrors = "websocket_protocol_errors",
    /// Messages to WebSockets dropped by the policy of a full queue.
    WebSocketMessagesDropped = "websocket_messages_dropped",
    /// WebSockets closed with 1013 because their queue was full.
    WebSocketQueueOverflows = "websocket_queue_overflows",
    /// WebSockets ended because nothing came after a ping.
    WebSocketPingTimeouts = "websocket_ping_timeouts",
    /// Messages from WebSockets refused by a rate limit.
    WebSocketRateLimited = "websocket_rate_limited",
    /// Errors that handlers of WebSockets, or of their messages, gave back.
    WebSocketHandlerErrors = "websocket_handler_errors",
    /// Connections ended by force when the drain deadline passed.
    DrainForced = "drain_forced",
    /// Times that no other process took the listeners over: it could not be started, ended, or was not ready in time.
    HandoversFailed = "handovers_failed",
    /// Times that a worker with connections did nothing for a second: a handler blocks its thread, and whoever shares that waits.
    WorkersBlocked = "workers_blocked",
}

/// One set of counters. Each worker has its own, so that counting never makes two cores share a line.
///
/// ```
/// use wireline::resource::counters::{Counter, Counters};
///
/// let counters = Counters::default();
/// counters.add(Counter::ConnectionsAccepted);
/// assert_eq!(counters.get(Counter::ConnectionsAccepted), 1);
/// // All that have counted something, by their names.
/// let mut counted = Counter::ALL.iter().filter(|counter| counters.get(**counter) > 0);
/// assert_eq!(counted.next().unwrap().name(), "connections_accepted");
/// ```
#[derive(Debug)]
#[repr(align(128))]
pub struct Counters {
    cells: [AtomicU64; Counter::ALL.len()],
}

impl Counters {
    /// Adds one.
    #[inline]
    pub fn add(&self, counter: Counter) {
        self.cells[counter as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// The present value of this set.
    pub fn get(&self, counter: Counter) -> u64 {
        self.cells[counter as usize].load(Ordering::Relaxed)
    }
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            cells: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_counters_apart() {
        let counters = Counters::default();
        for (place, counter) in Counter::ALL.iter().enumerate() {
            assert_eq!(*counter as usize, place);
            assert!(
                Counter::ALL[..place]
                    .iter()
                    .all(|other| other.name() != counter.name())
            );
            for _ in 0..=place {
                counters.add(*counter);
            }
        }
        assert!(
            Counter::ALL
                .iter()
                .enumerate()
                .all(|(place, counter)| counters.get(*counter) == place as u64 + 1)
        );
    }
}
