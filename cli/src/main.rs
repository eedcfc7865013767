//! The ready-to-run server: `wireline serve`, or `wireline` alone.
//!
//! Whatever keeps it from serving is one line on stderr and exit code 2; an end by signal is code 0.

#![forbid(unsafe_code)]

mod args;
mod routes;
mod serve;

use crate::args::Invocation;
use std::process::ExitCode;

/// glibc keeps what thousands of closed connections had; jemalloc's background threads give it back.
#[cfg(all(feature = "jemalloc", target_os = "linux"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let outcome = match args::read(std::env::args_os()) {
        Ok(Invocation::Serve(options)) => serve::run(&options),
        Ok(Invocation::Print(text)) => {
            serve::say(text.trim_end());
            Ok(())
        }
        Err(line) => Err(line),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(line) => {
            eprintln!("wireline: {line}");
            ExitCode::from(2)
        }
    }
}
