//! Any octets are refused or accepted without a panic, and an accepted head keeps every promise of the grammar.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wireline_fuzz::request_head(data));
