//! What the `h2` crate lets pass and RFC 9113 §8 does not, or we do not.

use crate::wire::grammar;
use crate::wire::limits::Limits;
use crate::wire::number;
use http::header::{CONTENT_LENGTH, COOKIE, EXPECT, HOST};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};

/// What a request says beside its fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// What is declared of its content.
    pub(super) length: Option<u64>,
    /// The client waits for 100 before it sends content (RFC 9110 §10.1.1).
    pub(super) expects_continue: bool,
}

/// Why a request does not get to a handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Malformed (RFC 9113 §8.1.1): its stream is reset with PROTOCOL_ERROR.
    Malformed,
    /// Answered with this status.
    Answer(StatusCode, &'static str),
}

/// The authority that was judged last, and was good: mostly all requests of a connection have one.
#[derive(Debug, Default)]
pub(super) struct Known(Vec<u8>);

impl Known {
    fn is_host(&mut self, authority: &[u8]) -> bool {
        (self.0 == authority && !authority.is_empty()) || self.is_new_host(authority)
    }

    #[inline(never)]
    fn is_new_host(&mut self, authority: &[u8]) -> bool {
        let is_host = grammar::is_host(authority);
        if is_host && authority.len() <= LONGEST_KNOWN {
            self.0.clear();
            self.0.extend_from_slice(authority);
        }
        is_host
    }
}

/// Judges a request's head, and joins its cookies (RFC 9113 §8.2.3).
pub(super) fn judge(
    head: &mut Parts,
    known: &mut Known,
    limits: &Limits,
) -> Result<Facts, Refusal> {
    let mut facts = Facts::default();
    let (mut host, mut cookies, mut lengths, mut fields) = (None, 0, 0, 0);
    for (name, value) in &head.headers {
        let octets = value.as_bytes();
        // RFC 9113 §8.2.1: no space or tab at either end.
        if is_blank(octets.first()) || is_blank(octets.last()) {
            return Err(Refusal::Malformed);
        }
        fields += 1;
        match name.as_str().len() {
            4 if *name == HOST && host.replace(octets).is_some() => return Err(Refusal::Malformed),
            6 if *name == COOKIE => cookies += 1,
            6 if *name == EXPECT => {
                if !octets.eq_ignore_ascii_case(b"100-continue") {
                    return Err(Refusal::Answer(
                        StatusCode::EXPECTATION_FAILED,
                        "the only expectation is 100-continue (RFC 9110 10.1.1)",
                    ));
                }
                facts.expects_continue = true;
            }
            14 if *name == CONTENT_LENGTH => {
                lengths += 1;
                facts.length = number::decimal(octets);
                if facts.length.is_none() || lengths > 1 {
                    return Err(Refusal::Malformed);
                }
            }
            _ => {}
        }
    }
    judge_target(head, host, known, limits)?;
    // The crumbs of a cookie are one field (RFC 9113 §8.2.3).
    if fields - cookies + cookies.min(1) > limits.header_fields {
        return Err(Refusal::Answer(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "too many field lines",
        ));
    }
    if cookies > 1 {
        join_cookies(&mut head.headers);
    }
    Ok(facts)
}

fn judge_target(
    head: &Parts,
    host: Option<&[u8]>,
    known: &mut Known,
    limits: &Limits,
) -> Result<(), Refusal> {
    let authority = head
        .uri
        .authority()
        .map(|authority| authority.as_str().as_bytes());
    match (authority, host) {
        // RFC 9113 §8.3.1: no userinfo, and Host says the same.
        (Some(authority), host) => {
            if !known.is_host(authority)
                || host.is_some_and(|host| !is_same_host(authority, host, head.uri.scheme_str()))
            {
                return Err(Refusal::Malformed);
            }
        }
        (None, Some(host)) if grammar::is_host(host) => {}
        _ => return Err(Refusal::Malformed),
    }
    let Some(target) = head.uri.path_and_query() else {
        // CONNECT has none (RFC 9113 §8.5), and everything else has one.
        return if head.method == Method::CONNECT {
            Ok(())
        } else {
            Err(Refusal::Malformed)
        };
    };
    let target = target.as_str();
    if target.len() > limits.request_line {
        return Err(Refusal::Answer(
            StatusCode::URI_TOO_LONG,
            "the target is too long",
        ));
    }
    let well_formed = match target.as_bytes() {
        [b'/', ..] => target.bytes().all(|octet| octet.is_ascii_graphic()),
        b"*" => head.method == Method::OPTIONS,
        _ => false,
    };
    if well_formed {
        Ok(())
    } else {
        Err(Refusal::Malformed)
    }
}

/// Whether both name the same host and port, one of them perhaps by the scheme's (RFC 9110 §4.2.3).
fn is_same_host(authority: &[u8], host: &[u8], scheme: Option<&str>) -> bool {
    let default: &[u8] = match scheme {
        Some("http") => b"80",
        Some("https") => b"443",
        _ => b"",
    };
    let (name, port) = grammar::split_port(authority);
    let (host_name, host_port) = grammar::split_port(host);
    name.eq_ignore_ascii_case(host_name) && port.unwrap_or(default) == host_port.unwrap_or(default)
}

fn join_cookies(headers: &mut HeaderMap) {
    let crumbs: Vec<&[u8]> = headers
        .get_all(COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    // What is joined of values is a value.
    if let Ok(joined) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        headers.insert(COOKIE, joined);
    }
}

/// A longer one is judged each time.
const LONGEST_KNOWN: usize = 255;

const fn is_blank(octet: Option<&u8>) -> bool {
    matches!(octet, Some(b' ' | b'\t'))
}
