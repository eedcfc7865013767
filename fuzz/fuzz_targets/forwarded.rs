//! What a proxy adds to `Forwarded` and `X-Forwarded-For` is read the same whatever a client wrote before it.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wireline_fuzz::forwarded(data));
