//! A media type is read as splitting its text at semicolons that are not quoted reads it, and what is written reads back.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wireline_fuzz::media_type(data));
