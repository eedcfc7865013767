//! Compression of responses, decompression of requests (RFC 9110 section 8.4).
//!
//! Two layers, each of which does nothing until a router is given it: [`Compression`] for what goes out,
//! [`Decompression`] for what comes in.
//!
//! ```text
//!   request                          response
//!      |                                ^
//!   Decompression::before            Compression::after      may it be compressed?  eligible.rs
//!      |  one coding, or 415            |                    which coding?          wire/coding.rs
//!      v                                |
//!   Decoded body                     here and short: at once, with its length
//!      slices of 16 KiB,             longer, or a stream: Encoded body
//!      never more than the caps         short pieces on the event loop,
//!      |                                long ones by a Job on another thread
//!      v                                |
//!   handler ----------------------------+
//! ```
//!
//! Both bodies work when they are polled, and keep one piece at the most: backpressure reaches whoever writes.

mod blocks;
mod brotli;
mod decoded;
mod decoder;
mod eligible;
mod encoded;
mod encoder;
mod gzip;
#[cfg(not(feature = "zstd"))]
mod no_zstd;
mod request;
mod response;
mod workshop;
#[cfg(feature = "zstd")]
mod zstd;

pub use self::decoder::{DecodeError, Decoder, Step};
pub use self::request::Decompression;
pub use self::response::{Compression, NoCompression};
pub use crate::wire::coding::Coding;

#[cfg(not(feature = "zstd"))]
use self::no_zstd as zstd;
