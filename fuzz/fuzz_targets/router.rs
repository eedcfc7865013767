//! A path finds the route that trying every pattern finds, with the same captures.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wireline_fuzz::router(data));
