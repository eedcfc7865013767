//! One request to the HTTP API, over one connection, of a command that has nothing else to do.

use crate::client::{Failure, REFUSED, UNREACHABLE, WRONG, one_line};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use wireline::wire::number;

/// Posts JSON to `place` under the API at this URL, whose path is `/api` when it has none, and gives the content of an answer that
/// says yes.
pub(crate) fn post(
    url: &str,
    place: &str,
    key: Option<&str>,
    authorities: Option<&Path>,
    content: &[u8],
) -> Result<String, Failure> {
    let address = Address::read(url)?;
    if let Some(key) = key
        && !key.bytes().all(|octet| octet.is_ascii_graphic())
    {
        return Err(Failure::new(
            WRONG,
            "a key is made of letters, digits and signs",
        ));
    }
    let authorization = key.map_or(String::new(), |key| {
        format!("Authorization: Bearer {key}\r\n")
    });
    let head = format!(
        "POST {}{place} HTTP/1.0\r\nHost: {}\r\n{authorization}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        address.path,
        address.authority,
        content.len()
    );
    let failed =
        |error: &dyn std::fmt::Display| Failure::new(UNREACHABLE, format!("{url}: {error}"));
    let stream = address.connect().map_err(|error| failed(&error))?;
    let mut answer = Vec::new();
    if address.is_secure {
        let name = ServerName::try_from(address.host.to_owned()).map_err(|error| failed(&error))?;
        let tls =
            ClientConnection::new(trusting(authorities)?, name).map_err(|error| failed(&error))?;
        let mut stream = StreamOwned::new(tls, stream);
        exchange(&mut stream, &head, content, &mut answer)
    } else {
        let mut stream = stream;
        exchange(&mut stream, &head, content, &mut answer)
    }
    .map_err(|error| failed(&error))?;
    read(url, &answer)
}

/// Where a URL points to.
struct Address<'a> {
    is_secure: bool,
    authority: &'a str,
    host: &'a str,
    port: u16,
    path: &'a str,
}

impl<'a> Address<'a> {
    fn read(url: &'a str) -> Result<Self, Failure> {
        let wrong = |reason: &str| Failure::new(WRONG, format!("{url}: {reason}"));
        let (is_secure, rest) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => {
                return Err(wrong(
                    "a URL of the HTTP API begins with http:// or https://",
                ));
            }
        };
        if !rest.bytes().all(|octet| octet.is_ascii_graphic()) || rest.contains(['?', '#', '@']) {
            return Err(wrong("a host, a port and a path, and nothing else"));
        }
        let (authority, path) = match rest.split_once('/') {
            Some((authority, path)) if !path.is_empty() => {
                let from = rest.len() - path.len() - 1;
                (authority, rest[from..].trim_end_matches('/'))
            }
            Some((authority, _)) => (authority, "/api"),
            None => (rest, "/api"),
        };
        // The colon of an address of IPv6 stands in brackets.
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (authority, None),
        };
        let port = match port {
            None => Some(if is_secure { 443 } else { 80 }),
            Some(port) => number::decimal(port.as_bytes())
                .and_then(|port| u16::try_from(port).ok())
                .filter(|port| *port != 0),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        match port {
            Some(port) if !host.is_empty() => Ok(Self {
                is_secure,
                authority,
                host,
                port,
                path,
            }),
            Some(_) => Err(wrong("there is no host")),
            None => Err(wrong("a port is a number from 1 to 65535")),
        }
    }

    /// Tries every address of the host.
    fn connect(&self) -> std::io::Result<TcpStream> {
        let mut last = ErrorKind::NotFound.into();
        for address in (self.host, self.port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, LIMIT) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(LIMIT))?;
                    stream.set_write_timeout(Some(LIMIT))?;
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

fn exchange(
    stream: &mut (impl Read + Write),
    head: &str,
    content: &[u8],
    answer: &mut Vec<u8>,
) -> std::io::Result<()> {
    stream.write_all(head.as_bytes())?;
    stream.write_all(content)?;
    stream.flush()?;
    let mut part = [0; 4096];
    while !is_enough(answer) {
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(&part[..count]),
            // A server that goes without closing TLS has said what it had to say, or the answer is not whole, which shows.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Err(std::io::Error::new(
                    ErrorKind::TimedOut,
                    "no answer in time",
                ));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether there is nothing to wait for: the answer is whole, too long, or none of HTTP.
fn is_enough(answer: &[u8]) -> bool {
    let shown = answer.len().min(HTTP.len());
    if answer.len() >= LONGEST || answer[..shown] != HTTP.as_bytes()[..shown] {
        return true;
    }
    let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return false;
    };
    let length = content_length(&String::from_utf8_lossy(&answer[..end]));
    length.is_some_and(|length| length <= (answer.len() - end - 4) as u64)
}

