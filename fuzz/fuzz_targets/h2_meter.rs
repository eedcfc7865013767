//! The meter of HTTP/2's frames finds what a plain count finds, however the octets are cut.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wireline_fuzz::h2_meter(data));
