//! What is sent is read back by an independent parser as the one response that was meant, whatever a handler puts into it.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wireline_fuzz::response(data));
