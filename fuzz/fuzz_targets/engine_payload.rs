//! The content of a poll or a POST of Engine.IO is read as splitting its text reads it, and what is written reads back.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wireline_fuzz::engine_payload(data));
