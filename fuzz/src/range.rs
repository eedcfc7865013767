//! Ranges select exactly the octets that a plain reading of the field selects, and preconditions never contradict each other.

use http::{HeaderName, HeaderValue, Method};
use std::collections::BTreeSet;
use std::time::{Duration, UNIX_EPOCH};
use wireline::service::conditional::{EntityTag, Validators, Verdict};
use wireline::service::headers::Headers;
use wireline::service::range::{MAX_RANGES, Selection, select};
use wireline::service::representation::Representation;
use wireline::service::request::Request;

/// Input: an octet for the size, then lines: a letter for the field, and its value.
///
/// # Panics
///
/// When octets are selected that were not asked for, or asked for and not selected; when a response has others than it
/// announces; when a verdict is not what its fields allow.
pub fn range(data: &[u8]) {
    let Some((size, lines)) = data.split_first() else {
        return;
    };
    let size = size % 64;
    let mut headers = Headers::new();
    for line in lines.split(|octet| *octet == b'\n').take(8) {
        let Some((letter, value)) = line.split_first() else {
            continue;
        };
        let name = match letter {
            b'r' => "range",
            b'i' => "if-range",
            b'm' => "if-match",
            b'n' => "if-none-match",
            b's' => "if-modified-since",
            b'u' => "if-unmodified-since",
            _ => continue,
        };
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(HeaderName::from_static(name), value);
        }
        if *letter == b'r' {
            selected(value, u64::from(size));
        }
    }
    judged(&headers);
    answered(headers, size);
}

/// Against sets of octets.
fn selected(field: &[u8], size: u64) {
    let found = select(field, size);
    let ranges = match &found {
        Selection::One(range) => vec![*range],
        Selection::Several(ranges) => ranges.clone(),
        Selection::Whole | Selection::Unsatisfiable => vec![],
    };
    assert!(ranges.len() <= MAX_RANGES);
    let mut octets = BTreeSet::new();
    for range in &ranges {
        assert!(range.first <= range.last && range.last < size);
        for place in range.first..=range.last {
            assert!(octets.insert(place), "{place} is sent twice");
        }
    }
    assert!(octets.len() as u64 <= size);
    let Some(asked) = model(field, size) else {
        assert_eq!(found, Selection::Whole, "{}", field.escape_ascii());
        return;
    };
    match found {
        Selection::Whole => assert_eq!(size, 0),
        Selection::Unsatisfiable => assert!(asked.is_empty()),
        _ => assert_eq!(octets, asked, "{}", field.escape_ascii()),
    }
}

/// The octets that are asked for; `None` when it is no such field.
fn model(field: &[u8], size: u64) -> Option<BTreeSet<u64>> {
    let text = std::str::from_utf8(field).ok()?;
    if !text.get(..6)?.eq_ignore_ascii_case("bytes=") {
        return None;
    }
    // Larger than any place that is looked at.
    let number = |digits: &str| -> Option<u64> {
        if digits.is_empty() || !digits.bytes().all(|octet| octet.is_ascii_digit()) {
            return None;
        }
        let digit = |sum: u64, octet: u8| {
            sum.saturating_mul(10)
                .saturating_add(u64::from(octet - b'0'))
        };
        Some(digits.bytes().fold(0, digit))
    };
    let trimmed = |member: &&str| !member.is_empty();
    let members: Vec<&str> = text[6..]
        .split(',')
        .map(str::trim_ascii)
        .filter(trimmed)
        .collect();
    if members.is_empty() || members.len() > MAX_RANGES {
        return None;
    }
    let mut asked = BTreeSet::new();
    for member in members {
        let (first, last) = member.split_once('-')?;
        if first.is_empty() {
            let count = number(last)?;
            asked.extend(size.saturating_sub(count)..size);
            continue;
        }
        let first = number(first)?;
        let last = if last.is_empty() {
            u64::MAX
        } else {
            number(last)?
        };
        if last < first {
            return None;
        }
        asked.extend((first.min(size)..size).filter(|place| *place <= last));
    }
    Some(asked)
}

fn judged(headers: &Headers) {
    let modified = UNIX_EPOCH + Duration::from_secs(784_111_777);
    let now = modified + Duration::from_secs(3600);
    let Some(tag) = EntityTag::strong("v1") else {
        return;
    };
    let page = Validators::new().with_tag(tag).with_modified(modified);
    let get = page.judge(&Method::GET, headers, now);
    // HEAD is GET but for its ranges; others never get 304.
    let head = page.judge(&Method::HEAD, headers, now);
    let same = match get {
        Verdict::IgnoreRange => Verdict::Proceed,
        other => other,
    };
    assert_eq!(head, same);
    let put = page.judge(&Method::PUT, headers, now);
    assert!(matches!(put, Verdict::Proceed | Verdict::Failed));
    if get == Verdict::Failed {
        assert!(
            put == Verdict::Failed,
            "what GET may not do, PUT may not do"
        );
        assert!(headers.contains("if-match") || headers.contains("if-unmodified-since"));
    }
    if get == Verdict::NotModified {
        assert!(headers.contains("if-none-match") || headers.contains("if-modified-since"));
    }
    if get == Verdict::IgnoreRange {
        assert!(headers.contains("if-range") && headers.contains("range"));
    }
    // Exactly one tag that is ours, or none that is: the usual cases are certain.
    let is_once = |name: &str, value: &[u8]| {
        let mut values = headers.get_all(name);
        values.next().is_some_and(|first| first.as_bytes() == value) && values.next().is_none()
    };
    if is_once("if-match", b"\"v1\"") && is_once("if-none-match", b"W/\"v1\"") {
        assert_eq!((get, put), (Verdict::NotModified, Verdict::Failed));
    }
}

/// The whole response: what it announces is what it has.
fn answered(headers: Headers, size: u8) {
    let content: Vec<u8> = (0..size).collect();
    let mut request = Request::get("/");
    *request.headers_mut() = headers;
    let Some(tag) = EntityTag::strong("v1") else {
        return;
    };
    let response = Representation::new(content.clone(), "text/plain")
        .with_tag(tag)
        .respond(&request);
    let body = response.body().as_bytes().unwrap_or_default();
    let range = response.headers().get("content-range");
    match response.status().as_u16() {
        200 => assert_eq!(body, content),
        206 if range.is_some() => {
            let range = range
                .map(|range| range.as_bytes().to_vec())
                .unwrap_or_default();
            let first = content.iter().position(|octet| body.first() == Some(octet));
            let first = first.unwrap_or_default();
            let expected = format!("bytes {first}-{}/{size}", first + body.len() - 1);
            assert_eq!(range, expected.as_bytes());
            assert!(content[first..].starts_with(body));
        }
        206 => {
            let kind = response.headers().get("content-type");
            let kind = kind.map(|kind| String::from_utf8_lossy(kind.as_bytes()).into_owned());
            let boundary = kind
                .as_deref()
                .and_then(|kind| kind.split_once("boundary="));
            let (_, boundary) = boundary.unwrap_or_default();
            assert!(
                !boundary.is_empty()
                    && body.ends_with(format!("\r\n--{boundary}--\r\n").as_bytes())
            );
        }
        304 | 412 | 416 => assert!(body.is_empty() || body.is_ascii()),
        other => panic!("{other}"),
    }
}
