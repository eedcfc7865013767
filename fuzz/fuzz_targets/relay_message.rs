//! What a client of the relay says is read as a plain reading of its JSON says, and what is answered with it says the same.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wireline_fuzz::relay_message(data));
