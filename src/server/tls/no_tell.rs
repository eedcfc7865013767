//! Without the `tracing` feature there is no log: counters and `TlsConfig::on_reload` tell.

use crate::resource::tls_stream::Broken;
use crate::server::tls::error::TlsError;

/// Does nothing.
pub(super) fn reload(_: Result<(), &TlsError>) {}

/// Does nothing.
pub(super) fn failure(_: &Broken) {}
