//! Compressed payloads are inflated or refused and never pass the limit; what is compressed comes back.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wireline_fuzz::ws_deflate(data));
