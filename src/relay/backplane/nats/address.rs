//! What a URL says.

use crate::relay::backplane::BackplaneError;
use async_nats::{ConnectOptions, ServerAddr};
use std::str::FromStr as _;

/// Servers, and who we are to them.
#[derive(Clone)]
pub(super) struct Address {
    servers: Vec<ServerAddr>,
    who: Who,
}

#[derive(Clone, PartialEq, Eq)]
enum Who {
    Nobody,
    User(String, String),
    Token(String),
}

impl Address {
    pub(super) fn read(url: &str) -> Result<Self, BackplaneError> {
        let wrong = |why: &str| BackplaneError::new(format_args!("a NATS URL {why}"));
        let (scheme, rest) = url
            .split_once("://")
            .filter(|(scheme, _)| matches!(*scheme, "nats" | "tls"))
            .ok_or_else(|| wrong("begins with nats:// or tls://"))?;
        let mut who = Who::Nobody;
        let mut servers = Vec::new();
        for server in rest.split(',') {
            // Each may be a URL of its own; then all are of one kind.
            let server = match server.split_once("://") {
                Some((of, server)) if of == scheme => server,
                Some(_) => return Err(wrong("has one scheme")),
                None => server,
            };
            let server = server.strip_suffix('/').unwrap_or(server);
            let (said, host) = match server.rsplit_once('@') {
                Some((said, host)) => (Who::read(said), host),
                None => (Some(Who::Nobody), server),
            };
            let said = said.ok_or_else(|| wrong("has names and passwords in UTF-8"))?;
            if said != Who::Nobody {
                if who != Who::Nobody && who != said {
                    return Err(wrong("says once who connects"));
                }
                who = said;
            }
            if host.is_empty() || host.contains(['/', '?', '#']) {
                return Err(wrong("has a host, a port, and nothing behind"));
            }
            let server = ServerAddr::from_str(&format!("{scheme}://{host}"));
            servers.push(server.map_err(|_| wrong("has a host and perhaps a port"))?);
        }
        Ok(Self { servers, who })
    }

    pub(super) fn options(&self) -> ConnectOptions {
        let options = ConnectOptions::new();
        match self.who.clone() {
            Who::Nobody => options,
            Who::User(user, password) => options.user_and_password(user, password),
            Who::Token(token) => options.token(token),
        }
    }

    pub(super) fn servers(&self) -> &[ServerAddr] {
        &self.servers
    }
}

impl Who {
    fn read(said: &str) -> Option<Self> {
        Some(match said.split_once(':') {
            Some((user, password)) => Self::User(decoded(user)?, decoded(password)?),
            None if said.is_empty() => Self::Nobody,
            None => Self::Token(decoded(said)?),
        })
    }
}

/// Text with `%XX` for octets; a `%` without digits stands for itself.
fn decoded(text: &str) -> Option<String> {
    let (mut octets, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&octet, behind)) = rest.split_first() {
        let digits = behind.first_chunk::<2>().map(|digits| digits.map(value));
        rest = match (octet, digits) {
            (b'%', Some([Some(high), Some(low)])) => {
                octets.push(high << 4 | low);
                behind.get(2..).unwrap_or_default()
            }
            _ => {
                octets.push(octet);
                behind
            }
        };
    }
    String::from_utf8(octets).ok()
}

fn value(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::{Address, Who};

    fn read(url: &str) -> (Vec<String>, Who) {
        let address = Address::read(url).unwrap();
        let servers = address.servers.iter();
        let servers = servers.map(|server| format!("{}:{}", server.host(), server.port()));
        assert!(
            address
                .servers
                .iter()
                .all(|server| !server.as_url_str().contains('@'))
        );
        (servers.collect(), address.who)
    }

    #[test]
    fn what_urls_say() {
        assert_eq!(
            read("nats://localhost").0,
            ["localhost:4222"],
            "the port has a default"
        );
        let (servers, who) = read("nats://me:a%40b%3A%25c%@10.0.0.1:1234,[::1]:9/");
        assert_eq!(servers, ["10.0.0.1:1234", "::1:9"]);
        assert!(who == Who::User("me".to_owned(), "a@b:%c%".to_owned()));
        let (servers, who) = read("tls://secret@a,tls://secret@b");
        assert_eq!(servers, ["a:4222", "b:4222"]);
        assert!(who == Who::Token("secret".to_owned()));
        assert!(
            read("tls://a").0.len() == 1
                && Address::read("tls://a").unwrap().servers[0].tls_required()
        );
    }

    #[test]
    fn what_they_may_not_say() {
        for url in [
            "",
            "localhost",
            "ws://localhost",
            "nats://",
            "nats://a,",
            "nats://a,tls://b",
            "nats://me:x@a,you:y@b",
            "nats://secret@a/b",
            "nats://secret@a?tls=1",
            "nats://secret@a:port",
            "nats://secret@a b",
            "nats://%ff@a",
        ] {
            let error = Address::read(url).err().expect(url).to_string();
            assert!(error.starts_with("a NATS URL "), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
