//! Which setting is at fault when something that it names cannot be had: a file that is not there, an address that somebody has.

use crate::config::settings::SETTINGS;
use crate::config::value::Value;
use crate::config::{Effective, Origin};

impl Effective {
    /// The line, with where the setting stands whose value it names. A flag is before everybody's eyes.
    pub(crate) fn told(&self, line: String) -> String {
        let mut settings = SETTINGS.iter().zip(&self.entries);
        let found = settings.find(|(setting, (value, origin))| {
            NAMED.contains(&setting.key)
                && matches!(origin, Origin::File { .. } | Origin::Variable(_))
                && texts(value.as_ref()).iter().any(|text| names(&line, text))
        });
        match found {
            Some((setting, (_, origin))) => format!("{line}; see `{}` in {origin}", setting.key),
            None => line,
        }
    }
}

/// Settings that name what the system may not have; none of them is a secret.
const NAMED: &[&str] = &[
    "addr",
    "redirect_http",
    "access_log",
    "metrics_addr",
    "backplane_ca",
    "backplane_credentials",
    "tls.cert",
    "tls.key",
    "tls.client_ca",
    "auth.jwks_file",
];

fn texts(value: Option<&Value>) -> &[String] {
    match value {
        Some(Value::Text(text)) => std::slice::from_ref(text),
        Some(Value::List(texts)) => texts,
        _ => &[],
    }
}

/// Whether the text is in the line, and not as a part of something longer.
fn names(line: &str, text: &str) -> bool {
    let text = text.strip_prefix("unix:").unwrap_or(text);
    let goes_on = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || "/._-".contains(c));
    !text.is_empty()
        && line.match_indices(text).any(|(at, _)| {
            let (before, behind) = (&line[..at], &line[at + text.len()..]);
            // `:80` is told as an address.
            let begins = text.starts_with(':') || !goes_on(before.chars().next_back());
            begins && !goes_on(behind.chars().next())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_whole_one() {
        for (line, text, expected) in [
            ("cannot read the key /etc/a.pem: denied", "/etc/a.pem", true),
            ("cannot read the key /etc/a.pem: denied", "a.pem", false),
            (
                "cannot read the key /etc/a.pem.old: denied",
                "/etc/a.pem",
                false,
            ),
            ("cannot listen at 0.0.0.0:80: in use", ":80", true),
            ("cannot listen at 0.0.0.0:8000: in use", ":80", false),
            (
                "cannot listen at /run/a.sock: in use",
                "unix:/run/a.sock",
                true,
            ),
            ("no certificate in a (expected PEM)", "a", true),
            ("no certificate in b", "a", false),
            ("anything", "", false),
        ] {
            assert_eq!(names(line, text), expected, "{line}, {text}");
        }
    }
}
