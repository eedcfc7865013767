//! A query gives the values that splitting its text gives, whoever asks: a handler, or Engine.IO.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wireline_fuzz::query(data));
