//! The corpus of HTTP/1.1 conversations: `tests/corpus/http1/*.toml`, read and unescaped.
//!
//! ```toml
//! [[case]]
//! name = "cl-te-both"
//! rfc = "9112 6.3 (3)"
//! bytes = 'POST / HTTP/1.1\r\nHost: a\r\n...'
//! events = []
//! error = 400
//! ```
//!
//! The octets are written with the escapes `\r \n \t \0 \\ \xHH` and `{N*TEXT}`, which is TEXT N times.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use toml::{Table, Value};
use wireline::wire::number;

/// One conversation and what must come of it.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// Unique over all files.
    pub(crate) name: String,
    /// What the client sends.
    pub(crate) bytes: Vec<u8>,
    /// What the core gives, line by line, unescaped.
    pub(crate) events: Vec<Vec<u8>>,
    /// How it ends.
    pub(crate) ending: Ending,
}

/// How a conversation ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Every octet is consumed, and the next request may come.
    Open,
    /// The message has not ended.
    Incomplete,
    /// Nothing is read after the last message.
    Closed,
    /// The server refuses with this status, and nothing after it is interpreted.
    Error(u16),
}

/// Every case of every file, in order.
pub(crate) fn cases() -> Vec<Case> {
    tables("http1").iter().map(case).collect()
}

/// The cases of `tests/corpus/<kind>/*.toml`, in order, each with a `name` of its own.
///
/// # Panics
///
/// When a file does not have the form that it must have: a case that cannot be read would not be run.
pub(crate) fn tables(kind: &str) -> Vec<Table> {
    // The proofs, which include this file, are a package further down.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|folder| folder.join("tests/corpus").join(kind))
        .find(|folder| folder.is_dir())
        .expect("the folder of the corpus");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .expect("the folder of the corpus")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.retain(|file| {
        file.extension()
            .is_some_and(|extension| extension == "toml")
    });
    files.sort();
    let (mut cases, mut names) = (Vec::new(), HashSet::new());
    for file in files {
        let text = fs::read_to_string(&file).expect("a readable file");
        let table: Table =
            toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert!(table.len() == 1, "{}: nothing but cases", file.display());
        for value in table["case"].as_array().expect("a list of cases") {
            let case = value.as_table().expect("a case");
            let name = case["name"].as_str().expect("a name");
            assert!(
                names.insert(name.to_owned()),
                "{name}: there are two of this name"
            );
            cases.push(case.clone());
        }
    }
    cases
}

fn case(table: &Table) -> Case {
    let text = |key: &str| {
        table
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_else(|| panic!("no {key} in {table:?}"))
    };
    let name = text("name").to_owned();
    assert!(!text("rfc").is_empty(), "{name}: no section decides");
    let mut ending = Ending::Open;
    for (key, value) in table {
        let found = match (key.as_str(), value) {
            ("name" | "rfc" | "bytes" | "events", _) => continue,
            ("error", Value::Integer(status)) => {
                Ending::Error(u16::try_from(*status).expect("a status"))
            }
            ("incomplete", Value::Boolean(true)) => Ending::Incomplete,
            ("closed", Value::Boolean(true)) => Ending::Closed,
            _ => panic!("{name}: {key} = {value:?} means nothing"),
        };
        assert_eq!(ending, Ending::Open, "{name}: two endings");
        ending = found;
    }
    let events = table["events"].as_array().expect("a list of events").iter();
    let events = events
        .map(|line| unescape(line.as_str().expect("a line"), &name))
        .collect();
    Case {
        bytes: unescape(text("bytes"), &name),
        events,
        ending,
        name,
    }
}

/// The octets that `text` stands for.
pub(crate) fn unescape(text: &str, name: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = match first {
            b'\\' => escape(after, &mut octets)
                .unwrap_or_else(|| panic!("{name}: no such escape: {}", after.escape_ascii())),
            b'{' => {
                let end = after
                    .iter()
                    .position(|octet| *octet == b'}')
                    .unwrap_or_else(|| panic!("{name}: a brace is not closed"));
                let inner = std::str::from_utf8(&after[..end]).expect("a part of the text");
                let (count, inner) = inner
                    .split_once('*')
                    .unwrap_or_else(|| panic!("{name}: {{N*TEXT}} is meant"));
                let count = number::decimal(count.as_bytes())
                    .and_then(|count| usize::try_from(count).ok())
                    .expect("a number");
                assert!(!inner.contains('{'), "{name}: braces inside braces");
                octets.extend_from_slice(&unescape(inner, name).repeat(count));
                &after[end + 1..]
            }
            b'}' => panic!("{name}: a brace is not opened"),
            other => {
                octets.push(*other);
                after
            }
        };
    }
    octets
}

/// One escape after its backslash; gives what follows it.
fn escape<'a>(text: &'a [u8], octets: &mut Vec<u8>) -> Option<&'a [u8]> {
    let (octet, rest) = match text {
        [b'r', rest @ ..] => (b'\r', rest),
        [b'n', rest @ ..] => (b'\n', rest),
        [b't', rest @ ..] => (b'\t', rest),
        [b'0', rest @ ..] => (0, rest),
        [b'\\', rest @ ..] => (b'\\', rest),
        [b'x', high, low, rest @ ..] => (
            number::hex_digit(*high)? << 4 | number::hex_digit(*low)?,
            rest,
        ),
        _ => return None,
    };
    octets.push(octet);
    Some(rest)
}

/// Lines for a message, with what cannot be printed escaped and what is long cut.
pub(crate) fn show(lines: &[Vec<u8>]) -> String {
    let line = |line: &Vec<u8>| {
        let text = line.escape_ascii().to_string();
        if text.len() > 200 {
            format!("\n        {}... ({} octets)", &text[..200], line.len())
        } else {
            format!("\n        {text}")
        }
    };
    lines.iter().map(line).collect()
}

/// Fails with the names of all cases that failed, and for the first of them what was wrong.
///
/// # Panics
///
/// When there is a failure.
pub(crate) fn conclude(ran: usize, failures: &[(String, String)]) {
    assert!(ran >= 300, "only {ran} cases: the corpus is not whole");
    if !failures.is_empty() {
        let mut names: Vec<&str> = failures.iter().map(|(name, _)| name.as_str()).collect();
        names.dedup();
        let details: String = failures
            .iter()
            .take(30)
            .map(|(name, detail)| format!("\n{name}: {detail}\n"))
            .collect();
        panic!(
            "{} of {ran} cases failed: {}\n{details}",
            names.len(),
            names.join(" ")
        );
    }
    println!("{ran} cases");
}
