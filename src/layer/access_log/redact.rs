//! Queries without what must not stand in a log.

use super::REDACTED;
use crate::service::route::decode;

/// A query, or an address with one, in which parameters of these names have `[redacted]` for a value: `token` and
/// `access_token`, and those that were added. Names have no case here, and may be percent-encoded.
pub(super) fn redacted(text: &[u8], names: &[Box<str>]) -> Vec<u8> {
    let mut clean = Vec::with_capacity(text.len());
    for piece in text.split_inclusive(|octet| SEPARATORS.contains(octet)) {
        let (pair, end) = match piece.split_last() {
            Some((last, pair)) if SEPARATORS.contains(last) => (pair, &piece[pair.len()..]),
            _ => (piece, &[][..]),
        };
        let equals = pair.iter().position(|octet| *octet == b'=');
        match equals.map(|at| pair.split_at(at)) {
            Some((name, _)) if is_secret(name, names) => {
                clean.extend_from_slice(name);
                clean.push(b'=');
                clean.extend_from_slice(REDACTED);
            }
            _ => clean.extend_from_slice(pair),
        }
        clean.extend_from_slice(end);
    }
    clean
}

fn is_secret(name: &[u8], names: &[Box<str>]) -> bool {
    let Some(name) = decode(name) else {
        return false;
    };
    let mut secrets = SECRETS
        .iter()
        .copied()
        .chain(names.iter().map(|name| &**name));
    secrets.any(|secret| secret.eq_ignore_ascii_case(&name))
}

/// Where tokens travel: RFC 6750 §2.3, and what opens a WebSocket here.
const SECRETS: [&str; 2] = ["token", "access_token"];

/// What ends a parameter: some servers take `;`, too, and an address has a question mark before them and may have a fragment behind.
const SEPARATORS: &[u8] = b"&;?#";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_taken_out_and_nothing_else() {
        let names = [Box::from("key")];
        for (text, clean) in [
            ("", ""),
            ("page=2", "page=2"),
            ("token=secret", "token=[redacted]"),
            ("a=1&token=x=y&b", "a=1&token=[redacted]&b"),
            (
                "TOKEN=x&Access_Token=y&key=z",
                "TOKEN=[redacted]&Access_Token=[redacted]&key=[redacted]",
            ),
            ("%74oken=x", "%74oken=[redacted]"),
            (
                "tokens=1&my_token=2&token&&=token",
                "tokens=1&my_token=2&token&&=token",
            ),
            ("a=1;token=x", "a=1;token=[redacted]"),
            ("%ff=1&token=", "%ff=1&token=[redacted]"),
            (
                "https://a.example/token=page?token=x#access_token=y",
                "https://a.example/token=page?token=[redacted]#access_token=[redacted]",
            ),
        ] {
            let found = String::from_utf8(redacted(text.as_bytes(), &names)).unwrap();
            assert_eq!(found, clean);
        }
    }
}
