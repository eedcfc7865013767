//! Opening handshakes are accepted or refused; what is accepted has what RFC 6455 asks for.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wireline_fuzz::ws_handshake(data));
