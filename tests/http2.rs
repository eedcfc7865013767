//! HTTP/2 over the in-memory transport, on a paused clock: messages by the `h2` crate's client, frames by hand, and the
//! attacks H2-1 to H2-14 with small counts.

#[path = "http2/attacks.rs"]
mod attacks;
#[path = "http2/content.rs"]
mod content;
#[path = "http2/frames.rs"]
mod frames;
#[path = "support/h2_peer.rs"]
mod h2_peer;
#[path = "http2/lifetime.rs"]
mod lifetime;
#[path = "http2/messages.rs"]
mod messages;
#[path = "http2/routes.rs"]
mod routes;
#[path = "http2/stalls.rs"]
mod stalls;
#[path = "support/talk.rs"]
mod talk;
