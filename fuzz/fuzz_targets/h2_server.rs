//! A server of HTTP/2 stays within its limits whatever a client sends, and when a connection ends, all that it began has.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wireline_fuzz::h2_server(data));
