//! The command line.

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;
use wireline::service::trusted::Networks;
use wireline::wire::number;

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Invocation {
    Serve(Box<Options>),
    /// One of the commands that talk to a relay.
    Client(Box<Command>),
    /// Help or the version.
    Print(String),
}

/// A ready-to-run HTTP server.
#[derive(Debug, Parser)]
#[command(name = "wireline", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve a welcome page and a few routes to try (the default).
    Serve(Options),
    /// Subscribe to topics of a relay, and print what comes, a line each.
    Sub(crate::sub::Options),
    /// Publish to a topic of a relay.
    Pub(crate::publish::Options),
    /// Measure a relay: what it delivers, how late, and whether anything is missing.
    Bench(crate::bench::Options),
}

/// How to serve.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Where to listen; may be given several times. Port 0 takes a free one.
    #[arg(long, value_name = "HOST:PORT|unix:PATH|systemd", default_value = "127.0.0.1:8000", value_parser = place)]
    pub(crate) addr: Vec<String>,
    /// Worker threads, 1 to 1024 [default: one for each core]
    #[arg(long, value_name = "N", value_parser = workers)]
    pub(crate) workers: Option<usize>,
    /// The most connections at the same time; further ones are answered 503.
    #[arg(long, value_name = "N", default_value = "1024", value_parser = connections)]
    pub(crate) max_connections: usize,
    /// The most connections at the same time of one IPv4 address or IPv6 /64, loopback aside [default: no limit]
    #[arg(long, value_name = "N", value_parser = connections)]
    pub(crate) max_connections_per_address: Option<usize>,
    /// Speak TLS with the certificate chain in this PEM file; it is watched, and read again on SIGHUP.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The private key of the certificate, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Speak TLS with a certificate made now, which nobody trusts: for development.
    #[arg(long, conflicts_with = "tls_cert")]
    pub(crate) tls_self_signed: bool,
    /// Ask clients for a certificate of an authority in this PEM file, and refuse those without.
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_client_ca: Option<PathBuf>,
    /// Speak HTTP/2 without TLS, too, with clients that begin with it (prior knowledge).
    #[arg(long)]
    pub(crate) h2c: bool,
    /// Every connection comes from a proxy at this network and begins with a header of the PROXY protocol; several times for several.
    #[arg(long, value_name = "NETWORK", value_parser = network)]
    pub(crate) proxy_protocol: Vec<String>,
    /// Take the word of proxies at this network on who their clients are; several times for several.
    #[arg(long, value_name = "NETWORK", value_parser = network)]
    pub(crate) trusted_proxy: Vec<String>,
    /// Where those proxies say it.
    #[arg(long, value_name = "FIELD", default_value = "x-forwarded-for", value_parser = ["x-forwarded-for", "forwarded"])]
    pub(crate) trusted_field: String,
    /// Listen here in plain HTTP, too, and send everybody to https at the port of the first --addr.
    #[arg(long, value_name = "HOST:PORT", value_parser = place)]
    pub(crate) redirect_http: Option<String>,
    /// Write spans and events to stderr; RUST_LOG says which [default: info]
    #[arg(long, value_name = "FORMAT", value_parser = ["text", "json"])]
    pub(crate) log: Option<String>,
    /// Append a line for every request to this file, which is opened again on SIGHUP; - is stdout.
    #[arg(long, value_name = "FILE")]
    pub(crate) access_log: Option<String>,
    /// How those lines look.
    #[arg(long, value_name = "FORMAT", default_value = "combined", value_parser = ["common", "combined", "json"])]
    pub(crate) access_log_format: String,
    /// Serve metrics as Prometheus's text under /metrics at this place, apart from everything else.
    #[arg(long, value_name = "HOST:PORT", value_parser = place)]
    pub(crate) metrics_addr: Option<String>,
}

/// Reads the command line; an error is one line.
pub(crate) fn read(args: impl IntoIterator<Item = OsString>) -> Result<Invocation, String> {
    match Cli::try_parse_from(args) {
        Ok(
            Cli {
                command: Some(Command::Serve(options)),
                ..
            }
            | Cli {
                command: None,
                options,
            },
        ) => Ok(Invocation::Serve(Box::new(options))),
        Ok(Cli {
            command: Some(command),
            ..
        }) => Ok(Invocation::Client(Box::new(command))),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                Ok(Invocation::Print(error.to_string()))
            }
            _ => Err(one_line(&error.to_string())),
        },
    }
}

