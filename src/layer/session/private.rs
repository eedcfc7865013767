//! A response that says whose session it is goes to one browser alone.

use crate::service::headers::Headers;
use http::header::CACHE_CONTROL;
use http::{HeaderName, HeaderValue};

/// Forbids caches that are shared to keep a response: `Set-Cookie` alone does not (RFC 9111 §7.3), and they would hand the session to
/// others. What was said to the browser's own cache stays.
pub(super) fn keep_private(headers: &mut Headers) {
    let mut kept = String::new();
    for line in headers.get_all(CACHE_CONTROL) {
        for directive in directives(line.to_str().unwrap_or_default()) {
            let name = directive.split('=').next().unwrap_or_default().trim_end();
            // `private` with names of fields is about those alone.
            let opens = ["", "public", "s-maxage", "private"];
            if opens.iter().all(|known| !name.eq_ignore_ascii_case(known)) {
                kept.push_str(directive);
                kept.push_str(", ");
            }
        }
    }
    kept.push_str("private");
    let value = HeaderValue::try_from(kept);
    let value = value.unwrap_or_else(|_| HeaderValue::from_static("private"));
    headers.insert(CACHE_CONTROL, value);
    // Caches of a network have fields of their own, which win (RFC 9213 §2.1).
    let targeted: Vec<HeaderName> = headers
        .iter()
        .filter(|(name, _)| name.ends_with("cdn-cache-control") || *name == "surrogate-control")
        .filter_map(|(name, _)| HeaderName::try_from(name).ok())
        .collect();
    for name in targeted {
        headers.remove(&name);
    }
}

/// The elements of a list, of which strings in quotes are parts.
fn directives(line: &str) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    line.split(move |letter| {
        let is_plain = !std::mem::take(&mut is_escaped);
        match letter {
            '"' if is_plain => is_quoted = !is_quoted,
            '\\' if is_plain && is_quoted => is_escaped = true,
            _ => {}
        }
        letter == ',' && !is_quoted
    })
    .map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_opens_a_response_to_shared_caches_goes() {
        for (said, told) in [
            (&[][..], "private"),
            (&["private"], "private"),
            (&["no-store"], "no-store, private"),
            (
                &["public, max-age=31536000, immutable"],
                "max-age=31536000, immutable, private",
            ),
            (
                &["PUBLIC ,, S-MaxAge=60", "max-age=5"],
                "max-age=5, private",
            ),
            (
                &["private=\"set-cookie, x\", must-revalidate"],
                "must-revalidate, private",
            ),
            (
                &["no-cache=\"a\\\", public, b\", s-maxage = 9"],
                "no-cache=\"a\\\", public, b\", private",
            ),
        ] {
            let mut headers = Headers::new();
            for line in said {
                headers.append(CACHE_CONTROL, HeaderValue::from_static(line));
            }
            for name in [
                "cdn-cache-control",
                "acme-cdn-cache-control",
                "surrogate-control",
            ] {
                let _ = headers.try_insert(name, "max-age=600");
            }
            keep_private(&mut headers);
            let lines: Vec<_> = headers.iter().collect();
            assert_eq!(lines.len(), 1, "{lines:?}");
            assert_eq!(lines[0].1.to_str().unwrap(), told);
        }
    }
}
