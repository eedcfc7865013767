//! A Cookie field is read as a plain model and the `cookie` crate read it, and what a builder sets is read back as it was meant.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wireline_fuzz::cookies(data));
