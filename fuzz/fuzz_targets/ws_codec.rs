//! What one side sends, the other receives, however the octets are cut.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wireline_fuzz::ws_codec(data));
