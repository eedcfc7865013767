//! HTTP/1.1 (RFC 9112), written by hand: a sans-I/O core and one driver.
//!
//! ```text
//!   octets --> connection.receive --> Event::{Request, Data, EndOfMessage}
//!                |  head (request line, section, target) -> framing: one verdict on the length
//!                |  body (length | chunked)
//!                v
//!              state: every transition of both halves
//!                ^
//!   octets <-- out <-- connection.send_response / send_data / send_end  (encode)
//! ```
//!
//! The core never waits: [`connection::Connection`] can be driven from a test, a fuzzer or any
//! runtime. [`driver`] is the one file that knows a transport. The client's side is a room of its own, `client`.

pub(crate) mod body;
pub mod chunked;
#[cfg(feature = "client")]
pub mod client;
pub mod connection;
pub mod driver;
pub mod encode;
pub mod error;
pub mod framing;
pub mod head;
pub(crate) mod section;
pub mod state;

pub use crate::wire::limits;
pub use crate::wire::out;
