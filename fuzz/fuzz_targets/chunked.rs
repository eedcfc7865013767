//! A chunked body is read as a plain reading of RFC 9112 section 7.1 reads it, however it is cut.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wireline_fuzz::chunked(data));
