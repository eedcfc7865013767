//! A decoder never gives more than it may, and gives the same however its input is cut.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wireline_fuzz::decompress(data));
