//! From `http` to `https`.

use crate::service::handler::{Service, service_fn};
use crate::service::request::Request;
use crate::service::response::Response;
use http::header::LOCATION;
use http::{Method, StatusCode};

/// Answers every request with 308 to the same target at `https` and `port`.
pub(super) fn to_https(port: u16) -> impl Service {
    service_fn(move |request: Request| std::future::ready(redirect(&request, port)))
}

/// 308 keeps the method and the content, and may be cached: it says where the resource is for good (RFC 9110 §15.4.9).
fn redirect(request: &Request, port: u16) -> Response {
    match location(request, port) {
        Some(location) => Response::text("this is served over https\n")
            .with_status(StatusCode::PERMANENT_REDIRECT)
            .with_header(LOCATION, location),
        None => {
            Response::text("there is nothing to redirect to\n").with_status(StatusCode::BAD_REQUEST)
        }
    }
}

fn location(request: &Request, port: u16) -> Option<String> {
    // A tunnel is to where the target says, not to what is here (RFC 9110 §9.3.6).
    if request.method() == Method::CONNECT {
        return None;
    }
    // A target in absolute form is what counts (RFC 9112 §3.2.2).
    let target = request.uri();
    let (authority, rest) = match target.split_once("://") {
        Some((_, after)) if !target.starts_with('/') => {
            let end = after.find(['/', '?']).unwrap_or(after.len());
            after.split_at(end)
        }
        // Of HTTP/2 the host may be in `:authority` alone (RFC 9113 §8.3.1).
        _ => (request.host()?, target),
    };
    https(authority, rest, port)
}

fn https(authority: &str, rest: &str, port: u16) -> Option<String> {
    // An IPv6 address has colons of its own, in brackets.
    let host = match authority.rsplit_once(':') {
        Some((host, digits)) if !digits.contains(']') => host,
        _ => authority,
    };
    if host.is_empty() || host.contains(['@', '/', '\\']) {
        return None;
    }
    let slash = if rest.starts_with('/') { "" } else { "/" };
    let rest = if rest == "*" { "" } else { rest };
    Some(if port == HTTPS {
        format!("https://{host}{slash}{rest}")
    } else {
        format!("https://{host}:{port}{slash}{rest}")
    })
}

/// The port that `https` has without saying so (RFC 9110 §4.2.2).
const HTTPS: u16 = 443;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_scheme_and_port_change() {
        for (authority, rest, port, expected) in [
            ("a.example", "/x?y=1", 443, "https://a.example/x?y=1"),
            ("a.example:80", "/", 443, "https://a.example/"),
            ("a.example:8080", "/x", 8443, "https://a.example:8443/x"),
            ("[::1]:8080", "/x", 8443, "https://[::1]:8443/x"),
            ("[::1]", "/x", 443, "https://[::1]/x"),
            ("a.example", "*", 443, "https://a.example/"),
            ("a.example", "?q", 443, "https://a.example/?q"),
            (
                "a.example",
                "//b.example/",
                443,
                "https://a.example//b.example/",
            ),
        ] {
            assert_eq!(https(authority, rest, port).as_deref(), Some(expected));
        }
        for authority in ["", ":80", "a@b", "a/b"] {
            assert_eq!(https(authority, "/", 443), None, "{authority}");
        }
    }
}
