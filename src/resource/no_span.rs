//! Without the `tracing` feature a connection has no span.

/// Nothing.
#[derive(Debug, Default)]
pub(crate) struct ConnectionSpan;
