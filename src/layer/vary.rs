//! `Vary` (RFC 9110 §12.5.5), to which several layers add.

use crate::service::headers::Headers;
use http::HeaderValue;
use http::header::VARY;

/// Says that a response also depends on these fields of the request, named as a list. What is said already is not said
/// again, and all of it stands in one line.
pub(crate) fn vary(headers: &mut Headers, names: &'static str) {
    if !headers.contains(VARY) {
        return headers.append(VARY, HeaderValue::from_static(names));
    }
    let mut list: Vec<u8> = Vec::new();
    let lines = headers.get_all(VARY);
    let said = lines.flat_map(|line| line.as_bytes().split(|octet| *octet == b','));
    for name in said.chain(names.as_bytes().split(|octet| *octet == b',')) {
        let name = name.trim_ascii();
        let mut listed = list.split(|octet| *octet == b',').map(<[u8]>::trim_ascii);
        if name.is_empty() || listed.any(|one| one.eq_ignore_ascii_case(name)) {
            continue;
        }
        if name == b"*" {
            // It depends on everything: there is nothing to add.
            return;
        }
        if !list.is_empty() {
            list.extend_from_slice(b", ");
        }
        list.extend_from_slice(name);
    }
    // Parts of field values make a field value.
    if let Ok(list) = HeaderValue::from_bytes(&list) {
        headers.insert(VARY, list);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_already_is_not_said_again() {
        for (before, after) in [
            (&[][..], "Origin, Accept"),
            (&["Accept-Encoding"], "Accept-Encoding, Origin, Accept"),
            (&["origin"], "origin, Accept"),
            (&["accept ,, ORIGIN"], "accept, ORIGIN"),
            (&["Origin", "Cookie, Origin"], "Origin, Cookie, Accept"),
            (&["X-Origin"], "X-Origin, Origin, Accept"),
            (&["Cookie, *"], "Cookie, *"),
        ] {
            let mut headers = Headers::new();
            for line in before {
                headers.append(VARY, HeaderValue::from_static(line));
            }
            vary(&mut headers, "Origin, Accept");
            let lines: Vec<_> = headers.get_all(VARY).collect();
            assert_eq!(lines, [after], "{before:?}");
        }
    }
}
