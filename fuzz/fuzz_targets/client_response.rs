//! A response is read the same however it is cut, and as an independent parser reads its head.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wireline_fuzz::client_response(data));
