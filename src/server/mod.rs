//! Listeners, workers, limits and the end of it all.
//!
//! ```text
//!   listeners --accept--> permit (or 503) --> http1::driver::Connection, a task
//!   workers: N threads, each with its own current-thread runtime and SO_REUSEPORT socket
//!        or: the caller's runtime, with one accept task for each listener
//!   stop: readiness off -> accept no more -> every response says `close` -> deadline -> force
//! ```

mod accept;
pub mod bind;
pub mod config;
mod handle;
mod in_flight;
#[cfg(not(feature = "signal"))]
mod no_signal;
mod pace;
mod permit;
mod run;
#[cfg(feature = "signal")]
mod signal;
mod workers;

#[cfg(not(feature = "signal"))]
use self::no_signal as signals;
#[cfg(feature = "signal")]
use self::signal as signals;

pub use self::bind::{Bind, Bound, IntoBind};
pub use self::handle::{Handle, Metrics};
pub use self::run::{Running, Server, StartError};
