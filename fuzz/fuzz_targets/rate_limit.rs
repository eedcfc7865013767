//! A sliding window allows in no span of time more than the quota and what it gives in that time, and what it tells of a
//! refusal comes true.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wireline_fuzz::rate_limit(data));
