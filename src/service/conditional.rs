//! Preconditions: whether a request is to be carried out, by what a client knows of the representation (RFC 9110 §13).

use crate::service::headers::Headers;
use http::header::{
    IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE,
};
use http::{HeaderName, HeaderValue, Method};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// An entity tag (RFC 9110 §8.8.3): the name of one state of a representation.
///
/// ```
/// use wireline::service::conditional::EntityTag;
///
/// let tag = EntityTag::strong("v7").unwrap();
/// assert_eq!(tag.as_value(), "\"v7\"");
/// assert!(EntityTag::strong("no \"quotes\"").is_none());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityTag(HeaderValue);

impl EntityTag {
    /// A tag that changes with every octet. `None` when it has what a tag cannot have: a quote, a space, a control.
    pub fn strong(opaque: &str) -> Option<Self> {
        Self::quoted("\"", opaque)
    }

    /// A tag that changes when the meaning does. `None` as for [`strong`](Self::strong).
    pub fn weak(opaque: &str) -> Option<Self> {
        Self::quoted("W/\"", opaque)
    }

    /// As it stands in `ETag`.
    pub const fn as_value(&self) -> &HeaderValue {
        &self.0
    }

    /// Whether it is a weak one.
    pub fn is_weak(&self) -> bool {
        self.0.as_bytes().starts_with(b"W/")
    }

    fn quoted(before: &str, opaque: &str) -> Option<Self> {
        let is_tag = opaque.bytes().all(is_tag_octet);
        let value = HeaderValue::try_from(format!("{before}{opaque}\"")).ok();
        value.filter(|_| is_tag).map(Self)
    }

    fn parts(&self) -> Tag<'_> {
        let octets = self.0.as_bytes();
        match octets.strip_prefix(b"W/") {
            Some(opaque) => (true, opaque),
            None => (false, octets),
        }
    }
}

/// Whether it is weak, and the rest with its quotes.
type Tag<'a> = (bool, &'a [u8]);

/// What is known of the state of a resource, to judge preconditions by.
///
/// ```
/// use http::Method;
/// use std::time::SystemTime;
/// use wireline::service::conditional::{EntityTag, Validators, Verdict};
/// use wireline::service::headers::Headers;
///
/// let now = SystemTime::now();
/// let page = Validators::new().with_tag(EntityTag::strong("v7").unwrap());
/// let mut headers = Headers::new();
/// headers.try_insert("if-none-match", "\"v6\", W/\"v7\"").unwrap();
/// assert_eq!(page.judge(&Method::GET, &headers, now), Verdict::NotModified);
/// assert_eq!(page.judge(&Method::PUT, &headers, now), Verdict::Failed);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Validators {
    is_absent: bool,
    tag: Option<EntityTag>,
    modified: Option<SystemTime>,
}

/// How it goes on with a request.
///
/// ```
/// use http::StatusCode;
/// use std::time::SystemTime;
/// use wireline::service::conditional::{EntityTag, Validators, Verdict};
/// use wireline::{Request, Response};
///
/// async fn page(request: Request) -> Response {
///     let tag = EntityTag::strong("v7").unwrap();
///     let page = Validators::new().with_tag(tag.clone());
///     let response = match page.judge(request.method(), request.headers(), SystemTime::now()) {
///         Verdict::Proceed | Verdict::IgnoreRange => Response::text("the page"),
///         Verdict::NotModified => Response::text("").with_status(StatusCode::NOT_MODIFIED),
///         Verdict::Failed => Response::text("").with_status(StatusCode::PRECONDITION_FAILED),
///     };
///     response.with_header("etag", tag.as_value())
/// }
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let mut request = Request::get("/");
/// request.headers_mut().try_insert("if-none-match", "\"v7\"").unwrap();
/// assert_eq!(page(request).await.status(), 304);
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Carry it out; of a `Range` what it says counts, if there is one.
    Proceed,
    /// Carry it out; its `Range` counts for nothing, because the client has parts of another state.
    IgnoreRange,
    /// 304: the client has it already.
    NotModified,
    /// 412: the resource is not what the client takes it for.
    Failed,
}

impl Validators {
    /// A resource that is there, and of which nothing else is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// A resource that is not there yet: `If-Match` fails, `If-None-Match` holds.
    pub fn absent() -> Self {
        Self {
            is_absent: true,
            ..Self::default()
        }
    }

    /// Its entity tag.
    #[must_use]
    pub fn with_tag(mut self, tag: EntityTag) -> Self {
        self.tag = Some(tag);
        self
    }

