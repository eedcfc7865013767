//! The layer that compresses responses.

use super::eligible::{self, Rules};
use super::encoded::{Encoded, WHOLE};
use super::encoder::Effort;
use super::workshop::Workshop;
use super::zstd;
use crate::service::body::Body;
use crate::service::layer::{Before, Layer, Note, Place};
use crate::service::request::Request;
use crate::service::response::Response;
use crate::wire::coding::{Coding, preferred};
use http::{Method, StatusCode};
use std::fmt;
use std::sync::{Arc, OnceLock};

/// Compresses responses in a coding that the client accepts.
///
/// Off unless a router is given one. The client's `Accept-Encoding` decides by its weights; at equal ones brotli comes
/// first, then zstd (feature `zstd`), then gzip. See [`preferred`].
///
/// Left alone are: content of less than 256 octets; images but SVG, video, audio, archives and web fonts, which are compressed already;
/// event streams; what sets a cookie, and what answers a request with `Authorization`; what has a `Content-Encoding` or a digest of its content; 206 and whatever has a `Content-Range`; answers
/// without content; and what says `Cache-Control: no-transform` (RFC 9111 section 5.2.2.6) or is marked [`NoCompression`].
///
/// A compressed response has `Content-Encoding`, no `Accept-Ranges`, a weak `ETag` where it had a strong one, and its
/// right `Content-Length` or none. `Vary: Accept-Encoding` is also on what another client would get compressed. A HEAD request
/// is answered with the fields that GET has, but for a length that only compressing would tell.
///
/// Content that is here whole and takes less than 100 microseconds, [a few KiB](Self::brotli), is compressed at once; if that
/// makes it no smaller it goes out as it was. Longer content is compressed on a thread for what blocks, a stream piece by
/// piece as the client takes it, and flushed whenever its writer pauses: nothing that was written waits for more. All jobs
/// of a process together run on as many threads as there are cores, and a job whose client is gone stops.
///
/// # Secrets
///
/// Whoever can put text of their own into a response beside a secret, and see how long the response is, can find the
/// secret out, over TLS, too (BREACH). A response that sets a cookie is never compressed, one to a request with
/// `Authorization` only where you [say so](Self::authorized). Answers to requests with `Cookie` are by default: mark those that hold a
/// secret [`NoCompression`], or [spare them all](Self::spare_secrets).
///
/// ```
/// use wireline::layer::compression::Compression;
/// use wireline::router::Router;
///
/// let routes = Router::new()
///     .layer(Compression::new())
///     .get("/report", async || "a long report ".repeat(100))
///     .nest("/account", Router::new().layer(Compression::off()).get("/", async || "a secret"))
///     .build();
/// assert!(routes.is_ok());
/// ```
pub struct Compression {
    is_on: bool,
    offered: Vec<Coding>,
    effort: Effort,
    rules: Rules,
    padding: u16,
    most_streams: usize,
    /// Made of the rest when the first request comes.
    workshop: OnceLock<Arc<Workshop>>,
}

impl Compression {
    /// Compression with the defaults.
    pub fn new() -> Self {
        Self {
            is_on: true,
            offered: vec![Coding::Brotli, Coding::Zstd, Coding::Gzip],
            effort: Effort {
                brotli: 4,
                gzip: 6,
                zstd: 3,
            },
            rules: Rules {
                least: 256,
                event_streams: false,
                authorized: false,
                spares_secrets: false,
            },
            padding: 0,
            most_streams: 256,
            workshop: OnceLock::new(),
        }
        .settled()
    }

    /// None, for a group inside a router that has one.
    pub fn off() -> Self {
        Self {
            is_on: false,
            ..Self::new()
        }
    }

    /// The codings that are offered, the first preferred among those that a client likes equally. zstd is passed over without
    /// its feature, and so is deflate. With none of them nothing is compressed.
    #[must_use]
    pub fn codings(mut self, codings: impl IntoIterator<Item = Coding>) -> Self {
        self.offered = codings.into_iter().collect();
        self.settled()
    }

