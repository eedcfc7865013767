//! The effective configuration as a file, with where each value comes from.

use crate::config::settings::{SETTINGS, Setting};
use crate::config::value::{Kind, Value, quote};
use crate::config::{Effective, Origin};
use std::fmt::{self, Write};

/// Secrets are not shown, but for the names of keys.
pub(crate) fn show(effective: &Effective) -> String {
    let mut text = String::new();
    let mut section = "";
    for (setting, entry) in SETTINGS.iter().zip(&effective.entries) {
        if matches!(setting.kind, Kind::Rows(_)) {
            continue;
        }
        let (of, key) = setting.key.split_once('.').unwrap_or(("", setting.key));
        if of != section {
            section = of;
            let _ = write!(text, "\n[{section}]\n");
        }
        let line = match &entry.0 {
            Some(value) => format!("{key} = {}", shown(setting, value)),
            None => format!("# {key} ="),
        };
        let _ = writeln!(text, "{line:<48} # {}", entry.1);
    }
    for (setting, (value, origin)) in SETTINGS.iter().zip(&effective.entries) {
        if let (Kind::Rows(columns), Some(Value::Rows(rows))) = (&setting.kind, value) {
            if rows.is_empty() {
                let _ = write!(text, "\n# no [[{}]]: {origin}\n", setting.key);
            }
            for row in rows {
                let header = format!("[[{}]]", setting.key);
                let _ = write!(text, "\n{header:<48} # {origin}\n");
                for (column, value) in columns.iter().zip(row) {
                    let _ = writeln!(text, "{} = {}", column.key, value.toml());
                }
            }
        }
    }
    text
}

fn shown(setting: &Setting, value: &Value) -> String {
    if !setting.kind.is_secret() {
        return value.toml();
    }
    match value {
        Value::List(keys) => {
            let names: Vec<_> = keys
                .iter()
                .map(|key| match key.split_once('=') {
                    Some((name, _)) => quote(&format!("{name}={REDACTED}")),
                    None => quote(REDACTED),
                })
                .collect();
            format!("[{}]", names.join(", "))
        }
        Value::Text(text) if setting.key == "backplane" => quote(&without_password(text)),
        _ => quote(REDACTED),
    }
}

/// An address with everything but what is secret in it.
pub(crate) fn without_password(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else {
        return REDACTED.to_owned();
    };
    match rest.rsplit_once('@') {
        None => address.to_owned(),
        Some((credentials, place)) => match credentials.split_once(':') {
            Some((user, _)) => format!("{scheme}://{user}:{REDACTED}@{place}"),
            None => format!("{scheme}://{REDACTED}@{place}"),
        },
    }
}

const REDACTED: &str = "(redacted)";

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unset => f.write_str("not set"),
            Self::Default => f.write_str("default"),
            Self::File { name, line, column } => write!(f, "{name}:{line}:{column}"),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(name) => write!(f, "--{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_password() {
        for (address, shown) in [
            ("redis://10.0.0.5:6379", "redis://10.0.0.5:6379"),
            ("redis://:pa@ss@h/1", "redis://:(redacted)@h/1"),
            ("rediss://ann:pass@h:1", "rediss://ann:(redacted)@h:1"),
            ("nats://token@h", "nats://(redacted)@h"),
            ("token", "(redacted)"),
        ] {
            assert_eq!(without_password(address), shown);
        }
    }
}
