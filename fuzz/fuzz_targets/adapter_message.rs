//! What nodes of Socket.IO say to each other is read or refused, and what was read is written and read as the same.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wireline_fuzz::adapter_message(data));
