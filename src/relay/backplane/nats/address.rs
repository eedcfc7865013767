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
    /// The seed of a key, with which what the server says first is signed.
    Key(String),
    /// A credentials file: a JWT, and the seed of its key.
    Signed(String),
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

    /// Who we are is the holder of this: the seed of a key, or a credentials file.
    pub(super) fn sign_in(&mut self, secret: &str) -> Result<(), BackplaneError> {
        if self.who != Who::Nobody {
            return Err(BackplaneError::new(
                "a NATS URL and credentials do not both say who connects",
            ));
        }
        let is_file = secret.contains("-----BEGIN NATS USER JWT-----");
        let secret = secret.trim();
        // The crate looks at the seed of a file at once, and at one alone when it connects.
        let file = match is_file {
            true => secret.to_owned(),
            false => format!("---JWT---\nx\n---JWT---\n---SEED---\n{secret}\n---SEED---\n"),
        };
        let is_user = is_file || secret.starts_with("SU");
        if !is_user || ConnectOptions::new().credentials(&with_end(&file)).is_err() {
            return Err(BackplaneError::new(
                "credentials for NATS are the seed of a user's key, or a file with a JWT and one",
            ));
        }
        self.who = match is_file {
            true => Who::Signed(with_end(secret)),
            false => Who::Key(secret.to_owned()),
        };
        Ok(())
    }

    pub(super) fn options(&self) -> Result<ConnectOptions, BackplaneError> {
        let options = ConnectOptions::new();
        Ok(match self.who.clone() {
            Who::Nobody => options,
            Who::User(user, password) => options.user_and_password(user, password),
            Who::Token(token) => options.token(token),
            Who::Key(seed) => options.nkey(seed),
            Who::Signed(file) => options.credentials(&file).map_err(BackplaneError::new)?,
        })
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

/// A file whose last line has its end: the crate finds no seed otherwise.
fn with_end(file: &str) -> String {
    format!("{file}\n")
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

    const SEED: &str = "SUAG43ZANNSXSIDUNBQXIIDBNZ4WE33EPEQGQYLTFQQGM33SEBXW4ZIRJM";

    #[test]
    fn credentials_say_who_it_is_and_nobody_else_does() {
        let file = format!(
            "-----BEGIN NATS USER JWT-----\neyJ0.e30.c2ln\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{SEED}\n------END USER NKEY SEED------"
        );
        for secret in [SEED.to_owned(), format!("{SEED}\n"), file.clone()] {
            let mut address = Address::read("nats://a").unwrap();
            address.sign_in(&secret).unwrap();
            assert!(address.options().is_ok());
            let mut taken = Address::read("nats://token@a").unwrap();
            assert!(taken.sign_in(&secret).is_err());
        }
        // An account's key, one with another end, a file without a seed.
        let account = "SAAG43ZANNSXSIDUNBQXIIDBNZ4WE33EPEQGQYLTFQQGM33SEB2HO36RFQ";
        let other = SEED.replace("ZIRJM", "ZIRJA");
        let half = &file[..file.find("-----BEGIN USER").unwrap()];
        for secret in ["", "nonsense", account, &*other, half] {
            let mut address = Address::read("nats://a").unwrap();
            let error = address.sign_in(secret).expect_err(secret).to_string();
            assert!(secret.is_empty() || !error.contains(secret), "{error}");
        }
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
