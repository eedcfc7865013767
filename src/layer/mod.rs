//! What stands around handlers: [`Layer`](crate::service::layer::Layer)s that need no future of their own.
//!
//! They sort themselves, from the outermost to the innermost, as [`Place`](crate::service::layer::Place) lists them.

pub mod access_log;
pub mod auth;
mod ceiling;
#[cfg(feature = "compression")]
pub mod compression;
pub mod cors;
pub mod cross_site;
mod ending;
pub mod error_pages;
#[cfg(any(feature = "app", feature = "metrics"))]
mod methods;
#[cfg(feature = "metrics")]
pub mod metrics;
mod on_router;
pub mod rate_limit;
#[cfg(feature = "app")]
pub mod request_id;
pub mod security_headers;
#[cfg(feature = "cookie-secure")]
pub mod session;
pub mod shed;
pub mod time_limit;
#[cfg(feature = "app")]
pub mod trace;
#[cfg(feature = "app")]
pub mod trace_context;
mod vary;

#[cfg(feature = "app")]
pub use self::request_id::RequestId;
