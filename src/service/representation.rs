//! Content with validators: responses that honour preconditions and ranges.

use crate::resource::date::http_date;
use crate::service::body::Body;
use crate::service::conditional::{EntityTag, Validators, Verdict};
use crate::service::headers::Headers;
use crate::service::range::{ByteRange, Selection, select};
use crate::service::request::Parts;
use crate::service::response::Response;
use crate::wire::number::push_hex;
use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG,
    LAST_MODIFIED, RANGE, VARY,
};
use http::{HeaderValue, Method, StatusCode};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

/// Content that a handler has, with what tells clients whether they have it already.
///
/// [`respond`](Self::respond) answers GET and HEAD as RFC 9110 §13 and §14 want it: 304, 412, 206 with one range or
/// several (16 at the most), 416, or 200. For content that has to be made first, or for methods that change something,
/// ask [`Validators::judge`] before.
///
/// ```
/// use wireline::service::conditional::EntityTag;
/// use wireline::service::representation::Representation;
/// use wireline::{Request, Response, Router};
///
/// async fn report(request: Request) -> Response {
///     let report = Representation::new("id,name\n1,Ada\n", "text/csv; charset=utf-8");
///     match EntityTag::strong("revision-12") {
///         Some(tag) => report.with_tag(tag).respond(&request),
///         None => report.respond(&request),
///     }
/// }
/// let routes = Router::new().get("/report.csv", report).build();
/// # routes.unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Representation {
    content: Bytes,
    facts: Facts,
}

impl Representation {
    /// This content under a content type. One that cannot stand in a field makes the type `application/octet-stream`.
    pub fn new<V: TryInto<HeaderValue>>(content: impl Into<Bytes>, content_type: V) -> Self {
        let content = content.into();
        Self {
            facts: Facts {
                size: content.len() as u64,
                content_type: content_type.try_into().unwrap_or(OCTETS),
                validators: Validators::new(),
                cache_control: None,
                encoding: None,
                varies: false,
            },
            content,
        }
    }

    /// Its entity tag.
    #[must_use]
    pub fn with_tag(mut self, tag: EntityTag) -> Self {
        self.facts.validators = self.facts.validators.with_tag(tag);
        self
    }

    /// When it was last changed.
    #[must_use]
    pub fn with_modified(mut self, modified: SystemTime) -> Self {
        self.facts.validators = self.facts.validators.with_modified(modified);
        self
    }

    /// How long caches may keep it; a 304 says it, too.
    #[must_use]
    pub fn with_cache_control(mut self, value: HeaderValue) -> Self {
        self.facts.cache_control = Some(value);
        self
    }

    /// Answers a GET or a HEAD request.
    pub fn respond(self, request: &Parts) -> Response {
        let Self { content, facts } = self;
        let (response, send) = facts.answer(request, SystemTime::now());
        let slice = |range: ByteRange| {
            let from = usize::try_from(range.first).unwrap_or(content.len());
            let to = usize::try_from(range.last).map_or(content.len(), |last| last + 1);
            content.slice(from.min(content.len())..to.min(content.len()))
        };
        match send {
            Extent::Nothing => response,
            Extent::Whole => response.with_body(content.clone()),
            Extent::Range(range) => response.with_body(slice(range)),
            // Its parts do not overlap, so this is not longer than the content and some lines.
            Extent::Parts(parts) => {
                let mut whole = Vec::new();
                for (head, range) in parts.heads {
                    whole.extend_from_slice(&head);
                    whole.extend_from_slice(&slice(range));
                }
                whole.extend_from_slice(&parts.end);
                response.with_body(Body::full(whole))
            }
        }
    }
}

/// What is known of content that lies somewhere.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) size: u64,
    pub(crate) content_type: HeaderValue,
    pub(crate) validators: Validators,
    pub(crate) cache_control: Option<HeaderValue>,
    pub(crate) encoding: Option<HeaderValue>,
    /// Whether another `Accept-Encoding` may lead to other content.
    pub(crate) varies: bool,
}

/// What of the content belongs into the response.
pub(crate) enum Extent {
    Nothing,
    Whole,
    Range(ByteRange),
    Parts(Multipart),
}

/// Content of `multipart/byteranges` (RFC 9110 §14.6).
pub(crate) struct Multipart {
    /// What stands before each range.
    pub(crate) heads: Vec<(Bytes, ByteRange)>,
    pub(crate) end: Bytes,
    /// The octets of everything together.
    #[allow(dead_code, reason = "only files ask for it, and they are optional")]
    pub(crate) length: u64,
}

