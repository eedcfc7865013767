//! The coding that is chosen is the one that a slow reading of RFC 9110 section 12.5.3 chooses.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wireline_fuzz::accept_encoding(data));
