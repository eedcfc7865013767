//! What is written for people says what the code does: the example of a configuration, and the table of `docs/server.md`.
//!
//! `RENEW_DOCUMENTS=1 cargo test -p wireline-cli documents` writes both anew.

use crate::config::settings::{SETTINGS, Setting};
use crate::config::value::Kind;
use crate::config::{Config, Effective, file};
use std::fmt::Write;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A value for a setting that has no default.
fn some_value(kind: &Kind) -> String {
    match kind {
        Kind::Count(least, _) => least.to_string(),
        Kind::Choice(choices) => format!("\"{}\"", choices[0]),
        Kind::Text(name, _) | Kind::Secret(name, _) => match *name {
            "URL" => "\"https://push.example\"".to_owned(),
            "BROKER" => "\"redis://127.0.0.1:6379\"".to_owned(),
            "HOST:PORT" => "\"127.0.0.1:9000\"".to_owned(),
            "SECRET" => "\"(32 octets or more that nobody can guess)\"".to_owned(),
            "FILE" => "\"/etc/wireline/file\"".to_owned(),
            _ => "\"text\"".to_owned(),
        },
        _ => panic!("it has a default"),
    }
}

fn wrapped(text: &str) -> String {
    let mut lines = vec![String::from("#")];
    for word in text.split(' ') {
        let line = lines.last_mut().unwrap();
        if line.len() + word.len() >= 100 {
            lines.push(format!("# {word}"));
        } else {
            let _ = write!(line, " {word}");
        }
    }
    lines.join("\n")
}

fn example() -> String {
    let mut text = String::from(
        "# Every setting of the server with its default; those without one are commented out.\n# `wireline --config FILE --check` says what holds, and where it comes from.\n",
    );
    let mut section = "";
    for setting in SETTINGS {
        if matches!(setting.kind, Kind::Rows(_)) {
            continue;
        }
        let (of, key) = setting.key.split_once('.').unwrap_or(("", setting.key));
        if of != section {
            section = of;
            let _ = write!(text, "\n[{section}]\n");
        }
        let _ = write!(text, "\n{}\n", wrapped(setting.help));
        let _ = match setting.default {
            "" => writeln!(text, "#{key} = {}", some_value(&setting.kind)),
            default => writeln!(text, "{key} = {default}"),
        };
    }
    for setting in SETTINGS {
        if let Kind::Rows(columns) = setting.kind {
            let _ = write!(text, "\n{}\n#[[{}]]\n", wrapped(setting.help), setting.key);
            for column in columns {
                let value = match (column.default, column.kind) {
                    ("", _) => "\"room:*\"".to_owned(),
                    (default, Kind::Count(..)) => default.to_owned(),
                    (default, _) => format!("\"{default}\""),
                };
                let _ = write!(
                    text,
                    "{}\n#{} = {value}\n",
                    wrapped(column.help),
                    column.key
                );
            }
        }
    }
    text
}

/// The table of the page.
fn table() -> String {
    let mut text = String::new();
    let mut section = None;
    for setting in SETTINGS {
        let of = setting.key.split_once('.').map_or("", |(of, _)| of);
        if section != Some(of) {
            section = Some(of);
            if !of.is_empty() {
                let _ = write!(text, "\n### `[{of}]`\n");
            }
            text.push_str("\n| key | flag, variable | default | |\n|---|---|---|---|\n");
        }
        let default = match setting.default {
            "" => String::new(),
            default => format!("`{default}`"),
        };
        let value = match setting.kind {
            Kind::Switch => String::new(),
            kind => format!(" {}", kind.name().replace('|', "\\|")),
        };
        let _ = writeln!(
            text,
            "| `{}` | `--{}{value}`, `{}` | {default} | {} |",
            setting.key,
            setting.flag(),
            setting.variable(),
            setting.help
        );
        if let Kind::Rows(columns) = setting.kind {
            for column in columns {
                let default = match column.default {
                    "" => "has to be there".to_owned(),
                    default => format!("`{default}`"),
                };
                let _ = writeln!(
                    text,
                    "| `{}` in `[[{}]]` | | {default} | {} |",
                    column.key, setting.key, column.help
                );
            }
        }
    }
    text
}

fn is_renewed() -> bool {
    std::env::var_os("RENEW_DOCUMENTS").is_some()
}

#[test]
fn the_example_shows_every_setting_with_its_default() {
    let path = root().join("cli/wireline.example.toml");
    if is_renewed() {
        std::fs::write(&path, example()).unwrap();
    }
    let text = std::fs::read_to_string(path).unwrap();
    assert!(
        text == example(),
        "cli/wireline.example.toml is not what the settings are: RENEW_DOCUMENTS=1 writes it anew"
    );

    // It says what holds without it.
    let mut effective = Effective::defaults();
    for (setting, value, _) in file::read(&text).unwrap() {
        assert_ne!(setting.default, "", "{}", setting.key);
        let place = SETTINGS
            .iter()
            .position(|known| known.key == setting.key)
            .unwrap();
        let entry = &mut effective.entries[place];
        assert_eq!(entry.0, Some(value), "{}", setting.key);
    }
    assert!(Config::new(&effective).is_ok());
    // What is commented out can be taken as it stands.
    let whole: String = text
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let keys: Vec<_> = file::read(&whole)
        .unwrap()
        .iter()
        .map(|found| found.0.key)
        .collect();
    for Setting { key, .. } in SETTINGS {
        assert!(keys.contains(key), "the example has no {key}");
    }
}

#[test]
fn the_page_has_every_setting() {
    const BEGIN: &str = "<!-- settings, written by cli/src/config/documents.rs -->\n";
    const END: &str = "\n<!-- end of settings -->";
    let path = root().join("docs/server.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (found, after) = rest.split_once(END).unwrap();
    if is_renewed() {
        std::fs::write(&path, format!("{before}{BEGIN}{}{END}{after}", table())).unwrap();
        return;
    }
    assert!(
        found == table(),
        "the table of docs/server.md is not what the settings are: RENEW_DOCUMENTS=1 writes it anew"
    );
}
