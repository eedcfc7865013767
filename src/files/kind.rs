//! What a file is, by its name: its content type, and whether its name tells its content.

use http::HeaderValue;

/// The content type of a file: of text with its charset, of what nobody knows `application/octet-stream`.
///
/// ```
/// use wireline::files::content_type;
///
/// assert_eq!(content_type("css/site.css"), "text/css; charset=utf-8");
/// assert_eq!(content_type("logo.svg"), "image/svg+xml");
/// assert_eq!(content_type("LICENSE"), "application/octet-stream");
/// ```
pub fn content_type(path: &str) -> HeaderValue {
    let Some(known) = mime_guess::from_path(path).first_raw() else {
        return HeaderValue::from_static("application/octet-stream");
    };
    // The usual ones stand here as they are sent.
    match known {
        "text/html" => HeaderValue::from_static("text/html; charset=utf-8"),
        "text/css" => HeaderValue::from_static("text/css; charset=utf-8"),
        "text/javascript" | "application/javascript" => {
            HeaderValue::from_static("text/javascript; charset=utf-8")
        }
        "text/plain" => HeaderValue::from_static("text/plain; charset=utf-8"),
        // RFC 8081.
        "application/font-woff" => HeaderValue::from_static("font/woff"),
        "application/font-sfnt" => HeaderValue::from_static("font/sfnt"),
        text if text.starts_with("text/") => {
            HeaderValue::try_from(format!("{text}; charset=utf-8"))
                .unwrap_or_else(|_| HeaderValue::from_static(known))
        }
        known => HeaderValue::from_static(known),
    }
}

/// Whether a file's name has a hash of its content in it, as bundlers write it, so that the same name never means
/// another content: `app.3f2a9c1b.js`, `index-BfX2k9Qz.css`.
///
/// That is a part between dots, hyphens or underscores, not the first one, of at least eight letters and digits, with a
/// digit among them, and a letter unless there are sixteen.
///
/// ```
/// use wireline::files::is_hashed;
///
/// assert!(is_hashed("assets/app.3f2a9c1b.js") && is_hashed("index-BfX2k9Qz.css"));
/// assert!(!is_hashed("app.js") && !is_hashed("report-20261122.pdf") && !is_hashed("jquery.validation.js"));
/// ```
pub fn is_hashed(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let Some((stem, _)) = name.rsplit_once('.') else {
        return false;
    };
    stem.split(['.', '-', '_']).skip(1).any(|part| {
        let digits = part.bytes().filter(u8::is_ascii_digit).count();
        let plain = part.bytes().all(|octet| octet.is_ascii_alphanumeric());
        plain && part.len() >= 8 && digits > 0 && (digits < part.len() || part.len() >= 16)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s118_content_types_of_the_list() {
        for (name, kind) in [
            ("a.html", "text/html; charset=utf-8"),
            ("a.htm", "text/html; charset=utf-8"),
            ("a.css", "text/css; charset=utf-8"),
            ("a.js", "text/javascript; charset=utf-8"),
            ("a.mjs", "text/javascript; charset=utf-8"),
            ("a.json", "application/json"),
            ("a.png", "image/png"),
            ("a.jpg", "image/jpeg"),
            ("a.jpeg", "image/jpeg"),
            ("a.gif", "image/gif"),
            ("a.svg", "image/svg+xml"),
            ("a.webp", "image/webp"),
            ("a.ico", "image/x-icon"),
            ("a.woff", "font/woff"),
            ("a.woff2", "font/woff2"),
            ("a.ttf", "font/ttf"),
            ("a.pdf", "application/pdf"),
            ("a.xml", "text/xml; charset=utf-8"),
            ("a.mp4", "video/mp4"),
            ("a.webm", "video/webm"),
            ("a.txt", "text/plain; charset=utf-8"),
            ("a.wasm", "application/wasm"),
            ("A.HTML", "text/html; charset=utf-8"),
            ("a.b/c", "application/octet-stream"),
            ("a.unknown-ending", "application/octet-stream"),
            (".html", "application/octet-stream"),
        ] {
            assert_eq!(content_type(name), kind, "{name}");
        }
    }
}
