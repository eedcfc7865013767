//! What a setting may be, and what it is.

use crate::config::units;
use std::fmt::Write;
use std::ops::Range;
use std::time::Duration;
use toml::Spanned;
use toml::de::DeValue;
use wireline::wire::number;

/// What a setting may be.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Switch,
    Count(u64, u64),
    Size(u64, u64),
    Time(Duration, Duration),
    Choice(&'static [&'static str]),
    /// What it is called in help, and what is wrong with a text.
    Text(&'static str, Check),
    List(&'static str, Check),
    /// As a text or a list, and never shown.
    Secret(&'static str, Check),
    Secrets(&'static str, Check),
    /// Tables, each with these columns; the first one has to be there.
    Rows(&'static [Column]),
}

/// What is wrong with a text, if anything is.
pub(crate) type Check = fn(&str) -> Result<(), String>;

/// A key of a table in an array.
pub(crate) struct Column {
    pub(crate) key: &'static str,
    pub(crate) kind: Kind,
    pub(crate) default: &'static str,
    pub(crate) help: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Switch(bool),
    Count(u64),
    Size(u64),
    Time(Duration),
    Text(String),
    List(Vec<String>),
    /// The values of each row's columns.
    Rows(Vec<Vec<Self>>),
}

/// Something that is wrong at a place of a file.
pub(super) type Fault = (Range<usize>, String);

impl Kind {
    /// What stands for the value in help.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Switch => "true|false",
            Self::Count(..) => "N",
            Self::Size(..) => "SIZE",
            Self::Time(..) => "TIME",
            Self::Choice(_) => "CHOICE",
            Self::Text(name, _)
            | Self::List(name, _)
            | Self::Secret(name, _)
            | Self::Secrets(name, _) => name,
            Self::Rows(_) => "KEY=VALUE, ...",
        }
    }

    /// Whether it may be given several times.
    pub(crate) const fn is_many(&self) -> bool {
        matches!(self, Self::List(..) | Self::Secrets(..) | Self::Rows(_))
    }

    pub(super) const fn is_secret(&self) -> bool {
        matches!(self, Self::Secret(..) | Self::Secrets(..))
    }

    /// From a text of the command line or of the environment: one of those that make a list.
    pub(crate) fn read(&self, text: &str) -> Result<Value, String> {
        match self {
            Self::Switch => match text {
                "true" => Ok(Value::Switch(true)),
                "false" => Ok(Value::Switch(false)),
                _ => Err("expected true or false".to_owned()),
            },
            Self::Count(least, most) => number::decimal(text.as_bytes())
                .filter(|count| (least..=most).contains(&count))
                .map(Value::Count)
                .ok_or_else(|| format!("expected a number from {least} to {most}")),
            Self::Size(least, most) => {
                let octets = units::size(text)?;
                if !(least..=most).contains(&&octets) {
                    let (least, most) = (units::show_size(*least), units::show_size(*most));
                    return Err(format!("expected a size from {least} to {most}"));
                }
                Ok(Value::Size(octets))
            }
            Self::Time(least, most) => {
                let time = units::time(text)?;
                if !(least..=most).contains(&&time) {
                    let (least, most) = (units::show_time(*least), units::show_time(*most));
                    return Err(format!("expected a time from {least} to {most}"));
                }
                Ok(Value::Time(time))
            }
            Self::Choice(choices) => {
                if choices.contains(&text) {
                    return Ok(Value::Text(text.to_owned()));
                }
                let choices = choices.join("`, `");
                Err(format!("`{text}` is none of `{choices}`"))
            }
            Self::Text(_, check) | Self::Secret(_, check) => {
                check(text).map(|()| Value::Text(text.to_owned()))
            }
            Self::List(_, check) | Self::Secrets(_, check) => {
                check(text).map(|()| Value::List(vec![text.to_owned()]))
            }
            Self::Rows(columns) => row(columns, text).map(|row| Value::Rows(vec![row])),
        }
    }

    /// From several texts, of which each is right by itself.
    pub(super) fn read_all<'a>(
        &self,
        texts: impl IntoIterator<Item = &'a str>,
    ) -> Result<Value, String> {
        let mut all: Option<Value> = None;
        for text in texts {
            let next = self.read(text)?;
            match (&mut all, next) {
                (Some(Value::List(all)), Value::List(more)) => all.extend(more),
                (Some(Value::Rows(all)), Value::Rows(more)) => all.extend(more),
                (all, next) => *all = Some(next),
            }
        }
        all.ok_or_else(|| "expected a value".to_owned())
    }

    /// From a variable of the environment.
    pub(super) fn read_variable(&self, text: &str) -> Result<Value, String> {
        match self {
            Self::List(..) | Self::Secrets(..) if text.trim().is_empty() => {
                Ok(Value::List(Vec::new()))
            }
            Self::Rows(_) if text.trim().is_empty() => Ok(Value::Rows(Vec::new())),
            Self::List(..) | Self::Secrets(..) => self.read_all(text.split(',').map(str::trim)),
            Self::Rows(_) => self.read_all(text.split(';').map(str::trim)),
            _ => self.read(text),
        }
    }

    /// From a file.
    pub(super) fn read_toml(&self, value: &Spanned<DeValue<'_>>) -> Result<Value, Vec<Fault>> {
        let here = |message: String| vec![(value.span(), message)];
        let other = || {
            let found = value.get_ref().type_str();
            here(format!("expected {}, found {found}", self.expected()))
        };
        match (self, value.get_ref()) {
            (Self::Switch, DeValue::Boolean(on)) => Ok(Value::Switch(*on)),
            (Self::Count(..) | Self::Size(..) | Self::Time(..), DeValue::Integer(number)) => {
                if number.radix() != 10 {
                    return Err(here("expected a decimal number".to_owned()));
                }
                self.read(number.as_str()).map_err(here)
            }
            (
                Self::Size(..)
                | Self::Time(..)
                | Self::Choice(_)
                | Self::Text(..)
                | Self::Secret(..),
                DeValue::String(text),
            ) => self.read(text).map_err(here),
            (Self::List(..) | Self::Secrets(..), DeValue::String(text)) => {
                self.read(text).map_err(here)
            }
            (Self::List(..) | Self::Secrets(..), DeValue::Array(array)) => {
                let (mut list, mut wrong) = (Vec::new(), Vec::new());
                for item in array.iter() {
                    let read = match item.get_ref().as_str() {
                        Some(text) => self.read(text),
                        None => Err(format!(
                            "expected a text, found {}",
                            item.get_ref().type_str()
                        )),
                    };
                    match read {
                        Ok(Value::List(one)) => list.extend(one),
                        Ok(_) => {}
                        Err(message) => wrong.push((item.span(), message)),
                    }
                }
                if wrong.is_empty() {
                    Ok(Value::List(list))
                } else {
                    Err(wrong)
                }
            }
            (Self::Rows(columns), DeValue::Array(array)) => {
                let (mut rows, mut wrong) = (Vec::new(), Vec::new());
                for item in array.iter() {
                    match table(columns, item) {
                        Ok(row) => rows.push(row),
                        Err(more) => wrong.extend(more),
                    }
                }
                if wrong.is_empty() {
                    Ok(Value::Rows(rows))
                } else {
                    Err(wrong)
                }
            }
            _ => Err(other()),
        }
    }

    const fn expected(&self) -> &'static str {
        match self {
            Self::Switch => "true or false",
            Self::Count(..) => "a number",
            Self::Size(..) => "a size, such as \"64 KiB\"",
            Self::Time(..) => "a time, such as \"10 min\"",
            Self::Choice(_) | Self::Text(..) | Self::Secret(..) => "a text",
            Self::List(..) | Self::Secrets(..) => "a list of texts",
            Self::Rows(_) => "tables, each under [[...]]",
        }
    }
}

