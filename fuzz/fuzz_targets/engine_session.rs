//! Whatever happens to a session of Engine.IO, it ends once, goes over to a WebSocket once, and is pinged in time.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wireline_fuzz::engine_session(data));