    /// The quality of brotli, 0 to 11; a higher one counts as 11. Default 4, with a window of 256 KiB, or of the power of two that holds the content.
    ///
    /// Up to quality 4 responses of at most 4 KiB are compressed on the event loop, at 5 of 2 KiB, up to 9 of 512 octets, and
    /// above none. 100 KB of JSON come to 16.1 KB in 1.0 ms at 4, and to 15.3 KB in 2.0 ms at 5.
    #[must_use]
    pub fn brotli(mut self, quality: u8) -> Self {
        self.effort.brotli = quality.min(11);
        self
    }

    /// The level of gzip, 0 to 9; a higher one counts as 9. Default 6.
    ///
    /// Up to level 6 responses of at most 8 KiB are compressed on the event loop, above of 2 KiB.
    #[must_use]
    pub fn gzip(mut self, level: u8) -> Self {
        self.effort.gzip = level.min(9);
        self
    }

    /// The level of zstd, 1 to 19; a lower or a higher one counts as the nearest. Default 3.
    ///
    /// Up to level 3 responses of at most 16 KiB are compressed on the event loop, up to 6 of 2 KiB, above none.
    #[must_use]
    pub fn zstd(mut self, level: u8) -> Self {
        self.effort.zstd = level.clamp(1, 19);
        self
    }

    /// The fewest octets of content that are compressed, where its length is known. Default 256; 0 counts as 1.
    #[must_use]
    pub fn min_size(mut self, octets: u64) -> Self {
        self.rules.least = octets.max(1);
        self
    }

    /// Whether `text/event-stream` is compressed, too. Default no: some clients and proxies hold compressed events back.
    #[must_use]
    pub fn event_streams(mut self, compressed: bool) -> Self {
        self.rules.event_streams = compressed;
        self
    }

    /// Whether answers to requests with `Authorization` are compressed. Default no: they hold what only one client may see.
    ///
    /// Say yes where no response has both a secret and text that somebody else chooses, as an API that gives its clients
    /// their own data mostly has not.
    ///
    /// ```
    /// use wireline::layer::compression::Compression;
    /// use wireline::Router;
    ///
    /// let api = Router::new()
    ///     .layer(Compression::new().authorized(true))
    ///     .get("/orders", async || "[]");
    /// # api.build().unwrap();
    /// ```
    #[must_use]
    pub fn authorized(mut self, compressed: bool) -> Self {
        self.rules.authorized = compressed;
        self
    }

    /// Whether answers to requests with `Cookie` go out as they are, too, and those to requests with `Authorization` whatever
    /// [`authorized`](Self::authorized) says. Default no: that would be nearly everything that a signed-in browser asks for.
    /// Other answers are compressed all the same, and responses that set a cookie never are.
    #[must_use]
    pub fn spare_secrets(mut self, spared: bool) -> Self {
        self.rules.spares_secrets = spared;
        self
    }

    /// Adds a random number of octets, up to `most`, to everything that is compressed, so that its length tells less. Default 0.
    /// zstd, which has no place for them that every client passes over, is not offered then.
    ///
    /// This makes the guesses of [BREACH](Self#secrets) dearer, by the square of `most`, and does not prevent them:
    /// lengths are averaged. Where there is a secret do not compress.
    #[must_use]
    pub fn hide_length(mut self, most: u16) -> Self {
        self.padding = most;
        self.settled()
    }

    /// The most streams, and responses of more than 1 MiB, that are compressed at the same time. Default 256; what comes
    /// beyond goes out as it is.
    ///
    /// Each holds an encoder until it ends or its client is gone: 2 MiB for brotli, 270 KiB for gzip, 1.8 MiB for
    /// zstd at level 3 and 82 MiB at 19, which no connection is charged for. Responses that are here whole, up to 1 MiB, do not count: their encoders live no longer than a job.
    #[must_use]
    pub fn max_streams(mut self, streams: usize) -> Self {
        self.most_streams = streams;
        self
    }

    /// Passes over what cannot be offered.
    fn settled(mut self) -> Self {
        let has_zstd = zstd::IS_HERE && self.padding == 0;
        self.offered.retain(|coding| match coding {
            Coding::Brotli | Coding::Gzip => true,
            Coding::Zstd => has_zstd,
            Coding::Deflate => false,
        });
        self
    }

