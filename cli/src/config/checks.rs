//! What is wrong with a text, if anything is.

use http::Uri;
use wireline::relay::hub::Topic;
use wireline::service::trusted::Networks;
use wireline::wire::number;

/// Looks at the form of a place, so that a wrong port is told apart from a host that nobody knows.
pub(super) fn place(text: &str) -> Result<(), String> {
    let path = text.strip_prefix("unix:");
    if text == "systemd" || path.is_some_and(|path| !path.is_empty()) {
        return Ok(());
    }
    let Some((_, port)) = text.rsplit_once(':').filter(|_| path.is_none()) else {
        return Err("expected HOST:PORT, :PORT, unix:PATH or systemd".to_owned());
    };
    match number::decimal(port.as_bytes()) {
        Some(0..=65_535) => Ok(()),
        _ => Err(format!("`{port}` is no port (0 to 65535)")),
    }
}

pub(super) fn network(text: &str) -> Result<(), String> {
    Networks::read([text])
        .map(|_| ())
        .map_err(|error| error.to_string())
}

/// An address of a server that browsers and clients can be given.
pub(super) fn url(text: &str) -> Result<(), String> {
    let wrong =
        || format!("`{text}` is not http:// or https:// with a host, and maybe a port and a path");
    let uri = Uri::try_from(text).map_err(|_| wrong())?;
    let has_scheme = matches!(uri.scheme_str(), Some("http" | "https"));
    let has_more = uri.query().is_some() || text.contains(['#', '@']);
    (has_scheme && uri.host().is_some_and(|host| !host.is_empty()) && !has_more)
        .then_some(())
        .ok_or_else(wrong)
}

pub(super) fn path(text: &str) -> Result<(), String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~/".contains(c);
    (text.starts_with('/') && text.chars().all(is_plain))
        .then_some(())
        .ok_or_else(|| format!("`{text}` is no path such as /ws"))
}

/// As browsers write it, or one of two words.
pub(super) fn origin(text: &str) -> Result<(), String> {
    if matches!(text, "any" | "same-origin") {
        return Ok(());
    }
    let host = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    (host.is_some_and(|host| !host.is_empty()) && url(text).is_ok())
        .then_some(())
        .filter(|()| host.is_some_and(|host| !host.contains('/')))
        .ok_or_else(|| {
            format!("`{text}` is no origin such as https://app.example, nor `any` or `same-origin`")
        })
}

/// A topic, or a beginning with `*` behind it.
pub(super) fn pattern(text: &str) -> Result<(), String> {
    let name = text.strip_suffix('*').unwrap_or(text);
    if name.is_empty() && text == "*" {
        return Ok(());
    }
    Topic::new(name)
        .map(|_| ())
        .map_err(|error| format!("`{text}` is no topic, nor a beginning with * behind it: {error}"))
}

/// The address of a broker. It may have a password, so it is not shown.
pub(super) fn broker(text: &str) -> Result<(), String> {
    let wrong = "it is not redis://, rediss://, nats:// or tls:// with a host and maybe a port";
    let schemes = [
        "redis",
        "rediss",
        "redis+sentinel",
        "rediss+sentinel",
        "redis+cluster",
        "rediss+cluster",
        "nats",
        "tls",
    ];
    let (scheme, place) = text.split_once("://").ok_or(wrong)?;
    if !schemes.contains(&scheme) {
        return Err(wrong.to_owned());
    }
    let hosts = place.rsplit_once('@').map_or(place, |(_, hosts)| hosts);
    let hosts = hosts.split(['/', '?']).next().unwrap_or_default();
    for host in hosts.split(',') {
        let port = host.rsplit_once(':').map_or("", |(_, port)| port);
        let is_number = !port.is_empty() && port.bytes().all(|octet| octet.is_ascii_digit());
        if is_number && !matches!(number::decimal(port.as_bytes()), Some(1..=65_535)) {
            // It may be a password: it is not shown.
            return Err("its port is none (1 to 65535)".to_owned());
        }
    }
    let host = hosts.split(',').next().unwrap_or_default();
    (!host.is_empty() && !host.starts_with(':') && !text.contains(char::is_whitespace))
        .then_some(())
        .ok_or_else(|| wrong.to_owned())
}

/// What names of channels and keys begin with.
pub(super) fn prefix(text: &str) -> Result<(), String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    ((1..=64).contains(&text.len()) && text.chars().all(is_plain))
        .then_some(())
        .ok_or_else(|| format!("`{text}` is not 1 to 64 letters, digits, - and _"))
}

