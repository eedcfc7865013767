//! The methods that have a name in telemetry: clients may send any other.

use http::Method;

/// The place of a method in [`METHODS`]; that of [`OTHER`] for what RFC 9110 and RFC 5789 do not name.
pub(super) fn method_place(method: &Method) -> usize {
    let known = METHODS.iter().position(|name| *name == method.as_str());
    known.unwrap_or(OTHER)
}

pub(super) const METHODS: [&str; 10] = [
    "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "CONNECT", "TRACE", "_OTHER",
];

/// The place of the last.
pub(super) const OTHER: usize = METHODS.len() - 1;