    fn workshop(&self) -> &Arc<Workshop> {
        let make = || Workshop::new(self.effort, self.padding, self.most_streams);
        self.workshop.get_or_init(|| Arc::new(make()))
    }

    /// Compresses a response that is eligible.
    fn compress(&self, response: &mut Response, coding: Coding, is_head: bool) {
        let workshop = self.workshop();
        let mut place = None;
        match response.body().as_bytes() {
            Some(content) if !content.is_empty() && content.len() <= workshop.inline(coding) => {
                let Some(coded) = workshop.compress(coding, content) else {
                    return;
                };
                if coded.len() < content.len() || self.padding > 0 {
                    eligible::encode(response.headers_mut(), coding);
                    *response.body_mut() = Body::full(coded);
                }
                return;
            }
            _ if is_head => {
                eligible::encode(response.headers_mut(), coding);
                // Of no known length, as what GET gets.
                *response.body_mut() = Body::from_chunks(std::iter::empty());
                return;
            }
            Some(content) if content.len() <= WHOLE => {}
            _ => match workshop.stream() {
                None => return,
                taken => place = taken,
            },
        }
        eligible::encode(response.headers_mut(), coding);
        let source = std::mem::take(response.body_mut());
        *response.body_mut() = Body::over(Encoded::new(source, coding, workshop, place), None);
    }
}

impl Default for Compression {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compression")
            .field("is_on", &self.is_on)
            .field("offered", &self.offered)
            .field("effort", &self.effort)
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

impl Layer for Compression {
    fn place(&self) -> Place {
        Place::Compression
    }

    fn replaces_outer(&self) -> bool {
        true
    }

    fn before(&self, request: &mut Request, note: &mut Note) -> Before {
        // A successful CONNECT has no content, but a tunnel.
        if !self.is_on || *request.method() == Method::CONNECT {
            return Before::Go;
        }
        let headers = request.headers();
        let lines = headers.get_all("accept-encoding");
        let wanted = preferred(lines.map(|line| line.as_bytes()), &self.offered);
        let is_spared = eligible::is_spared(headers, &self.rules);
        let wanted = wanted.map_or(0, |coding| 1 + coding as u64);
        let is_head = *request.method() == Method::HEAD;
        *note = Note::Number(
            wanted | if is_head { HEAD } else { 0 } | if is_spared { SPARED } else { 0 },
        );
        Before::Go
    }

    fn after(&self, note: &mut Note, response: &mut Response) {
        let Note::Number(noted) = note else { return };
        let wanted = [Coding::Brotli, Coding::Zstd, Coding::Gzip]
            .into_iter()
            .find(|coding| *noted & CODING == 1 + *coding as u64)
            .filter(|_| *noted & SPARED == 0);
        if response.status() == StatusCode::NOT_MODIFIED {
            // RFC 9110 section 15.4.5: as on the 200 that the client keeps, which may have been compressed.
            eligible::say_varies(response.headers_mut());
            if wanted.is_some() {
                eligible::weaken(response.headers_mut());
            }
            return;
        }
        let is_head = *noted & HEAD != 0;
        let length = eligible::length(response, is_head);
        if self.offered.is_empty() || !eligible::is_eligible(response, length, &self.rules) {
            return;
        }
        eligible::say_varies(response.headers_mut());
        if let Some(coding) = wanted {
            self.compress(response, coding, is_head);
        }
    }
}

/// Marks a response that [`Compression`] shall leave alone, in its extensions.
///
/// ```
/// use wireline::layer::compression::NoCompression;
/// use wireline::Response;
///
/// async fn form() -> Response {
///     let mut response = Response::html("what you searched for, beside a token");
///     response.extensions_mut().insert(NoCompression);
///     response
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoCompression;

/// The wanted coding in a note, one more than its number.
const CODING: u64 = 0xf;
/// The method is HEAD.
const HEAD: u64 = 0x10;
/// The request has a secret, and those are spared.
const SPARED: u64 = 0x20;