impl Facts {
    /// The response to a GET or a HEAD request, as yet without content, and what belongs into it.
    pub(crate) fn answer(self, request: &Parts, now: SystemTime) -> (Response, Extent) {
        let (method, headers) = (request.method(), request.headers());
        let verdict = self.validators.judge(method, headers, now);
        let selection = match verdict {
            Verdict::Failed => {
                let response = Response::text("the precondition is not met")
                    .with_status(StatusCode::PRECONDITION_FAILED);
                return (response, Extent::Nothing);
            }
            Verdict::NotModified => {
                let mut response = Response::default().with_status(StatusCode::NOT_MODIFIED);
                self.cached(response.headers_mut(), false, now);
                return (response, Extent::Nothing);
            }
            Verdict::Proceed if *method == Method::GET => selected(headers, self.size),
            Verdict::Proceed | Verdict::IgnoreRange => Selection::Whole,
        };
        let (status, send) = match selection {
            Selection::Whole => (StatusCode::OK, Extent::Whole),
            Selection::One(range) => (StatusCode::PARTIAL_CONTENT, Extent::Range(range)),
            Selection::Several(ranges) => (
                StatusCode::PARTIAL_CONTENT,
                Extent::Parts(self.parts(ranges)),
            ),
            Selection::Unsatisfiable => {
                let response = Response::text("no such range")
                    .with_status(StatusCode::RANGE_NOT_SATISFIABLE)
                    .with_header(CONTENT_RANGE, format!("bytes */{}", self.size));
                return (response, Extent::Nothing);
            }
        };
        let content_type = match &send {
            Extent::Parts(parts) => parts.content_type(),
            _ => self.content_type.clone(),
        };
        let mut response = Response::typed(content_type, Body::empty()).with_status(status);
        let fields = response.headers_mut();
        fields.append(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        if let Extent::Range(range) = &send {
            fields.append(CONTENT_RANGE, content_range(*range, self.size));
        }
        self.cached(fields, true, now);
        if let Some(encoding) = self.encoding {
            fields.append(CONTENT_ENCODING, encoding);
        }
        if *method == Method::HEAD {
            fields.append(CONTENT_LENGTH, HeaderValue::from(self.size));
            return (response, Extent::Nothing);
        }
        (response, send)
    }

    /// What caches live by (RFC 9110 §15.4.5 for 304).
    fn cached(&self, fields: &mut Headers, whole: bool, now: SystemTime) {
        let tag = self.validators.tag();
        if let Some(tag) = tag {
            fields.append(ETAG, tag.as_value().clone());
        }
        // No date of the future (RFC 9110 §8.8.2.1), and none before 1970, which `httpdate` cannot write.
        let is_date = |modified: &SystemTime| (UNIX_EPOCH..=now).contains(modified);
        if let Some(modified) = self.validators.modified().filter(is_date)
            && (whole || tag.is_none())
            && let Ok(date) = HeaderValue::try_from(http_date(modified))
        {
            fields.append(LAST_MODIFIED, date);
        }
        if let Some(value) = &self.cache_control {
            fields.append(CACHE_CONTROL, value.clone());
        }
        if self.varies {
            fields.append(VARY, HeaderValue::from_static("accept-encoding"));
        }
    }

    fn parts(&self, ranges: Vec<ByteRange>) -> Multipart {
        let mut boundary = Vec::new();
        // Nobody who wrote the content could know it.
        for _ in 0..2 {
            push_hex(&mut boundary, RandomState::new().build_hasher().finish());
        }
        let mut length = 0;
        let mut between: &[u8] = b"";
        let heads = ranges
            .into_iter()
            .map(|range| {
                let head = [
                    between,
                    b"--",
                    &boundary,
                    b"\r\ncontent-type: ",
                    self.content_type.as_bytes(),
                    b"\r\ncontent-range: ",
                    content_range(range, self.size).as_bytes(),
                    b"\r\n\r\n",
                ]
                .concat();
                between = b"\r\n";
                length += head.len() as u64 + range.count();
                (Bytes::from(head), range)
            })
            .collect();
        let end = [b"\r\n--", &boundary[..], b"--\r\n"].concat();
        Multipart {
            heads,
            length: length + end.len() as u64,
            end: end.into(),
        }
    }
}

impl Multipart {
    fn content_type(&self) -> HeaderValue {
        let boundary = self.end.trim_ascii();
        let boundary = &boundary[2..boundary.len() - 2];
        HeaderValue::try_from([b"multipart/byteranges; boundary=", boundary].concat())
            .unwrap_or(OCTETS)
    }
}

/// What `Range` says, if it stands there once.
fn selected(headers: &Headers, size: u64) -> Selection {
    let mut values = headers.get_all(RANGE);
    match (values.next(), values.next()) {
        (Some(value), None) => select(value.as_bytes(), size),
        _ => Selection::Whole,
    }
}

fn content_range(range: ByteRange, size: u64) -> HeaderValue {
    HeaderValue::try_from(format!("bytes {}-{}/{size}", range.first, range.last))
        .unwrap_or_else(|_| HeaderValue::from_static("bytes */*"))
}

const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");