fn content_length(head: &str) -> Option<u64> {
    head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| number::decimal(value.trim().as_bytes()))?
    })
}

/// Reads an answer of HTTP/1: the status, and the content up to its length, or the end.
fn read(url: &str, answer: &[u8]) -> Result<String, Failure> {
    let text = String::from_utf8_lossy(answer);
    let no_http = || {
        let line =
            format!("{url}: the answer is none of HTTP (is this the port of an HTTP server?)");
        Failure::new(UNREACHABLE, line)
    };
    let status = text
        .strip_prefix(HTTP)
        .and_then(|rest| rest.get(2..5))
        .and_then(|status| number::decimal(status.as_bytes()))
        .ok_or_else(no_http)?;
    let (head, content) = text.split_once("\r\n\r\n").ok_or_else(no_http)?;
    let length = content_length(head);
    if length.is_some_and(|length| length > content.len() as u64) {
        let line = format!("{url}: the connection ended in the middle of the answer");
        return Err(Failure::new(UNREACHABLE, line));
    }
    match status {
        200..=299 => Ok(content.to_owned()),
        _ => {
            // A page is for a browser to show, and no relay answers with one.
            let is_page = content.trim_start().starts_with('<');
            let mut said: String = one_line(content.trim()).chars().take(SHOWN).collect();
            if is_page {
                said.clear();
            }
            let hint = match status {
                _ if is_page => " with a page; is there a relay at this address?",
                401 => "; the key is given by --key",
                404 => "; is the HTTP API at this path?",
                _ => "",
            };
            let line = format!("{url}: the server answered {status}{hint} {said}");
            Err(Failure::new(REFUSED, line.trim_end()))
        }
    }
}

fn trusting(authorities: Option<&Path>) -> Result<Arc<ClientConfig>, Failure> {
    let mut roots = RootCertStore::empty();
    match authorities {
        Some(path) => {
            let wrong = |error: &dyn std::fmt::Display| {
                Failure::new(WRONG, format!("{}: {error}", path.display()))
            };
            for certificate in CertificateDer::pem_file_iter(path).map_err(|error| wrong(&error))? {
                let certificate = certificate.map_err(|error| wrong(&error))?;
                roots.add(certificate).map_err(|error| wrong(&error))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::new(UNREACHABLE, error.to_string()))?;
    Ok(Arc::new(
        versions.with_root_certificates(roots).with_no_client_auth(),
    ))
}

/// What connecting, and each read and write, may take.
const LIMIT: Duration = Duration::from_secs(10);

/// The longest answer that is read.
const LONGEST: usize = 1024 * 1024;

/// How every answer begins.
const HTTP: &str = "HTTP/1.";

/// How much of a refusal is shown.
const SHOWN: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for (url, expected) in [
            ("http://a", Some(("a", 80, "/api"))),
            ("https://a/", Some(("a", 443, "/api"))),
            ("http://a:8000/v1/api/", Some(("a", 8000, "/v1/api"))),
            ("http://[::1]:9", Some(("::1", 9, "/api"))),
            ("http://[::1]", Some(("::1", 80, "/api"))),
            ("http://", None),
            ("http://:80", None),
            ("http://a:0", None),
            ("http://a:99999", None),
            ("http://a:b", None),
            ("http://a\r\nX: y", None),
            ("http://a/b c", None),
            ("http://a?x", None),
            ("ftp://a", None),
        ] {
            let read = Address::read(url).ok();
            let read = read.map(|address| (address.host, address.port, address.path));
            assert_eq!(read, expected, "{url}");
        }
    }

    #[test]
    fn answers() {
        for (answer, expected) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", Ok("{}")),
            ("HTTP/1.0 201 X\r\n\r\n{}", Ok("{}")),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{}",
                Err(UNREACHABLE),
            ),
            ("HTTP/1.1 401 X\r\n\r\n", Err(REFUSED)),
            ("HTTP/1.1 500 X\r\n\r\nno\n", Err(REFUSED)),
            ("SSH-2.0-x\r\n", Err(UNREACHABLE)),
            ("HTTP/1.1 200", Err(UNREACHABLE)),
            ("HTTP/1.1 \u{20ac}", Err(UNREACHABLE)),
            ("", Err(UNREACHABLE)),
        ] {
            let read = read("http://a", answer.as_bytes());
            let read = read.as_deref().map_err(|failure| failure.code);
            assert_eq!(read, expected, "{answer:?}");
        }
    }
}
