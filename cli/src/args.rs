//! The command line.

use crate::config::settings::{SETTINGS, Setting};
use crate::config::value::Kind;
use crate::manual::{self, Shell};
use clap::builder::ValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{
    Arg, ArgAction, ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand,
    ValueHint, value_parser,
};
use std::ffi::OsString;
use std::path::PathBuf;

/// What the command line asks for.
#[derive(Debug)]
pub(crate) enum Invocation {
    Serve(Box<Options>),
    /// One of the commands that talk to a relay.
    Client(Box<Command>),
    /// Help, the version, the manual page, completions for a shell.
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
    /// Serve topics, an HTTP API and a console (the default).
    Serve(Options),
    /// Subscribe to topics of a relay, and print what comes, a line each.
    Sub(crate::sub::Options),
    /// Publish to a topic of a relay.
    Pub(crate::publish::Options),
    /// Measure a relay: what it delivers, how late, and whether anything is missing.
    Bench(crate::bench::Options),
    /// Print what a shell needs to complete commands and flags.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the manual page: `wireline man | man -l -`.
    Man,
}

/// How to serve: what the command line says of the settings.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// The file with settings.
    pub(crate) config: Option<PathBuf>,
    /// Show the configuration instead of serving.
    pub(crate) check: bool,
    /// Each setting that was given, with its texts.
    pub(crate) given: Vec<(&'static Setting, Vec<String>)>,
}

/// A flag for each setting.
impl Args for Options {
    fn augment_args(command: clap::Command) -> clap::Command {
        let config = Arg::new(CONFIG)
            .long(CONFIG)
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .value_hint(ValueHint::FilePath)
            .help("Read settings from this TOML file; the environment is stronger, and flags are stronger still.");
        let check = Arg::new(CHECK)
            .long(CHECK)
            .action(ArgAction::SetTrue)
            .help("Show every setting, and where it comes from, and do not serve.");
        command
            .arg(config)
            .arg(check)
            .args(SETTINGS.iter().map(flag))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Options {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut options = Self::default();
        options.update_from_arg_matches(matches)?;
        Ok(options)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.config = matches.get_one(CONFIG).cloned();
        self.check = matches.get_flag(CHECK);
        let given = SETTINGS.iter().filter_map(|setting| {
            let texts = matches.get_many::<String>(setting.key)?;
            Some((setting, texts.cloned().collect()))
        });
        self.given = given.collect();
        Ok(())
    }
}

/// What a setting means as a flag, in one paragraph.
pub(crate) fn help(setting: &Setting) -> String {
    let kind = setting.kind;
    let mut help = setting.help.to_owned();
    if !setting.default.is_empty() && setting.default != "[]" {
        help = format!(
            "{help} [default: {}]",
            setting.default.replace(['"', '[', ']'], "")
        );
    }
    if let Kind::Rows(columns) = kind {
        for column in columns {
            let default = match column.default {
                "" => String::new(),
                default => format!(" [default: {default}]"),
            };
            help = format!("{help} {}: {}{default}", column.key, column.help);
        }
    }
    if kind.is_many() {
        help.push_str(" May be given several times.");
    }
    help
}

fn flag(setting: &'static Setting) -> Arg {
    let kind = setting.kind;
    let arg = Arg::new(setting.key)
        .long(setting.flag())
        .value_name(kind.name())
        .value_hint(match kind.name() {
            "FILE" => ValueHint::FilePath,
            // A shell offers no files where none can stand.
            _ => ValueHint::Other,
        })
        .help(help(setting))
        .action(if kind.is_many() {
            ArgAction::Append
        } else {
            ArgAction::Set
        });
    match kind {
        Kind::Switch => arg
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .value_parser(["true", "false"]),
        Kind::Choice(choices) => arg.value_parser(choices.to_vec()),
        // What is wrong with a secret is told later, without it.
        Kind::Secret(..) | Kind::Secrets(..) => arg,
        kind => arg.value_parser(ValueParser::from(move |text: &str| {
            kind.read(text).map(|_| text.to_owned())
        })),
    }
}

const CONFIG: &str = "config";
const CHECK: &str = "check";

/// Reads the command line; an error is one line.
pub(crate) fn read(args: impl IntoIterator<Item = OsString>) -> Result<Invocation, String> {
    let args: Vec<_> = args.into_iter().collect();
    match Cli::try_parse_from(&args) {
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
            command: Some(Command::Completions { shell }),
            ..
        }) => Ok(Invocation::Print(manual::completions(
            shell,
            &mut Cli::command(),
        ))),
        Ok(Cli {
            command: Some(Command::Man),
            ..
        }) => Ok(Invocation::Print(manual::page(Cli::command()))),
        Ok(Cli {
            command: Some(command),
            ..
        }) => Ok(Invocation::Client(Box::new(command))),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                Ok(Invocation::Print(error.to_string()))
            }
            _ => {
                let command = named(&args);
                let hint = match command.as_deref() {
                    None | Some("serve") => other_name(&error),
                    Some(_) => None,
                };
                let help = ["wireline", command.as_deref().unwrap_or_default(), "--help"];
                let help = help.join(" ").replace("  ", " ");
                Err(one_line(
                    &error.to_string(),
                    hint.unwrap_or_default(),
                    &help,
                ))
            }
        },
    }
}