/// The first paragraph of clap's message and its first tip, as one line.
fn one_line(message: &str) -> String {
    let mut paragraphs = message
        .split("\n\n")
        .map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
    let what = paragraphs.next().unwrap_or_default();
    let what = what
        .strip_prefix("error: ")
        .unwrap_or(&what)
        .trim_end_matches('.')
        .to_owned();
    let tip = paragraphs.find_map(|text| text.strip_prefix("tip: ").map(|tip| format!(" ({tip})")));
    let line = format!("{what}{}; see `wireline --help`", tip.unwrap_or_default());
    line.chars()
        .filter(|character| !character.is_control())
        .collect()
}

/// Looks at the form of a place, so that a wrong port is told apart from a host that nobody knows.
fn place(text: &str) -> Result<String, String> {
    if text
        .strip_prefix("unix:")
        .is_some_and(|path| !path.is_empty())
        || text == "systemd"
    {
        return Ok(text.to_owned());
    }
    let Some((_, port)) = text.rsplit_once(':').filter(|_| !text.starts_with("unix:")) else {
        return Err("expected HOST:PORT, :PORT, unix:PATH or systemd".to_owned());
    };
    match number::decimal(port.as_bytes()) {
        Some(0..=65_535) => Ok(text.to_owned()),
        _ => Err(format!("`{port}` is no port (0 to 65535)")),
    }
}

fn network(text: &str) -> Result<String, String> {
    match Networks::read([text]) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn workers(text: &str) -> Result<usize, String> {
    between(text, 1024)
}

fn connections(text: &str) -> Result<usize, String> {
    between(text, 10_000_000)
}

fn between(text: &str, most: usize) -> Result<usize, String> {
    let count = number::decimal(text.as_bytes()).and_then(|count| usize::try_from(count).ok());
    count
        .filter(|count| (1..=most).contains(count))
        .ok_or_else(|| format!("expected a number from 1 to {most}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn refused(args: &[&str]) -> String {
        match read(["wireline"].iter().chain(args).map(OsString::from)) {
            Err(line) => line,
            Ok(read) => panic!("{args:?} was taken as {read:?}"),
        }
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serving_is_the_default_with_and_without_its_name() {
        for args in [&["wireline"][..], &["wireline", "serve"]] {
            let Ok(Invocation::Serve(options)) = read(args.iter().map(OsString::from)) else {
                panic!("{args:?}")
            };
            assert_eq!(options.addr, ["127.0.0.1:8000"]);
            assert_eq!((options.workers, options.max_connections), (None, 1024));
            assert_eq!(options.max_connections_per_address, None);
        }
    }

    #[test]
    fn every_refusal_is_one_line_that_names_the_culprit() {
        for (args, culprit) in [
            (&["--frobnicate"][..], "--frobnicate"),
            (&["--adr", "x"], "--addr"),
            (&["sevre"], "sevre"),
            (&["--workers", "0"], "1 to 1024"),
            (&["--workers", "+2"], "+2"),
            (&["--workers", "two"], "two"),
            (&["--workers"], "--workers"),
            (&["--max-connections", "-1"], "-1"),
            (&["--max-connections-per-address", "0"], "1 to 10000000"),
            (&["--max-connections", "99999999999999999999"], "10000000"),
            (&["--addr", "127.0.0.1:99999"], "99999"),
            (&["--addr", "127.0.0.1:http"], "http"),
            (&["--addr", "127.0.0.1"], "HOST:PORT"),
            (&["--addr", "unix:"], "unix:PATH"),
            (&["--addr", "a\nb"], "HOST:PORT"),
            (&["serve", "--addr"], "--addr"),
            (&["--tls-cert", "c.pem"], "--tls-key"),
            (&["--tls-key", "k.pem"], "--tls-cert"),
            (
                &["--tls-self-signed", "--tls-cert", "c", "--tls-key", "k"],
                "--tls-self-signed",
            ),
            (&["--proxy-protocol", "10.0.0.0/33"], "10.0.0.0/33"),
            (&["--trusted-proxy", "localhost"], "localhost"),
            (&["--trusted-field", "via"], "via"),
            (&["--log", "xml"], "xml"),
            (&["--access-log-format", "csv"], "csv"),
            (&["--metrics-addr", "9100"], "HOST:PORT"),
            (&["serve", "extra"], "extra"),
        ] {
            let line = refused(args);
            assert!(
                line.contains(culprit) && !line.contains('\n'),
                "{args:?}: {line:?}"
            );
        }
    }
}
