//! The path of a file never leaves its root, and is what a plain reading of the request's path gives.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wireline_fuzz::file_path(data));
