//! A form gives the parts that a naive reading of all its octets gives, never more than the limits, however it is cut.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wireline_fuzz::multipart(data));