/// What the names of channels begin with that others have chosen: more may stand in it.
pub(super) fn key(text: &str) -> Result<(), String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:/{}".contains(c);
    ((1..=64).contains(&text.len()) && text.chars().all(is_plain))
        .then_some(())
        .ok_or_else(|| format!("`{text}` is not 1 to 64 letters, digits and any of -_.:/{{}}"))
}

/// 32 octets, which a secret needs not to be guessed from a single token.
pub(super) fn secret(text: &str) -> Result<(), String> {
    (text.len() >= 32).then_some(()).ok_or_else(|| {
        format!(
            "a secret needs 32 octets or more, and this one has {}",
            text.len()
        )
    })
}

/// `NAME=KEY` or `NAME=sha256:DIGEST`. Nothing that is said has the key in it.
pub(super) fn api_key(text: &str) -> Result<(), String> {
    let Some((name, key)) = text.split_once('=') else {
        return Err("expected NAME=KEY or NAME=sha256:DIGEST".to_owned());
    };
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_graphic()) {
        return Err("expected a name before the =".to_owned());
    }
    match key.strip_prefix("sha256:") {
        Some(digits) => digest(digits)
            .map(|_| ())
            .ok_or_else(|| format!("the digest of {name} is not 64 hexadecimal digits")),
        None if key.len() < 16 => Err(format!("the key of {name} has fewer than 16 octets")),
        None => Ok(()),
    }
}

/// From 64 hexadecimal digits.
pub(crate) fn digest(digits: &str) -> Option<[u8; 32]> {
    let digits = digits.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut octets = [0; 32];
    for (octet, pair) in octets.iter_mut().zip(digits.chunks_exact(2)) {
        *octet = number::hex_digit(pair[0])? << 4 | number::hex_digit(pair[1])?;
    }
    Some(octets)
}

pub(super) fn present(text: &str) -> Result<(), String> {
    (!text.trim().is_empty())
        .then_some(())
        .ok_or_else(|| "expected a text that is not empty".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::value::Check;

    #[test]
    fn texts_are_looked_at() {
        let digest = format!("shop=sha256:{}", "0a".repeat(32));
        let cases: [(Check, &[&str], &[&str]); 8] = [
            (
                place,
                &["127.0.0.1:0", ":80", "[::1]:80", "unix:/a", "systemd"],
                &["", "a", "a:", "a:http", "a:70000", "unix:"],
            ),
            (
                url,
                &["http://a", "https://a.example:1/b"],
                &[
                    "",
                    "a",
                    "ws://a",
                    "http://",
                    "http://a?b",
                    "http://u@a",
                    "http://a#b",
                ],
            ),
            (
                path,
                &["/", "/ws", "/a/b-c"],
                &["", "ws", "/{a}", "/a b", "/*"],
            ),
            (
                origin,
                &[
                    "any",
                    "same-origin",
                    "https://a.example",
                    "http://localhost:3000",
                ],
                &["", "*", "a.example", "https://", "https://a/", "ws://a"],
            ),
            (
                pattern,
                &["*", "room:*", "a"],
                &["", "**", "a*b", "a b", "a..b"],
            ),
            (
                api_key,
                &["shop=0123456789abcdef", &digest],
                &[
                    "",
                    "shop",
                    "=0123456789abcdef",
                    "shop=short",
                    "shop=sha256:00",
                    "a b=0123456789abcdef",
                ],
            ),
            (
                secret,
                &["0123456789abcdef0123456789abcdef"],
                &["", "short"],
            ),
            (
                broker,
                &[
                    "redis://a",
                    "redis://[::1]:6379/0",
                    "redis://u:99999999@a:1",
                    "redis+sentinel://a:1,b:2/m",
                    "nats://a,b:4222",
                ],
                &[
                    "",
                    "redis://",
                    "http://a",
                    "redis://a:0",
                    "redis://a:65536",
                    "redis+cluster://a:1,b:70000",
                ],
            ),
        ];
        for (check, right, wrong) in cases {
            for text in right {
                assert_eq!(check(text), Ok(()), "{text}");
            }
            for text in wrong {
                assert!(check(text).is_err(), "{text}");
            }
        }
    }

    #[test]
    fn what_is_wrong_with_a_key_does_not_tell_it() {
        for text in ["shop=hunter2", "shop=sha256:hunter2", "hunter2"] {
            let told = api_key(text).unwrap_err();
            assert!(!told.contains("hunter2"), "{told}");
        }
        assert!(!secret("hunter2").unwrap_err().contains("hunter2"));
    }
}
