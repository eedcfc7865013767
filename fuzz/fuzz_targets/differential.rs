//! A head that is accepted here is accepted by httparse, with equal method, target, version and fields.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wireline_fuzz::differential(data));
