//! What must hold for every input, one function for each fuzz target.
//!
//! The functions are ordinary ones: the targets call them under libFuzzer, and
//! `tests/fuzz_replay.rs` includes this file and calls them with the committed seeds and findings on
//! a stable compiler.

#![forbid(unsafe_code)]

mod accept_encoding;
mod adapter_message;
mod chunked;
mod client_response;
#[path = "../../tests/support/conversation.rs"]
mod conversation;
mod cookies;
mod decompress;
mod differential;
mod engine_payload;
mod engine_session;
mod envelope;
mod file_path;
mod forwarded;
mod h2_frames;
mod h2_meter;
mod h2_server;
mod h2_service;
#[path = "../../tests/support/hub_model.rs"]
mod hub_model;
mod hub_ops;
mod input;
mod media_type;
mod multipart;
mod proxy_header;
mod query;
mod range;
mod rate_limit;
mod reference;
mod relay_message;
mod request_head;
mod response;
mod router;
mod socketio_assemble;
mod socketio_packet;
mod splits;
mod traceparent;
mod ws_codec;
mod ws_deflate;
mod ws_frames;
mod ws_handshake;
mod ws_splits;
#[path = "../../tests/support/ws_talk.rs"]
mod ws_talk;

pub use accept_encoding::accept_encoding;
pub use adapter_message::adapter_message;
pub use chunked::chunked;
pub use client_response::client_response;
pub use cookies::cookies;
pub use decompress::decompress;
pub use differential::differential;
pub use engine_payload::engine_payload;
pub use engine_session::engine_session;
pub use envelope::envelope;
pub use file_path::file_path;
pub use forwarded::forwarded;
pub use h2_meter::h2_meter;
pub use h2_server::h2_server;
pub use hub_ops::hub_ops;
pub use media_type::media_type;
pub use multipart::multipart;
pub use proxy_header::proxy_header;
pub use query::query;
pub use range::range;
pub use rate_limit::rate_limit;
pub use relay_message::relay_message;
pub use request_head::request_head;
pub use response::response;
pub use router::router;
pub use socketio_assemble::socketio_assemble;
pub use socketio_packet::socketio_packet;
pub use splits::splits;
pub use traceparent::traceparent;
pub use ws_codec::ws_codec;
pub use ws_deflate::ws_deflate;
pub use ws_frames::ws_frames;
pub use ws_handshake::ws_handshake;
pub use ws_splits::ws_splits;
