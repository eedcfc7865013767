//! What every HTTP version shares on the wire: the grammar of RFC 9110, strict numbers, the flat
//! table of field lines that [`Headers`](crate::service::headers::Headers) is made of, and the queue
//! of octets that wait to be written. What proxies say of their clients is here, too: the fields
//! `Forwarded` and `X-Forwarded-For`, and the PROXY protocol; and what a request says of its trace.
//!
//! Nothing here reads a socket, a clock or another folder. Whatever these functions accept may be
//! trusted by everybody above them; whatever they refuse never reaches a handler.

mod block;
pub mod coding;
pub mod cookie;
pub mod fields;
pub mod forwarded;
pub mod grammar;
pub mod ip;
pub mod limits;
pub mod number;
pub mod origin;
pub mod out;
#[cfg_attr(
    not(feature = "app"),
    allow(dead_code, reason = "only `App` makes them")
)]
pub(crate) mod paved;
pub mod proxy;
pub mod shared;
pub mod target;
pub mod trace_context;