    /// When it was last changed. Of the time only whole seconds count.
    #[must_use]
    pub const fn with_modified(mut self, modified: SystemTime) -> Self {
        self.modified = Some(modified);
        self
    }

    /// Its entity tag.
    pub const fn tag(&self) -> Option<&EntityTag> {
        self.tag.as_ref()
    }

    /// When it was last changed.
    pub const fn modified(&self) -> Option<SystemTime> {
        self.modified
    }

    /// Judges the five preconditions in their order: `If-Match`, else `If-Unmodified-Since`; `If-None-Match`, else
    /// `If-Modified-Since`; `If-Range`.
    ///
    /// Of a list of entity tags the first [`MAX_TAGS`] are looked at. A longer one, and one that breaks the grammar,
    /// matches nothing that would save work or allow a change: `If-Match` fails, `If-None-Match` fails but for GET and
    /// HEAD, where the content is sent. A date that is none is ignored, as the RFC wants it.
    ///
    /// Source: RFC 9110 §13.1, §13.2.2.
    pub fn judge(&self, method: &Method, headers: &Headers, now: SystemTime) -> Verdict {
        let reads = matches!(*method, Method::GET | Method::HEAD);
        if headers.contains(IF_MATCH) {
            if self.matches(headers, IF_MATCH, true) != Match::Yes {
                return Verdict::Failed;
            }
        } else if let (Some(since), Some(modified)) =
            (date(headers, IF_UNMODIFIED_SINCE), self.modified)
            && seconds(modified) > since
        {
            return Verdict::Failed;
        }
        if headers.contains(IF_NONE_MATCH) {
            match self.matches(headers, IF_NONE_MATCH, false) {
                Match::No => {}
                Match::Unknown if reads => {}
                Match::Yes if reads => return Verdict::NotModified,
                Match::Yes | Match::Unknown => return Verdict::Failed,
            }
        } else if reads
            && let (Some(since), Some(modified)) = (date(headers, IF_MODIFIED_SINCE), self.modified)
            && seconds(modified) <= since
        {
            return Verdict::NotModified;
        }
        if *method == Method::GET && headers.contains(RANGE) && !self.may_continue(headers, now) {
            return Verdict::IgnoreRange;
        }
        Verdict::Proceed
    }

    /// Whether `If-Range` holds, or is not there (RFC 9110 §13.1.5: by the strong comparison, dates exactly).
    fn may_continue(&self, headers: &Headers, now: SystemTime) -> bool {
        let mut values = headers.get_all(IF_RANGE);
        let Some(value) = values.next() else {
            return true;
        };
        if values.next().is_some() {
            return false;
        }
        let value = value.as_bytes();
        if value.contains(&b'"') {
            let own = self.tag.as_ref().map(EntityTag::parts);
            return own.is_some_and(
                |own| matches!(read_tag(value), Some((tag, [])) if is_same(own, tag, true)),
            );
        }
        let text = std::str::from_utf8(value).unwrap_or_default();
        let (Ok(date), Some(modified)) = (httpdate::parse_http_date(text), self.modified) else {
            return false;
        };
        // A second in which it may have changed again names no one state (RFC 9110 §8.8.2.2).
        let is_strong = now.duration_since(modified).is_ok_and(|age| age >= SECOND);
        is_strong && seconds(date) == seconds(modified)
    }

