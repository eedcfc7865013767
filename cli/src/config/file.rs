//! The file: TOML, of which every key is known.

use crate::config::settings::{SETTINGS, Setting};
use crate::config::value::{Fault, Value, nearest, unknown};
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A setting as a file has it, and at which octet.
pub(super) type Found = (&'static Setting, Value, usize);

/// Reads a file; what is wrong with it comes in its order.
pub(super) fn read(text: &str) -> Result<Vec<Found>, Vec<Fault>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let end = text.len();
    let faults = errors.into_iter().map(|error| {
        let span = error.span().unwrap_or(end..end);
        let message = error.message().replace('\n', " ");
        let hint = another_form(text, span.start).unwrap_or_default();
        (span, format!("{message}{hint}"))
    });
    // The first in the file: a quotation mark that is missing makes more mistakes behind it.
    if let Some(first) = faults.min_by_key(|(span, _)| span.start) {
        return Err(vec![first]);
    }
    let (mut found, mut wrong) = (Vec::new(), Vec::new());
    for (key, value) in table.get_ref().iter() {
        let name = &**key.get_ref();
        if let Some(setting) = Setting::of(name) {
            take(setting, key.span(), value, &mut found, &mut wrong);
        } else if is_section(name) {
            section(name, value, &mut found, &mut wrong);
        } else {
            wrong.push((key.span(), unknown_key(name)));
        }
    }
    if wrong.is_empty() {
        return Ok(found);
    }
    wrong.sort_by_key(|(span, _)| span.start);
    Err(wrong)
}

fn section(
    name: &str,
    value: &Spanned<DeValue<'_>>,
    found: &mut Vec<Found>,
    wrong: &mut Vec<Fault>,
) {
    let Some(table) = value.get_ref().as_table() else {
        let message = format!("`{name}` is a table: write [{name}]");
        wrong.push((value.span(), message));
        return;
    };
    for (key, value) in table.iter() {
        let inner = &**key.get_ref();
        match Setting::of(&format!("{name}.{inner}")) {
            Some(setting) => take(setting, key.span(), value, found, wrong),
            None => {
                let known = SETTINGS.iter().filter_map(|setting| {
                    let (section, key) = setting.key.split_once('.')?;
                    (section == name).then_some(key)
                });
                let message = match elsewhere(inner) {
                    Some(key) if nearest(inner, known.clone()).is_none() => {
                        format!("unknown key `{inner}` in [{name}] (did you mean `{key}`?)")
                    }
                    _ => unknown(inner, known),
                };
                wrong.push((key.span(), message));
            }
        }
    }
}

fn take(
    setting: &'static Setting,
    key: Range<usize>,
    value: &Spanned<DeValue<'_>>,
    found: &mut Vec<Found>,
    wrong: &mut Vec<Fault>,
) {
    match setting.kind.read_toml(value) {
        Ok(value) => found.push((setting, value, key.start)),
        Err(more) => {
            let named = more
                .into_iter()
                .map(|(span, message)| (span, format!("{}: {message}", setting.key)));
            wrong.extend(named);
        }
    }
}

/// What a mistake shows that is written in the way of other files.
fn another_form(text: &str, at: usize) -> Option<&'static str> {
    let (before, behind) = (text.get(..at)?, text.get(at..)?);
    if before.trim().is_empty() && behind.trim_start().starts_with('{') {
        Some(" (this is JSON, and the file is TOML: a line is `key = value`)")
    } else if behind.starts_with(':') {
        Some(" (a line is `key = value`)")
    } else {
        None
    }
}

/// What other servers call it.
fn other_name(name: &str) -> Option<&'static str> {
    match name {
        "port" | "host" | "bind" | "listen" | "address" => {
            Some("where to listen is `addr = \"HOST:PORT\"`")
        }
        "server" | "http" | "global" => Some("the server's own settings stand before all tables"),
        "ssl" | "https" => Some("certificates are `cert` and `key` in [tls]"),
        "redis" | "nats" | "broker" => Some("the broker is `backplane`"),
        "log_level" | "level" => Some("how much is logged says RUST_LOG in the environment"),
        _ => None,
    }
}

fn unknown_key(name: &str) -> String {
    let sections = SETTINGS
        .iter()
        .filter_map(|setting| setting.key.split_once('.'));
    let outer = SETTINGS.iter().filter(|setting| !setting.key.contains('.'));
    let known = outer
        .map(|setting| setting.key)
        .chain(sections.map(|(section, _)| section));
    match elsewhere(name) {
        Some(key) if nearest(name, known.clone()).is_none() => {
            format!("unknown key `{name}` (did you mean `{key}`?)")
        }
        _ => match other_name(name) {
            Some(hint) => format!("unknown key `{name}` ({hint})"),
            None => unknown(name, known),
        },
    }
}

/// A setting of this name in another table.
fn elsewhere(name: &str) -> Option<&'static str> {
    let of_name = SETTINGS
        .iter()
        .find(|setting| setting.key.rsplit('.').next() == Some(name));
    of_name.map(|setting| setting.key)
}

