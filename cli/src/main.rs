//! The ready-to-run server: `wireline serve`, or `wireline` alone; and three commands that talk to a relay, which end as [`client`] says.
//!
//! Whatever keeps it from serving is one line on stderr and exit code 2; an end by signal is code 0.

#![forbid(unsafe_code)]

mod args;
mod bench;
mod client;
mod http;
mod observe;
mod publish;
mod routes;
mod serve;
mod sub;
mod tls;

use crate::args::Invocation;
use std::process::ExitCode;

fn main() -> ExitCode {
    let outcome = match args::read(std::env::args_os()) {
        Ok(Invocation::Serve(options)) => serve::run(&options),
        Ok(Invocation::Client(command)) => return client::run(*command),
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
