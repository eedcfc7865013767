//! One behaviour behind three representations.

use super::*;
use crate::wire::fields::Span;
use http::header::CONTENT_TYPE;

/// The same field lines in each representation.
fn each(lines: &[(&'static str, &'static str)]) -> [Headers; 3] {
    let mut text = Vec::new();
    let mut fields = Vec::new();
    for (name, value) in lines {
        let start = text.len();
        text.extend_from_slice(name.as_bytes());
        let colon = text.len();
        text.extend_from_slice(value.as_bytes());
        let (Some(name), Some(value)) = (Span::new(start, colon), Span::new(colon, text.len()))
        else {
            panic!("fits")
        };
        fields.push(Field::new(name, value));
    }
    let mut wire = Headers::new();
    wire.set_wire(&mut text, &mut fields);
    let pairs = lines.iter().map(|(name, value)| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_bytes(value.as_bytes()).expect("a value"),
        )
    });
    let list: Headers = pairs.clone().collect();
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(name, value);
    }
    [wire, list, Headers::from(map)]
}

fn listed(headers: &Headers) -> Vec<String> {
    let mut lines: Vec<String> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.as_bytes().escape_ascii()))
        .collect();
    // Only the order inside a name is promised.
    lines.sort_by(|a, b| a.split(':').next().cmp(&b.split(':').next()));
    lines
}

#[test]
fn reading() {
    for headers in each(&[
        ("host", "a"),
        ("accept", "x"),
        ("content-type", "text/plain"),
        ("accept", "y"),
    ]) {
        assert_eq!(headers.len(), 4);
        assert!(headers.get("Accept").is_some_and(|value| value == "x"));
        assert!(
            headers
                .get(http::header::HOST)
                .is_some_and(|value| value == "a")
        );
        assert!(headers.get(&CONTENT_TYPE).is_some());
        assert!(headers.get("x-none").is_none());
        let all: Vec<_> = headers
            .get_all("ACCEPT")
            .map(|value| value.as_bytes().to_vec())
            .collect();
        assert_eq!(all, [b"x", b"y"]);
        assert_eq!(headers.own_lines().count(), 4);
        assert_eq!(
            headers.get("host").map(|value| value.to_value()),
            Some(HeaderValue::from_static("a"))
        );
    }
}

#[test]
fn changing() {
    for mut headers in each(&[("host", "a"), ("accept", "x"), ("accept", "y")]) {
        assert_eq!(
            headers.insert(http::header::ACCEPT, HeaderValue::from_static("z")),
            Some(HeaderValue::from_static("x"))
        );
        headers.append(http::header::VARY, HeaderValue::from_static("1"));
        headers.append(http::header::VARY, HeaderValue::from_static("2"));
        assert_eq!(
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("t")),
            None
        );
        assert_eq!(
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("u")),
            Some(HeaderValue::from_static("t"))
        );
        assert_eq!(
            listed(&headers),
            [
                "accept: z",
                "content-type: u",
                "host: a",
                "vary: 1",
                "vary: 2"
            ]
        );
        assert_eq!(headers.remove("Vary"), Some(HeaderValue::from_static("1")));
        assert_eq!(
            headers.remove("content-type"),
            Some(HeaderValue::from_static("u"))
        );
        assert_eq!(headers.remove("nothing"), None);
        assert_eq!(listed(&headers), ["accept: z", "host: a"]);
        headers.clear();
        assert!(headers.is_empty());
    }
}

#[test]
fn two_content_types_are_two_lines() {
    let mut headers = Headers::new();
    headers.append(CONTENT_TYPE, HeaderValue::from_static("a"));
    headers.append(CONTENT_TYPE, HeaderValue::from_static("b"));
    assert_eq!(headers.len(), 2);
    assert_eq!(
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("c")),
        Some(HeaderValue::from_static("a"))
    );
    assert_eq!(listed(&headers), ["content-type: c"]);
}

#[test]
fn to_a_map_and_back() {
    for headers in each(&[("host", "a"), ("accept", "x"), ("accept", "y")]) {
        let before = listed(&headers);
        let map = HeaderMap::from(headers);
        assert_eq!(listed(&Headers::from(map)), before);
    }
}

/// What is a name and a value already is moved, not made again.
#[test]
fn a_list_becomes_a_map_without_a_copy() {
    let name = HeaderName::from_bytes(b"x-a-name-that-is-no-standard-one").expect("a name");
    let value = HeaderValue::from_bytes(b"a value").expect("a value");
    let octets = (name.as_str().as_ptr(), value.as_bytes().as_ptr());
    let wire = each(&[("host", "a")]).into_iter().next().expect("three");
    for mut headers in [Headers::new(), Headers::of_type(value.clone()), wire] {
        let before = headers.len();
        headers.append(name.clone(), value.clone());
        let map = HeaderMap::from(headers);
        let (kept, text) = map.iter().last().expect("a line");
        assert_eq!(map.len(), before + 1);
        assert_eq!((kept.as_str().as_ptr(), text.as_bytes().as_ptr()), octets);
    }
}

#[test]
fn text_is_visible_ascii() {
    for headers in each(&[("a", "caf\u{e9}"), ("b", "x\ty")]) {
        assert!(
            headers
                .get("a")
                .is_some_and(|value| value.to_str().is_err())
        );
        assert_eq!(
            headers.get("b").and_then(|value| value.to_str().ok()),
            Some("x\ty")
        );
    }
}