/// A row as `topics=room:*, messages=10`.
fn row(columns: &[Column], text: &str) -> Result<Vec<Value>, String> {
    let mut found: Vec<Option<Value>> = vec![None; columns.len()];
    for pair in text.split(',') {
        let (key, value) = pair
            .split_once('=')
            .map(|(key, value)| (key.trim(), value.trim()))
            .ok_or_else(|| format!("expected `KEY=VALUE, ...`, found `{}`", pair.trim()))?;
        let place = columns.iter().position(|column| column.key == key);
        let place = place.ok_or_else(|| unknown(key, columns.iter().map(|column| column.key)))?;
        if found[place].is_some() {
            return Err(format!("`{key}` is there twice"));
        }
        let value = columns[place].kind.read(value);
        found[place] = Some(value.map_err(|wrong| format!("{key}: {wrong}"))?);
    }
    whole(columns, found)
}

fn table(columns: &[Column], item: &Spanned<DeValue<'_>>) -> Result<Vec<Value>, Vec<Fault>> {
    let Some(table) = item.get_ref().as_table() else {
        let found = item.get_ref().type_str();
        return Err(vec![(
            item.span(),
            format!("expected a table, found {found}"),
        )]);
    };
    let mut found: Vec<Option<Value>> = vec![None; columns.len()];
    let mut wrong = Vec::new();
    for (key, value) in table.iter() {
        let name = &**key.get_ref();
        match columns.iter().position(|column| column.key == name) {
            None => {
                let keys = columns.iter().map(|column| column.key);
                wrong.push((key.span(), unknown(name, keys)));
            }
            Some(place) => match columns[place].kind.read_toml(value) {
                Ok(value) => found[place] = Some(value),
                Err(more) => wrong.extend(more),
            },
        }
    }
    if wrong.is_empty() {
        return whole(columns, found).map_err(|message| vec![(item.span(), message)]);
    }
    Err(wrong)
}

