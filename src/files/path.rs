//! From the path of a request to the path of a file. No file is looked at here.

use crate::service::route::decode;
use crate::wire::number::hex_digit;
use std::borrow::Cow;

/// Where in a root a request points.
///
/// ```
/// use wireline::files::path::{Place, resolve};
///
/// let place = resolve(b"css/caf%C3%A9.css", false).unwrap();
/// assert_eq!(place, Place { path: "css/caf\u{e9}.css".into(), is_directory: false });
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// Names with a slash between each two of them; empty for the root itself.
    pub path: Cow<'a, str>,
    /// Whether the request's path ends with a slash, so that a directory is meant.
    pub is_directory: bool,
}

/// Reads what is left of a request's path behind the mount, without a slash at its beginning.
///
/// It is split at `/` first, and each segment is percent-decoded once. `None`, which the client sees as 404, when
/// a segment
///
/// - is empty, `.` or `..`;
/// - has a slash, a backslash or a control character in it, or is no UTF-8, or has an escape that is none;
/// - has a letter, a digit, `-`, `.` or `_` as an escape: that is another way to write the same path (RFC 3986 §6.2.2.2),
///   and would lead past a route that is compared octet by octet. `~` alone may be escaped, as older clients do;
/// - begins with a dot, unless `dotfiles` is set;
/// - is longer than 255 octets;
///
/// and when there are more than [`MAX_SEGMENTS`] of them or more than [`MAX_PATH`] octets. So a path that is given names
/// nothing above the root, whatever the file system is. That no symbolic link leads out of it is seen to when the
/// file is opened.
///
/// ```
/// use wireline::files::path::resolve;
///
/// assert_eq!(resolve(b"css/caf%C3%A9.css", false).unwrap().path, "css/caf\u{e9}.css");
/// assert!(resolve(b"css/", false).unwrap().is_directory);
/// assert!(resolve(b"", false).unwrap().path.is_empty());
/// for refused in ["../etc/passwd", "%2e%2e/etc/passwd", "a//b", "a%2fb", "a\\b", ".git/config", "%c0%ae%c0%ae/etc", "%61"] {
///     assert!(resolve(refused.as_bytes(), false).is_none(), "{refused}");
/// }
/// ```
pub fn resolve(raw: &[u8], dotfiles: bool) -> Option<Place<'_>> {
    if raw.is_empty() {
        return Some(Place {
            path: Cow::Borrowed(""),
            is_directory: true,
        });
    }
    if raw.len() > 3 * MAX_PATH {
        return None;
    }
    let (names, is_directory) = match raw.strip_suffix(b"/") {
        Some(names) => (names, true),
        None => (raw, false),
    };
    let path = if names.contains(&b'%') {
        let mut joined = String::with_capacity(names.len());
        for (number, segment) in names.split(|octet| *octet == b'/').enumerate() {
            let name = decode(segment).filter(|_| !has_needless_escape(segment))?;
            if number > 0 {
                joined.push('/');
            }
            if number >= MAX_SEGMENTS || !is_name(&name, dotfiles) {
                return None;
            }
            joined.push_str(&name);
        }
        Cow::Owned(joined)
    } else {
        let names = std::str::from_utf8(names).ok()?;
        for (number, name) in names.split('/').enumerate() {
            if number >= MAX_SEGMENTS || !is_name(name, dotfiles) {
                return None;
            }
        }
        Cow::Borrowed(names)
    };
    (path.len() <= MAX_PATH).then_some(Place { path, is_directory })
}

/// Whether an octet is escaped that no client has to escape, in a segment whose escapes are valid.
fn has_needless_escape(segment: &[u8]) -> bool {
    segment.windows(3).any(|window| {
        let [sign, high, low] = window else {
            return false;
        };
        let (Some(high), Some(low)) = (hex_digit(*high), hex_digit(*low)) else {
            return false;
        };
        let octet = high << 4 | low;
        *sign == b'%' && (octet.is_ascii_alphanumeric() || b"-._".contains(&octet))
    })
}

/// Whether names with a slash between each two of them, without escapes, may be the path of a file that is served.
pub(super) fn is_path(path: &str, dotfiles: bool) -> bool {
    path.len() <= MAX_PATH
        && path.split('/').count() <= MAX_SEGMENTS
        && path.split('/').all(|name| is_name(name, dotfiles))
}

/// Whether a name may be that of a file or a directory that is served.
pub(super) fn is_name(name: &str, dotfiles: bool) -> bool {
    let is_dotted = match name.as_bytes() {
        [] | [b'.'] | [b'.', b'.'] => return false,
        [first, ..] => *first == b'.',
    };
    let is_odd = |octet: u8| octet < b' ' || matches!(octet, b'/' | b'\\' | 0x7f);
    (dotfiles || !is_dotted) && name.len() <= MAX_NAME && !name.bytes().any(is_odd)
}

/// The most segments of a path.
pub const MAX_SEGMENTS: usize = 128;

/// The most octets of a path once it is decoded: what the system takes in one call.
pub const MAX_PATH: usize = 4095;

/// The most octets of a name.
const MAX_NAME: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_a_length_and_paths_a_depth() {
        let name = "n".repeat(MAX_NAME);
        assert!(resolve(name.as_bytes(), false).is_some());
        assert!(resolve(format!("{name}n").as_bytes(), false).is_none());
        assert!(resolve("%7e".repeat(MAX_NAME).as_bytes(), false).is_some());
        let deep = |count| vec!["a"; count].join("/");
        for tail in ["", "/"] {
            for (count, found) in [(MAX_SEGMENTS, true), (MAX_SEGMENTS + 1, false)] {
                let plain = deep(count) + tail;
                assert_eq!(resolve(plain.as_bytes(), false).is_some(), found);
                let encoded = plain.replace('a', "%7E");
                assert_eq!(resolve(encoded.as_bytes(), false).is_some(), found);
            }
        }
        let long = vec![name.as_str(); 17].join("/");
        assert!(long.len() > MAX_PATH && resolve(long.as_bytes(), false).is_none());
    }

    #[test]
    fn a_dot_in_front_is_a_question_of_the_mount() {
        for (path, found) in [
            (".well-known/x", true),
            ("a/.b", true),
            ("..", false),
            (".", false),
            ("..a", true),
        ] {
            assert!(resolve(path.as_bytes(), false).is_none(), "{path}");
            assert_eq!(resolve(path.as_bytes(), true).is_some(), found, "{path}");
        }
    }
}
