//! A header of the PROXY protocol is read as its specification reads it, however it is cut, and nothing behind it is touched.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wireline_fuzz::proxy_header(data));
