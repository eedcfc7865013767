//! Whatever messages come, no more is held than allowed, and a packet that comes of them has its attachments.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wireline_fuzz::socketio_assemble(data));
