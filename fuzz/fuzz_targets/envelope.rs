//! What a node reads is what another one wrote, to the octet, and nothing that comes from a broker upsets it.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wireline_fuzz::envelope(data));
