//! What the commands that talk to a relay have in common.
//!
//! | exit code | |
//! |---|---|
//! | 0 | done, or ended by Ctrl-C |
//! | 1 | the bench found messages lost, doubled or out of order |
//! | 2 | what was asked for is wrong: an argument, a URL, a payload |
//! | 3 | the server cannot be reached, or is no relay |
//! | 4 | the server refuses: 401, 403, another status, a subscription or a message |
//! | 5 | the server ended the connection for good |

use crate::args::Command;
use crate::{bench, publish, sub};
use std::path::Path;
use std::process::ExitCode;
use wireline::relay::client::{
    Builder, DialError, Ended, RelayClient, RequestError, SubscribeError,
};
use wireline::wire::number;
use wireline::ws::client::ConnectError;

/// Why a command failed: its exit code and one line.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) line: String,
}

pub(crate) const UNCLEAN: u8 = 1;
pub(crate) const WRONG: u8 = 2;
pub(crate) const UNREACHABLE: u8 = 3;
pub(crate) const REFUSED: u8 = 4;
pub(crate) const ENDED: u8 = 5;

impl Failure {
    pub(crate) fn new(code: u8, line: impl Into<String>) -> Self {
        let line = line.into();
        Self { code, line }
    }

    pub(crate) fn dial(url: &str, error: &DialError) -> Self {
        let code = match error {
            DialError::Connect(ConnectError::Url(_) | ConnectError::Field(_)) => WRONG,
            DialError::Connect(ConnectError::Refused(_)) => REFUSED,
            _ => UNREACHABLE,
        };
        let hint = match error {
            DialError::Connect(ConnectError::Refused(refused)) => match refused.status.as_u16() {
                401 => " (sign in with --bearer)",
                404 => " (is there a relay at this path?)",
                _ => "",
            },
            DialError::Connect(ConnectError::Malformed(_) | ConnectError::Mismatch(_)) => {
                " (is this the port of an HTTP server?)"
            }
            _ => "",
        };
        Self::new(code, format!("{url}: {error}{hint}"))
    }

    pub(crate) fn ended(url: &str, ended: &Ended) -> Self {
        let code = match ended {
            Ended::Refused(_) => REFUSED,
            Ended::Unfit(_) => WRONG,
            _ => ENDED,
        };
        Self::new(code, format!("{url}: {ended}"))
    }
}

impl From<SubscribeError> for Failure {
    fn from(error: SubscribeError) -> Self {
        Self::new(WRONG, error.to_string())
    }
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Self {
        let code = match &error {
            RequestError::Refused(_) => REFUSED,
            RequestError::Timeout | RequestError::Disconnected => UNREACHABLE,
            RequestError::Ended => ENDED,
            _ => WRONG,
        };
        Self::new(code, error.to_string())
    }
}

/// Runs a command; a failure is one line on stderr.
pub(crate) fn run(command: Command) -> ExitCode {
    let outcome = match command {
        Command::Sub(options) => block_on(sub::run(options)),
        Command::Pub(options) => publish::run(&options),
        Command::Bench(options) => block_on(bench::run(options)),
        // What is no client's.
        Command::Serve(_) | Command::Completions { .. } | Command::Man => Ok(()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("wireline: {}", one_line(&failure.line));
            ExitCode::from(failure.code)
        }
    }
}

pub(crate) fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime
        .map_err(|error| Failure::new(UNREACHABLE, error.to_string()))?
        .block_on(future)
}

/// A client of the relay at this URL: at `/ws` when the URL has no path. Trusts the authorities in a PEM file, if there is one.
pub(crate) fn builder(
    url: &str,
    bearer: Option<&str>,
    authorities: Option<&Path>,
) -> Result<Builder, Failure> {
    let Some(rest) = url
        .strip_prefix("ws://")
        .or_else(|| url.strip_prefix("wss://"))
    else {
        let line = format!("{url}: a relay's URL begins with ws:// or wss://");
        return Err(Failure::new(WRONG, line));
    };
    let has_path =
        rest.contains(['/', '?']) && !rest.ends_with('/') || rest.matches('/').count() > 1;
    let url = match has_path {
        true => url.to_owned(),
        false => format!("{}/ws", url.trim_end_matches('/')),
    };
    let mut builder = RelayClient::builder(url);
    if let Some(token) = bearer {
        let token = token.to_owned();
        builder = builder.bearer(move || {
            let token = token.clone();
            async move { Ok::<_, std::convert::Infallible>(token) }
        });
    }
    if let Some(path) = authorities {
        let pem = std::fs::read(path)
            .map_err(|error| Failure::new(WRONG, format!("{}: {error}", path.display())))?;
        builder = builder
            .roots(pem)
            .map_err(|error| Failure::new(WRONG, format!("{}: {error}", path.display())))?;
    }
    Ok(builder)
}

/// Text on one line, without what moves the cursor.
pub(crate) fn one_line(text: &str) -> String {
    let printable = |character: char| match character.is_control() {
        true => ' ',
        false => character,
    };
    text.chars().map(printable).collect()
}

pub(crate) fn between(text: &str, least: u64, most: u64) -> Result<u64, String> {
    number::decimal(text.as_bytes())
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| format!("expected a number from {least} to {most}"))
}