fn is_section(name: &str) -> bool {
    SETTINGS.iter().any(|setting| {
        setting
            .key
            .split_once('.')
            .is_some_and(|(section, _)| section == name)
    })
}

/// Line and column of an octet, both from 1; columns are characters.
pub(super) fn position(text: &str, at: usize) -> (usize, usize) {
    let at = text.floor_char_boundary(at.min(text.len()));
    let before = &text[..at];
    let line = before.matches('\n').count() + 1;
    let begin = before.rfind('\n').map_or(0, |newline| newline + 1);
    (line, before[begin..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn wrong(text: &str, expected: &[(usize, usize, &str)]) {
        let told: Vec<_> = read(text)
            .map(|found| found.len())
            .unwrap_err()
            .into_iter()
            .map(|(span, message)| {
                let (line, column) = position(text, span.start);
                (line, column, message)
            })
            .collect();
        assert_eq!(told.len(), expected.len(), "{told:?}");
        for ((line, column, message), (l, c, part)) in told.iter().zip(expected) {
            assert_eq!((line, column), (l, c), "{message}");
            assert!(message.contains(part), "{message:?} has no {part:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_at_its_line_and_column() {
        wrong(
            "workers = 4\nwrokers = 5\n",
            &[(2, 1, "unknown key `wrokers` (did you mean `workers`?)")],
        );
        wrong(
            "workers = \"four\"",
            &[(1, 11, "workers: expected a number, found string")],
        );
        wrong(
            "workers = 0",
            &[(1, 11, "workers: expected a number from 1 to 1024")],
        );
        wrong("workers = 0x10", &[(1, 11, "decimal")]);
        wrong(
            "h2c = 1",
            &[(1, 7, "h2c: expected true or false, found integer")],
        );
        wrong(
            "[relay]\n  max_mesage = 1",
            &[(2, 3, "did you mean `max_message`?")],
        );
        wrong(
            "max_message = 1",
            &[(1, 1, "did you mean `relay.max_message`?")],
        );
        wrong(
            "[register]\npath = 1",
            &[(2, 1, "in [register] (did you mean `relay.path`?)")],
        );
        wrong("relay = 5", &[(1, 9, "`relay` is a table: write [relay]")]);
        wrong("[rellay]\non = true", &[(1, 2, "did you mean `relay`?")]);
        wrong(
            "addr = [\"127.0.0.1:0\", 5, \"a\"]",
            &[(1, 24, "expected a text"), (1, 27, "HOST:PORT")],
        );
        wrong("\"ä\" = 1", &[(1, 1, "unknown key `ä`")]);
        wrong("workers = 4 # ä\nworkers = 5", &[(2, 1, "duplicate key")]);
        wrong("workers = ", &[(1, 11, "")]);
        wrong("# a\nport = 80", &[(2, 1, "is `addr = \"HOST:PORT\"`")]);
        wrong("[server]\nport = 80", &[(1, 2, "before all tables")]);
        wrong("{\"addr\": \"a:1\"}", &[(1, 1, "this is JSON")]);
        wrong("# a\naddr: a:1", &[(2, 5, "a line is `key = value`")]);
        wrong("public_url = \"http://a\n[relay", &[(1, 23, "expected")]);
        wrong(
            "a = 1\n[tls]\nself_singed = true\nkey = 5\n",
            &[(1, 1, "unknown"), (3, 1, "self_signed"), (4, 7, "tls.key")],
        );
    }

    #[test]
    fn history_is_told_at_its_line_and_column() {
        wrong(
            "[[history]]\nmessages = 5",
            &[(1, 1, "`topics` is missing")],
        );
        wrong(
            "[[history]]\ntopics = \"a\"\nage = \"5 fortnights\"",
            &[(3, 7, "no time")],
        );
        wrong(
            "[[history]]\ntopics = \"a\"\noctet = 5",
            &[(3, 1, "did you mean `octets`?")],
        );
        wrong("[history]\ntopics = \"a\"", &[(1, 1, "each under [[...]]")]);
        let found = read("[[history]]\ntopics = \"a\"\n[[history]]\ntopics = \"b*\"\nmessages = 7")
            .unwrap();
        assert_eq!(found.len(), 1);
        let Value::Rows(rows) = &found[0].1 else {
            panic!()
        };
        assert_eq!((rows.len(), &rows[1][1]), (2, &Value::Count(7)));
    }

    #[test]
    fn any_text_is_read_or_refused() {
        let example = "[relay]\npath = \"/ws\"\n[[history]]\ntopics = \"ä*\" # 🐈\nmessages = 1\n";
        for cut in 0..=example.len() {
            if let Some(text) = example.get(..cut)
                && let Err(wrong) = read(text)
            {
                assert!(!wrong.is_empty());
                position(text, wrong[0].0.start);
            }
        }
    }
}
