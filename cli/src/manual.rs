//! What a package of the program brings beside it: the manual page and completions for shells, made of the table of settings and of the
//! command line itself, as `--help` is. `deploy/` has a copy of each.

use crate::args::help;
use crate::config::settings::SETTINGS;
use clap::{Arg, Command, ValueEnum};
use std::fmt::Write;

/// A shell that completes words.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// What completes the words of `command` in the shell, without the last line feed.
pub(crate) fn completions(shell: Shell, command: &mut Command) -> String {
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, command, NAME, &mut script);
    String::from_utf8_lossy(&script).trim_end().to_owned()
}

/// The manual page, in the macros of man(7), without the last line feed.
pub(crate) fn page(mut command: Command) -> String {
    // Now commands know what they are called, and their flags.
    command.build();
    let about = |command: &Command| command.get_about().map(ToString::to_string);
    let mut page = Page::default();
    page.request(&format!(
        ".TH WIRELINE 1 \"\" \"wireline {}\"",
        env!("CARGO_PKG_VERSION")
    ));

    page.section("NAME");
    page.text("wireline - a ready-to-run server for messages over HTTP and WebSockets");
    page.section("SYNOPSIS");
    let mut commands: Vec<_> = command.get_subcommands().cloned().collect();
    commands.retain(|command| command.get_name() != "help");
    for command in &mut commands {
        let usage = command.render_usage().to_string();
        page.text(usage.trim_start_matches("Usage: "));
        page.request(".br");
    }
    page.section("DESCRIPTION");
    page.text(DESCRIPTION);

    page.section("COMMANDS");
    for command in &commands {
        page.tagged(command.get_name(), "", &about(command).unwrap_or_default());
    }

    page.section("SETTINGS");
    page.text(
        "Each is a flag of serve, a variable of the environment, and a key of the file that --config names. A flag is stronger than a \
         variable, and a variable stronger than the file.",
    );
    let own = |id: &str| {
        let serve = commands
            .iter()
            .find(|command| command.get_name() == "serve")?;
        serve.get_arguments().find(|arg| arg.get_id() == id)
    };
    for arg in ["config", "check"].iter().filter_map(|id| own(id)) {
        page.argument(arg);
    }
    for setting in SETTINGS {
        let flag = format!("--{}", setting.flag());
        page.tagged(&flag, setting.kind.name(), &help(setting));
        page.request(".br");
        page.text(&format!("{}, {}", setting.variable(), setting.key));
    }

    for command in &commands {
        let is_other = |arg: &&Arg| arg.get_id() != "help";
        if command.get_name() == "serve" || !command.get_arguments().any(|arg| is_other(&arg)) {
            continue;
        }
        page.section(&format!("ARGUMENTS OF {}", command.get_name()).to_uppercase());
        for arg in command.get_arguments().filter(is_other) {
            page.argument(arg);
        }
    }

    for (section, rows) in [
        ("ENVIRONMENT", ENVIRONMENT),
        ("SIGNALS", SIGNALS),
        ("EXIT STATUS", STATUS),
    ] {
        page.section(section);
        for (tag, text) in rows {
            page.tagged(tag, "", text);
        }
    }
    page.section("EXAMPLES");
    for (line, text) in EXAMPLES {
        page.tagged(line, "", text);
    }
    page.text.trim_end().to_owned()
}

/// A page as it grows.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    /// A line that is a request of troff.
    fn request(&mut self, line: &str) {
        let _ = writeln!(self.text, "{line}");
    }

    fn section(&mut self, name: &str) {
        self.request(&format!(".SH \"{name}\""));
    }

    /// A paragraph: no octet of it means anything to troff.
    fn text(&mut self, text: &str) {
        let text = plain(text);
        self.request(&text);
    }

    /// What is called `tag`, with what may stand behind it.
    fn tagged(&mut self, tag: &str, value: &str, text: &str) {
        self.request(".TP");
        let value = match value {
            "" => String::new(),
            value => format!(" \\fI{}\\fR", plain(value)),
        };
        let tag = format!("\\fB{}\\fR{value}", plain(tag));
        self.request(&tag);
        self.text(text);
    }

    fn argument(&mut self, arg: &Arg) {
        let values = arg.get_value_names().unwrap_or_default();
        let values: Vec<_> = values.iter().map(|name| name.as_str()).collect();
        let values = values.join(" ");
        let mut text = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let defaults = arg.get_default_values();
        if let Some(default) = defaults.first().filter(|_| arg.get_action().takes_values()) {
            let _ = write!(text, " [default: {}]", default.to_string_lossy());
        }
        let choices: Vec<_> = match arg.get_action().takes_values() {
            true => (arg.get_possible_values().iter())
                .map(|value| value.get_name().to_owned())
                .collect(),
            false => Vec::new(),
        };
        if !choices.is_empty() {
            let _ = write!(text, " One of {}.", choices.join(", "));
        }
        match arg.get_long() {
            Some(long) if arg.get_action().takes_values() => {
                self.tagged(&format!("--{long}"), &values, &text);
            }
            Some(long) => self.tagged(&format!("--{long}"), "", &text),
            None => self.tagged(&values, "", &text),
        }
    }
}

/// As it is read: a hyphen that can be copied, a backslash that is one, and no line that begins like a request.
fn plain(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    match text.starts_with(['.', '\'']) {
        true => format!("\\&{text}"),
        false => text,
    }
}

const NAME: &str = "wireline";

