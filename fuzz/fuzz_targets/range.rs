//! Ranges select exactly the octets that a plain reading of the field selects, and preconditions never contradict each other.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wireline_fuzz::range(data));
