//! `traceparent` and `tracestate` are read as a second reading, by splitting text, reads them; what is written reads back.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wireline_fuzz::traceparent(data));
