//! However a conversation is cut into reads, its events and its end are the same.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wireline_fuzz::splits(data));
