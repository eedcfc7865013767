//! The layer that decompresses requests.

use super::decoded::{Decoded, SLICE};
use super::decoder::Decoder;
use super::zstd;
use crate::service::body::Body;
use crate::service::headers::Headers;
use crate::service::layer::{Before, Layer, Note, Place};
use crate::service::request::{Charge, Request};
use crate::service::response::Response;
use crate::wire::coding::{Coding, applied};
use http::StatusCode;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH};

/// Decompresses the content of requests that say `Content-Encoding`, so that handlers and extractors see it as it was.
///
/// Off unless a router is given one: without it a handler gets the coded octets and the field. It takes one coding out of
/// brotli, zstd (feature `zstd`), gzip and deflate (the zlib format); anything else, and more than one, is 415
/// with an `Accept-Encoding` that says what is taken (RFC 9110 section 15.5.16).
///
/// Content is decoded in slices of 16 KiB while it is read, and never becomes more than the body limit of its route, else of the
/// [layer](Self::max_body), else of the server, nor, past 64 KiB, more than a hundred times what came: then reading it fails
/// with [`TooLarge`](crate::service::body::BodyError::TooLarge) (413). Malformed content, content that is cut short and
/// anything behind its end are 400. Several members of gzip, and frames of zstd, are one content. Content that is short enough is decoded before the handler runs. The route's limit holds for the octets that come, too.
/// `Content-Encoding` and `Content-Length` are removed.
///
/// ```
/// use wireline::layer::compression::Decompression;
/// use wireline::router::Router;
///
/// let routes = Router::new()
///     .nest("/ingest", Router::new().layer(Decompression::new()).max_body(1024 * 1024).post("/", async |events: String| {
///         events.lines().count().to_string()
///     }))
///     .build();
/// assert!(routes.is_ok());
/// ```
#[derive(Debug)]
pub struct Decompression {
    taken: Vec<Coding>,
    max_body: Option<u64>,
}

impl Decompression {
    /// Decompression with the defaults.
    pub fn new() -> Self {
        Self::of(vec![
            Coding::Brotli,
            Coding::Zstd,
            Coding::Gzip,
            Coding::Deflate,
        ])
    }

    /// None, for a group inside a router that has one: it gets what comes.
    pub const fn off() -> Self {
        Self {
            taken: Vec::new(),
            max_body: None,
        }
    }

    /// The codings that are taken. zstd is passed over without its feature.
    #[must_use]
    pub fn codings(self, codings: impl IntoIterator<Item = Coding>) -> Self {
        Self {
            max_body: self.max_body,
            ..Self::of(codings.into_iter().collect())
        }
    }

    /// The most octets that content becomes on routes whose routers have no [limit](crate::router::Router::max_body) of their
    /// own. Default: as many as the server lets through of what comes, [`Server::max_body`](crate::Server::max_body), 10 MiB.
    #[must_use]
    pub fn max_body(mut self, octets: u64) -> Self {
        self.max_body = Some(octets);
        self
    }

    fn of(mut taken: Vec<Coding>) -> Self {
        taken.retain(|coding| *coding != Coding::Zstd || zstd::IS_HERE);
        Self {
            taken,
            max_body: None,
        }
    }

    /// The most octets that the content of a request becomes: the route's limit, the layer's, the server's, the first that
    /// there is.
    fn most(&self, request: &Request) -> u64 {
        let route = request.route();
        let own = route.facts().and_then(|facts| facts.max_body);
        own.or(self.max_body)
            .or_else(|| route.max_body())
            .unwrap_or(MOST)
    }

    fn refuse(&self) -> Response {
        let names: Vec<_> = self.taken.iter().map(|coding| coding.name()).collect();
        let names = names.join(", ");
        Response::text(format!("the Content-Encoding must be one of: {names}"))
            .with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
            .with_header(ACCEPT_ENCODING, names)
    }
}

impl Default for Decompression {
    fn default() -> Self {
        Self::new()
    }
}

impl Layer for Decompression {
    fn place(&self) -> Place {
        Place::Compression
    }

    fn replaces_outer(&self) -> bool {
        true
    }

    fn before(&self, request: &mut Request, _: &mut Note) -> Before {
        if self.taken.is_empty() || !request.headers().contains(CONTENT_ENCODING) {
            return Before::Go;
        }
        let coding = match coding(request.headers()) {
            Ok(None) => None,
            Ok(Some(coding)) if self.taken.contains(&coding) => Some(coding),
            _ => return Before::Answer(self.refuse()),
        };
        let headers = request.headers_mut();
        headers.remove(CONTENT_ENCODING);
        let Some(coding) = coding else {
            return Before::Go;
        };
        headers.remove(CONTENT_LENGTH);
        if request.body().is_empty() {
            return Before::Go;
        }
        let most = self.most(request);
        let whole = request.body().as_bytes();
        let content = whole.and_then(|coded| at_once(coded, coding, most));
        let charge = || {
            let extensions = request.extensions()?;
            extensions.get().map(|Charge(feed)| feed.clone())
        };
        let feed = request.body().feed().or_else(charge);
        if let Some(content) = content {
            if let Some(feed) = feed {
                feed.set_collected(content.len());
            }
            *request.body_mut() = Body::full(content);
        } else if let Some(decoder) = Decoder::new(coding, most) {
            let source = request.take_body();
            let decoded = Decoded::new(source, decoder, feed.clone());
            *request.body_mut() = Body::over(decoded, feed);
        } else {
            return Before::Answer(self.refuse());
        }
        Before::Go
    }
}

/// The one coding that was applied, if any. An error is more than one, or none that is known.
fn coding(headers: &Headers) -> Result<Option<Coding>, ()> {
    let lines = headers.get_all(CONTENT_ENCODING);
    let mut names = applied(lines.map(|line| line.as_bytes()));
    let Some(name) = names.next() else {
        return Ok(None);
    };
    match (name.and_then(Coding::named), names.next()) {
        (Some(coding), None) => Ok(Some(coding)),
        _ => Err(()),
    }
}

/// The whole content, if all is well and it fits into one slice. What is wrong with it is found when it is read.
fn at_once(coded: &[u8], coding: Coding, most: u64) -> Option<Vec<u8>> {
    if coded.len() > SLICE {
        return None;
    }
    let mut decoder = Decoder::new(coding, most)?;
    let mut out = vec![0; SLICE];
    let step = decoder.decode(coded, &mut out).ok()?;
    if step.taken < coded.len() || decoder.finish().is_err() {
        return None;
    }
    out.truncate(step.given);
    out.shrink_to_fit();
    Some(out)
}

/// A server's default for the content of requests, for those that did not come over a connection.
const MOST: u64 = 10 * 1024 * 1024;
