//! However what a peer sends is cut into reads, the events, the answers and the end are the same.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wireline_fuzz::ws_splits(data));
