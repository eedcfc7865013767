//! What is read as a packet of Socket.IO has what packets have, and comes back when it is written.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wireline_fuzz::socketio_packet(data));