const DESCRIPTION: &str = "Serves topics to subscribe and to publish to, over WebSockets, event streams, long polls and an HTTP API, with presence, history and \
    resume; the register/publish service; and Socket.IO where that is asked for. Without a command it is wireline serve, which listens on 127.0.0.1:8000. The \
    other commands are clients.";

const ENVIRONMENT: &[(&str, &str)] = &[
    ("WIRELINE_CONFIG", "The file that --config names."),
    ("RUST_LOG", "Which spans and events the log has."),
    (
        "LISTEN_FDS, NOTIFY_SOCKET",
        "What systemd says to a service: the sockets that it has opened for it, and where to say that it is ready.",
    ),
];

const SIGNALS: &[(&str, &str)] = &[
    (
        "SIGTERM, SIGINT",
        "Drain: take no new connections, finish what was begun, for 30 s at most, and end with 0. A second one ends it at once.",
    ),
    (
        "SIGHUP",
        "Read certificates again, and open the access log again.",
    ),
    (
        "SIGUSR2",
        "Put a new process with the program and the settings of now in the place of this one, with its listeners, and drain.",
    ),
];

const STATUS: &[(&str, &str)] = &[
    ("0", "Done, or ended by a signal."),
    (
        "1",
        "wireline bench: messages were lost, doubled or out of order.",
    ),
    (
        "2",
        "What was asked for is wrong: an argument, a setting, a place that cannot be listened on.",
    ),
    ("3", "The server cannot be reached, or is no relay."),
    ("4", "The server refuses."),
    ("5", "The server ended the connection for good."),
];

const EXAMPLES: &[(&str, &str)] = &[
    (
        "wireline --config wireline.toml --check",
        "What holds, and where each setting comes from; nothing is served.",
    ),
    (
        "wireline sub ws://127.0.0.1:8000 news",
        "Prints what comes to a topic, a line each.",
    ),
    (
        "wireline pub http://127.0.0.1:8000 news say '\"hello\"'",
        "Publishes to it.",
    ),
];

#[cfg(test)]
mod tests {
    use crate::args::{Invocation, read};
    use std::ffi::OsString;
    use std::path::Path;
    use std::process::Command;

    fn printed(words: &[&str]) -> String {
        match read(["wireline"].iter().chain(words).map(OsString::from)) {
            Ok(Invocation::Print(text)) => format!("{text}\n"),
            other => panic!("{words:?}: {other:?}"),
        }
    }

    /// `RENEW_DOCUMENTS=1 cargo test -p wireline-cli manual` writes them anew.
    #[test]
    fn the_copies_are_what_is_printed() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy");
        for (file, words) in [
            ("wireline.1", &["man"][..]),
            ("completions/wireline.bash", &["completions", "bash"]),
            ("completions/_wireline", &["completions", "zsh"]),
            ("completions/wireline.fish", &["completions", "fish"]),
        ] {
            let (path, text) = (root.join(file), printed(words));
            if std::env::var_os("RENEW_DOCUMENTS").is_some() {
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(&path, &text).unwrap();
            }
            let copy = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(
                copy == text,
                "deploy/{file} is not what is printed: RENEW_DOCUMENTS=1 writes it anew"
            );
        }
    }

    /// What bash offers in place of the last of these words.
    fn offered(words: &str) -> Vec<String> {
        let script = format!(
            "{}\nCOMP_WORDS=({words})\nCOMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n_wireline wireline \"${{COMP_WORDS[-1]}}\" \"${{COMP_WORDS[-2]}}\"\n\
             printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            printed(&["completions", "bash"])
        );
        let mut bash = Command::new("bash");
        let output = bash.args(["--norc", "-c", &script]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| line.trim().to_owned()).collect()
    }

    #[test]
    fn bash_completes_commands_flags_and_choices() {
        assert_eq!(offered("wireline s"), ["serve", "sub"]);
        assert_eq!(
            offered("wireline serve --max-connections-"),
            ["--max-connections-per-address"]
        );
        assert_eq!(offered("wireline serve --log ''"), ["text", "json"]);
        assert_eq!(offered("wireline completions z"), ["zsh"]);
    }

    #[test]
    fn other_shells_read_theirs() {
        // Where there are such shells.
        for (shell, words) in [("zsh", ["-n", "-c"]), ("fish", ["--no-execute", "-c"])] {
            let script = printed(&["completions", shell]);
            if let Ok(output) = Command::new(shell).args(words).arg(script).output() {
                let complained = String::from_utf8(output.stderr).unwrap();
                assert!(output.status.success(), "{shell}: {complained}");
            }
        }
    }

    #[test]
    fn the_page_is_whole_and_troff_has_nothing_to_say() {
        let page = printed(&["man"]);
        for setting in crate::config::settings::SETTINGS {
            let flag = format!("--{}", setting.flag()).replace('-', "\\-");
            assert!(page.contains(&format!("\\fB{flag}\\fR")), "{flag}");
            assert!(page.contains(&setting.variable()), "{}", setting.key);
        }
        for section in ["SYNOPSIS", "ARGUMENTS OF SUB", "EXIT STATUS"] {
            assert!(page.contains(&format!(".SH \"{section}\"")), "{section}");
        }
        let folder = std::env::temp_dir().join(format!("wireline-man-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("wireline.1");
        std::fs::write(&file, &page).unwrap();
        // Where there is a groff.
        let mut groff = Command::new("groff");
        groff.args(["-man", "-ww", "-Tutf8", "-z"]).arg(&file);
        if let Ok(output) = groff.output() {
            let complained = String::from_utf8(output.stderr).unwrap();
            assert!(
                output.status.success() && complained.is_empty(),
                "{complained}"
            );
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
