//! The ready-to-run server: `wireline serve`, or `wireline` alone; and three commands that talk to a relay, which end as [`client`] says.
//!
//! Whatever keeps it from serving is one line on stderr and exit code 2; an end by signal is code 0.

#![forbid(unsafe_code)]

mod args;
mod bench;
mod broker;
mod client;
mod cluster;
mod config;
mod guard;
mod http;
mod manual;
mod observe;
mod publish;
mod relay;
mod routes;
mod serve;
mod sign_in;
mod socketio;
mod sub;
mod successor;
mod tell;
mod tls;

use crate::args::{Invocation, Options};
use crate::config::{Config, Wrong};
use std::process::ExitCode;

fn main() -> ExitCode {
    let outcome = match args::read(std::env::args_os()) {
        Ok(Invocation::Serve(options)) => configured(&options),
        Ok(Invocation::Client(command)) => return client::run(*command),
        Ok(Invocation::Print(text)) => {
            tell::print(text.trim_end());
            Ok(())
        }
        Err(line) => Err(vec![format!("wireline: {line}")]),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(lines) => {
            for line in lines {
                tell::complain(&line);
            }
            ExitCode::from(2)
        }
    }
}

/// Serves, or shows how it would.
fn configured(options: &Options) -> Result<(), Vec<String>> {
    let (effective, config) = config::load(options, std::env::vars_os())
        .and_then(|effective| {
            let config = Config::new(&effective)?;
            Ok((effective, config))
        })
        .map_err(|wrong| wrong.into_iter().map(attributed).collect::<Vec<_>>())?;
    let outcome = if options.check {
        serve::check(&config).map(|()| tell::print(config::show::show(&effective).trim_end()))
    } else {
        serve::run(&config)
    };
    outcome.map_err(|line| vec![format!("wireline: {}", effective.told(line))])
}

/// What is wrong with a file begins with the file's name, as editors and other tools know to read it; anything else with that of the program.
fn attributed(wrong: Wrong) -> String {
    let line = match wrong {
        Wrong::InFile(line) => line,
        Wrong::Elsewhere(line) => format!("wireline: {line}"),
    };
    // One line each, whatever was written in a value.
    line.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