    fn matches(&self, headers: &Headers, field: HeaderName, strong: bool) -> Match {
        let own = self.tag.as_ref().map(EntityTag::parts);
        let mut seen = 0;
        let mut values = headers.get_all(&field).peekable();
        if let Some(value) = values.peek()
            && value.as_bytes().trim_ascii() == b"*"
        {
            values.next();
            return match (values.next(), self.is_absent) {
                (Some(_), _) => Match::Unknown,
                (None, true) => Match::No,
                (None, false) => Match::Yes,
            };
        }
        for value in values {
            let mut rest = value.as_bytes();
            loop {
                rest = skip_commas(rest);
                if rest.is_empty() {
                    break;
                }
                seen += 1;
                let Some((tag, behind)) = read_tag(rest).filter(|_| seen <= MAX_TAGS) else {
                    return Match::Unknown;
                };
                if own.is_some_and(|own| is_same(own, tag, strong)) {
                    return Match::Yes;
                }
                rest = behind;
                if !rest.is_empty() && rest[0] != b',' {
                    return Match::Unknown;
                }
            }
        }
        Match::No
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Match {
    Yes,
    No,
    /// The list is malformed, or too long.
    Unknown,
}

/// The comparisons of RFC 9110 §8.8.3.2.
fn is_same(one: Tag<'_>, other: Tag<'_>, strong: bool) -> bool {
    one.1 == other.1 && !(strong && (one.0 || other.0))
}

/// An entity tag at the beginning, and what is behind it and its spaces.
fn read_tag(text: &[u8]) -> Option<(Tag<'_>, &[u8])> {
    let (is_weak, text) = match text.strip_prefix(b"W/") {
        Some(text) => (true, text),
        None => (false, text),
    };
    let inside = text.strip_prefix(b"\"")?;
    let end = inside.iter().position(|octet| *octet == b'"')?;
    if !inside[..end].iter().copied().all(is_tag_octet) {
        return None;
    }
    let (tag, behind) = text.split_at(end + 2);
    Some(((is_weak, tag), behind.trim_ascii_start()))
}

/// `etagc`.
const fn is_tag_octet(octet: u8) -> bool {
    octet == 0x21 || (octet >= 0x23 && octet != 0x7f)
}

/// Empty members of a list count for nothing (RFC 9110 §5.6.1.2).
fn skip_commas(text: &[u8]) -> &[u8] {
    let first = |octet: &u8| !matches!(octet, b',' | b' ' | b'\t');
    let from = text.iter().position(first).unwrap_or(text.len());
    &text[from..]
}

/// The second of a field that stands there once and is a date.
fn date(headers: &Headers, field: HeaderName) -> Option<u64> {
    let mut values = headers.get_all(field);
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    let text = std::str::from_utf8(value.as_bytes()).ok()?;
    httpdate::parse_http_date(text.trim_ascii())
        .ok()
        .map(seconds)
}

/// What a date on the wire can tell.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

/// The most entity tags of a list that are looked at.
pub const MAX_TAGS: usize = 256;

const SECOND: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(page: &Validators, method: Method, fields: &[(&'static str, &str)]) -> Verdict {
        let mut headers = Headers::new();
        for (name, value) in fields {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        page.judge(
            &method,
            &headers,
            UNIX_EPOCH + Duration::from_secs(2_000_000_000),
        )
    }

    #[test]
    fn lists_of_tags_are_read_with_care() {
        let page = Validators::new().with_tag(EntityTag::strong("a,b").unwrap());
        for (list, get, put) in [
            ("\"a,b\"", Verdict::NotModified, Verdict::Failed),
            ("\"x\" , ,W/\"a,b\"", Verdict::NotModified, Verdict::Failed),
            ("*", Verdict::NotModified, Verdict::Failed),
            ("\"a\",\"b\"", Verdict::Proceed, Verdict::Proceed),
            ("", Verdict::Proceed, Verdict::Proceed),
            // What is malformed saves nothing and allows nothing.
            ("a,b", Verdict::Proceed, Verdict::Failed),
            ("\"x\" \"a,b\"", Verdict::Proceed, Verdict::Failed),
            ("\"x\"\"a,b\"", Verdict::Proceed, Verdict::Failed),
            ("w/\"a,b\"", Verdict::Proceed, Verdict::Failed),
            ("\"a,b", Verdict::Proceed, Verdict::Failed),
            ("\"x\", *", Verdict::Proceed, Verdict::Failed),
        ] {
            let field = [("if-none-match", list)];
            assert_eq!(judge(&page, Method::GET, &field), get, "{list}");
            assert_eq!(judge(&page, Method::PUT, &field), put, "{list}");
        }
        let long = format!("{}\"a,b\"", "\"\",".repeat(MAX_TAGS));
        let last = format!("{}\"a,b\"", "\"\",".repeat(MAX_TAGS - 1));
        for (list, verdict) in [(long, Verdict::Proceed), (last, Verdict::NotModified)] {
            assert_eq!(
                judge(&page, Method::GET, &[("if-none-match", &list)]),
                verdict
            );
        }
    }

    #[test]
    fn what_is_not_there_can_be_made_once() {
        let nothing = Validators::absent();
        for (field, verdict) in [
            (("if-none-match", "*"), Verdict::Proceed),
            (("if-none-match", "\"a\""), Verdict::Proceed),
            (("if-match", "*"), Verdict::Failed),
            (("if-match", "\"a\""), Verdict::Failed),
        ] {
            assert_eq!(judge(&nothing, Method::PUT, &[field]), verdict, "{field:?}");
        }
    }
}
