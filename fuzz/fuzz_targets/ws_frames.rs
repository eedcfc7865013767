//! Whatever a peer sends, a connection gives events or fails with a code.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wireline_fuzz::ws_frames(data));
