//! Who may use the interface: who has a key, or, where there are none, who is on the same machine.

use crate::layer::auth::{Refusal, Scheme, Verdict};
use crate::layer::cross_site::is_foreign;
use crate::resource::addr::PeerAddr;
use crate::service::bearer::authorization;
use crate::service::error::Error;
use crate::service::layer::{Before, Layer, Note, Place};
use crate::service::request::{Parts, Request};
use crate::service::response::IntoResponse;
use crate::service::user::CurrentUser;
use crate::wire::grammar::split_port;
use crate::wire::ip::ip;
use http::StatusCode;
use http::header::{AUTHORIZATION, FORWARDED, VIA};
use std::hint::black_box;
use std::net::IpAddr;

/// Keys, each with the program that has it.
#[derive(Default)]
pub(super) struct Keys(Vec<(CurrentUser, Box<[u8]>)>);

impl Keys {
    pub(super) fn add(&mut self, program: &str, key: &str) {
        self.0
            .push((CurrentUser::new(program), key.as_bytes().into()));
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The program with this key. All are looked at, in a time that says nothing of where they differ.
    fn find(&self, key: &[u8]) -> Option<&CurrentUser> {
        let mut found = None;
        for (program, known) in &self.0 {
            if black_box(is_same(known, key)) {
                found = Some(program);
            }
        }
        found
    }
}

/// `Authorization: Bearer KEY`, or `X-API-Key: KEY`.
impl Scheme for Keys {
    fn look(&self, parts: &Parts) -> Verdict {
        let headers = parts.headers();
        let is_twice = |name: &str| headers.get_all(name).nth(1).is_some();
        if is_twice(AUTHORIZATION.as_str()) || is_twice(FIELD) {
            return Verdict::Refused(Refusal::invalid("there is more than one key"));
        }
        let field = headers.get(FIELD).map(|value| value.as_bytes());
        let Some(key) = authorization(parts, "Bearer").or(field) else {
            return Verdict::Absent;
        };
        match self.find(key) {
            Some(program) => Verdict::User(program.clone()),
            None => Verdict::Refused(Refusal::invalid("nobody has this key")),
        }
    }

    fn challenge(&self, _: Option<&Refusal>) -> Option<String> {
        Some("Bearer realm=\"relay\"".to_owned())
    }

    fn check(&self) -> Result<(), String> {
        match self.0.iter().find(|(_, key)| key.len() < SHORTEST) {
            Some((program, key)) => Err(format!(
                "the relay's key of {:?} has {} octets, and {SHORTEST} is the least",
                program.id(),
                key.len()
            )),
            None => Ok(()),
        }
    }
}

fn is_same(known: &[u8], key: &[u8]) -> bool {
    let differ = known
        .iter()
        .zip(key)
        .fold(0, |differ, (one, other)| black_box(differ | (one ^ other)));
    black_box(differ) == 0 && known.len() == key.len()
}

/// Without keys: programs on the same machine, and there only pages of this server's own origin.
#[derive(Debug)]
pub(super) struct SameMachine;

impl Layer for SameMachine {
    fn place(&self) -> Place {
        Place::CrossSite
    }

    fn before(&self, request: &mut Request, _: &mut Note) -> Before {
        let refusal = if is_foreign(request, &[]) {
            "a page of another site may not do this"
        } else if !is_here(request) {
            "without a key, only programs on the same machine may do this"
        } else if !is_meant(request) {
            "the host is no name of this machine"
        } else {
            return Before::Go;
        };
        Before::Answer(Error::new(StatusCode::FORBIDDEN, refusal).into_response())
    }
}

/// Whether the client is on this machine. What a proxy passes on is not, wherever the proxy is.
fn is_here(parts: &Parts) -> bool {
    let headers = parts.headers();
    let proxied = [
        FORWARDED.as_str(),
        VIA.as_str(),
        "x-forwarded-for",
        "x-real-ip",
    ];
    if proxied.iter().any(|name| headers.contains(*name)) {
        return false;
    }
    let is_own = |address: IpAddr| is_own(parts, address);
    match parts.connection().peer {
        // In front of the peer a proxy may have said who the client is (the PROXY protocol).
        PeerAddr::Inet(peer) => is_own(peer.ip()) && parts.client().ip().is_some_and(is_own),
        PeerAddr::Unix | PeerAddr::Memory => parts.client().ip().is_none_or(is_own),
    }
}

/// Whether an address is the loopback, or that at which the connection was accepted.
fn is_own(parts: &Parts, address: IpAddr) -> bool {
    let (address, local) = (address.to_canonical(), parts.connection().local.ip());
    address.is_loopback() || local.is_some_and(|local| local.to_canonical() == address)
}

/// Whether the request names this machine: a page whose name was made to lead here (DNS rebinding) does not.
fn is_meant(parts: &Parts) -> bool {
    if !matches!(parts.connection().peer, PeerAddr::Inet(_)) {
        return true;
    }
    let Some(host) = parts.host() else {
        return false;
    };
    let name = split_port(host.as_bytes()).0;
    let bare = name
        .strip_prefix(b"[")
        .and_then(|name| name.strip_suffix(b"]"));
    if let Some(address) = ip(bare.unwrap_or(name)) {
        return is_own(parts, address);
    }
    let name = name.strip_suffix(b".").unwrap_or(name).to_ascii_lowercase();
    name == b"localhost" || name.ends_with(b".localhost")
}

const FIELD: &str = "x-api-key";

/// Octets of a key.
const SHORTEST: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_all_of_a_key() {
        let mut keys = Keys::default();
        keys.add("one", "0123456789abcdef");
        keys.add("two", "fedcba9876543210");
        assert_eq!(
            keys.find(b"0123456789abcdef").map(CurrentUser::id),
            Some("one")
        );
        assert_eq!(
            keys.find(b"fedcba9876543210").map(CurrentUser::id),
            Some("two")
        );
        for key in [
            "",
            "0",
            "0123456789abcde",
            "0123456789abcdef0",
            "0123456789abcdee",
        ] {
            assert!(keys.find(key.as_bytes()).is_none(), "{key}");
        }
        assert!(keys.check().is_ok());
        keys.add("three", "short");
        assert!(keys.check().is_err());
    }
}
