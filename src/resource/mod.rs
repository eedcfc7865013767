//! What every driver needs and nobody owns: the transport seam, the buffer pool, the byte budget, the
//! counters, and the coarse clock whose sweep closes what is overdue.

pub mod addr;
#[cfg(all(
    any(feature = "client", feature = "redis", feature = "nats"),
    feature = "tls"
))]
pub(crate) mod authorities;
pub mod budget;
pub mod counters;
pub(crate) mod date;
pub(crate) mod draining;
pub mod io;
#[cfg(not(feature = "tracing"))]
mod no_span;
#[cfg(all(feature = "client", not(feature = "tls")))]
pub(crate) mod no_trust;
pub mod panic;
pub mod pool;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(feature = "tracing")]
mod span;
pub mod stream_end;
pub mod tls_info;
#[cfg(feature = "tls")]
pub(crate) mod tls_stream;
#[cfg(all(any(feature = "client", feature = "redis"), feature = "tls"))]
pub(crate) mod trust;
pub(crate) mod waking;
pub mod worker;

#[cfg(not(feature = "tracing"))]
use self::no_span as span;