/// The defaults in place of what is not there.
fn whole(columns: &[Column], found: Vec<Option<Value>>) -> Result<Vec<Value>, String> {
    let row = columns.iter().zip(found);
    row.map(|(column, value)| match value {
        Some(value) => Ok(value),
        None if column.default.is_empty() => Err(format!("`{}` is missing", column.key)),
        None => column.kind.read(column.default),
    })
    .collect()
}

/// What is said of a key that nobody knows.
pub(super) fn unknown<'a>(key: &str, known: impl Iterator<Item = &'a str>) -> String {
    match nearest(key, known) {
        Some(near) => format!("unknown key `{key}` (did you mean `{near}`?)"),
        None => {
            let shown: String = key.chars().take(LONGEST_WORD).collect();
            format!("unknown key `{shown}`")
        }
    }
}

/// The known word that is meant by one that is not known: at most a third of it differs.
pub(super) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > LONGEST_WORD {
        return None;
    }
    let most = (word.len() / 3).clamp(1, 3);
    known
        .map(|known| (distance(word, known), known))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// Nothing longer is a misspelt word of ours.
const LONGEST_WORD: usize = 64;

/// How many letters are added, left out, changed, or exchanged with their neighbour.
fn distance(one: &str, other: &str) -> usize {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut rows = vec![(0..=other.len()).collect::<Vec<_>>()];
    for (i, a) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in other.iter().enumerate() {
            let changed = rows[i][j] + usize::from(a != b);
            let mut best = changed.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == other[j - 1] && one[i - 1] == *b {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[one.len()][other.len()]
}

impl Value {
    /// As it stands in TOML, without rows.
    pub(super) fn toml(&self) -> String {
        match self {
            Self::Switch(on) => on.to_string(),
            Self::Count(count) => count.to_string(),
            Self::Size(octets) => quote(&units::show_size(*octets)),
            Self::Time(time) => quote(&units::show_time(*time)),
            Self::Text(text) => quote(text),
            Self::List(list) => {
                let list: Vec<_> = list.iter().map(|text| quote(text)).collect();
                format!("[{}]", list.join(", "))
            }
            Self::Rows(_) => "[]".to_owned(),
        }
    }
}

/// A basic string of TOML.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            character if character.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(character));
            }
            character => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_key_is_told_what_it_may_mean() {
        let known = ["workers", "max_connections", "addr", "h2c"];
        for (word, meant) in [
            ("wrokers", Some("workers")),
            ("worker", Some("workers")),
            ("adr", Some("addr")),
            ("max_conections", Some("max_connections")),
            ("maxconnection", Some("max_connections")),
            ("h2", Some("h2c")),
            ("port", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known.into_iter()), meant, "{word}");
        }
    }

    #[test]
    fn strings_are_quoted_as_toml_reads_them() {
        for text in ["", "plain", "a\"b\\c", "tab\tline\nbell\u{7}", "schön 🐈"] {
            let written = quote(text);
            let read = DeValue::parse(&written).unwrap();
            assert_eq!(read.get_ref().as_str(), Some(text), "{written}");
        }
    }

    #[test]
    fn lists_and_rows_are_read_from_one_variable() {
        fn any(_: &str) -> Result<(), String> {
            Ok(())
        }
        let list = Kind::List("TEXT", any);
        let texts =
            |texts: &[&str]| Value::List(texts.iter().map(|text| (*text).to_owned()).collect());
        assert_eq!(list.read_variable("a, b,c"), Ok(texts(&["a", "b", "c"])));
        assert_eq!(list.read_variable(""), Ok(texts(&[])));
        const COLUMNS: &[Column] = &[
            Column {
                key: "topics",
                kind: Kind::Text("PATTERN", any),
                default: "",
                help: "",
            },
            Column {
                key: "messages",
                kind: Kind::Count(1, 10),
                default: "5",
                help: "",
            },
        ];
        let rows = Kind::Rows(COLUMNS);
        let row =
            |topics: &str, messages| vec![Value::Text(topics.to_owned()), Value::Count(messages)];
        assert_eq!(
            rows.read_variable("topics=a:*, messages=7; topics=b"),
            Ok(Value::Rows(vec![row("a:*", 7), row("b", 5)]))
        );
        for (text, wrong) in [
            ("messages=7", "`topics` is missing"),
            (
                "topics=a, mesages=7",
                "unknown key `mesages` (did you mean `messages`?)",
            ),
            (
                "topics=a, messages=11",
                "messages: expected a number from 1 to 10",
            ),
            ("topics=a, topics=b", "`topics` is there twice"),
            ("a", "expected `KEY=VALUE, ...`, found `a`"),
        ] {
            assert_eq!(rows.read_variable(text), Err(wrong.to_owned()));
        }
    }
}
