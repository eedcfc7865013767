//! Listeners, workers, limits and the end of it all.
//!
//! ```text
//!   listeners --accept--> permit (or 503) --> door (PROXY? TLS? which HTTP?) --> http1 or http2 Connection, a task
//!   workers: N threads, each with its own current-thread runtime and SO_REUSEPORT socket
//!        or: the caller's runtime, with one accept task for each listener
//!   stop: readiness off -> accept no more -> every response says `close` -> deadline -> force
//!   hand-over: another process has the same listeners and is ready -> the same stop, and nobody is refused
//! ```

mod accept;
pub mod bind;
mod builder;
pub mod config;
mod door;
mod error;
mod handle;
#[cfg(feature = "handover")]
mod handover;
#[cfg(feature = "http2")]
#[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "ALPN is of TLS"))]
mod http2;
mod in_flight;
#[cfg(not(feature = "handover"))]
mod no_handover;
#[cfg(not(feature = "http2"))]
#[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "ALPN is of TLS"))]
mod no_http2;
#[cfg(not(feature = "signal"))]
mod no_signal;
#[cfg(not(feature = "tracing"))]
mod no_tell;
mod opening;
mod pace;
mod paths;
mod permit;
mod proxied;
mod redirect;
mod run;
#[cfg_attr(
    not(all(feature = "tls", feature = "http2")),
    allow(
        dead_code,
        reason = "ALPN is of TLS, and only with HTTP/2 there is a choice"
    )
)]
mod served;
#[cfg(feature = "signal")]
mod signal;
#[cfg(feature = "tracing")]
mod tell;
#[cfg(feature = "tls")]
mod tls;
mod unsent;
mod watchdog;
mod workers;

#[cfg(not(feature = "handover"))]
use self::no_handover as handover;
#[cfg(not(feature = "http2"))]
use self::no_http2 as http2;
#[cfg(not(feature = "signal"))]
use self::no_signal as signals;
#[cfg(not(feature = "tracing"))]
use self::no_tell as tell;
#[cfg(feature = "signal")]
use self::signal as signals;

pub use self::bind::{Bind, Bound, IntoBind};
pub use self::builder::Server;
pub use self::error::StartError;
pub use self::handle::{Handle, Metrics};
#[cfg(feature = "handover")]
pub use self::handover::{Successor, SuccessorError, announce};
pub use self::proxied::ProxyProtocol;
pub use self::run::Running;
#[cfg(feature = "tls")]
pub use self::tls::{TlsAcceptor, TlsConfig, TlsError};