/// What other servers call it.
fn other_name(error: &clap::Error) -> Option<&'static str> {
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    match flag.split('=').next()? {
        "--port" | "--host" | "--bind" | "--listen" | "--address" | "-p" | "-b" | "-l" | "-H" => {
            Some(" (where to listen is --addr HOST:PORT)")
        }
        "--cert" => Some(" (certificates are --tls-cert and --tls-key)"),
        "--key" => Some(" (certificates are --tls-cert and --tls-key, keys of the API --api-keys)"),
        "-c" | "-f" | "--file" => Some(" (settings are read from --config FILE)"),
        "-v" => Some(" (the version is -V)"),
        _ => None,
    }
}

/// The command that was named, if it is one.
fn named(args: &[OsString]) -> Option<String> {
    let cli = Cli::command();
    let command = cli.find_subcommand(args.get(1)?)?;
    Some(command.get_name().to_owned())
}

/// The first paragraph of clap's message and its first tip, as one line; in place of the tip a better hint if there is one.
fn one_line(message: &str, hint: &str, help: &str) -> String {
    let mut paragraphs = message
        .split("\n\n")
        .map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
    let what = paragraphs.next().unwrap_or_default();
    let what = what
        .strip_prefix("error: ")
        .unwrap_or(&what)
        .trim_end_matches('.')
        .to_owned();
    let tip = match hint {
        "" => paragraphs
            .find_map(|text| text.strip_prefix("tip: ").map(|tip| format!(" ({tip})")))
            .unwrap_or_default(),
        hint => hint.to_owned(),
    };
    let line = format!("{what}{tip}; see `{help}`");
    line.chars()
        .filter(|character| !character.is_control())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert!(options.given.is_empty() && options.config.is_none() && !options.check);
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
            (&["--h2c=maybe"], "maybe"),
            (&["--relay-max-mesage", "1"], "--relay-max-message"),
            (&["--relay-max-message", "1 kb"], "1 kb"),
            (&["--register-unconnected", "1 fortnight"], "1 fortnight"),
            (&["--history", "messages=5"], "topics"),
            (&["--workers", "1", "--workers", "2"], "--workers"),
            (&["--proxy-protocol", "10.0.0.0/33"], "10.0.0.0/33"),
            (&["--trusted-proxy", "localhost"], "localhost"),
            (&["--trusted-field", "via"], "via"),
            (&["--log", "xml"], "xml"),
            (&["--access-log-format", "csv"], "csv"),
            (&["--metrics-addr", "9100"], "HOST:PORT"),
            (&["serve", "extra"], "extra"),
            (&["--port", "80"], "--addr HOST:PORT"),
            (&["serve", "-p", "80"], "--addr HOST:PORT"),
            (&["--port=80"], "--addr HOST:PORT"),
            (&["-c", "a.toml"], "--config FILE"),
            (&["sub"], "see `wireline sub --help`"),
            (&["start"], "see `wireline --help`"),
            (&["completions"], "<SHELL>"),
            (&["completions", "csh"], "csh"),
        ] {
            let line = refused(args);
            assert!(
                line.contains(culprit) && !line.contains('\n'),
                "{args:?}: {line:?}"
            );
        }
    }
}
