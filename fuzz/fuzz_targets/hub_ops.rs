//! Whatever is done to the relay's hub, it does what a plain model does.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wireline_fuzz::hub_ops(data));
