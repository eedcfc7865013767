//! The access log: a line for every request, written apart from the threads that answer.
//!
//! ```text
//!   before ── Record ── after ── end of the content ── line ──(bounded queue)──> writer thread ── sink
//!                │                                              └─ full: dropped and counted
//!                └─ dropped without an answer: a line that says so
//! ```

mod line;
mod redact;
mod writer;

pub use self::writer::LogHandle;

use self::line::Record;
use self::writer::Queue;
use crate::layer::ending::on_end;
use crate::service::layer::{Before, Layer, Note, Place};
use crate::service::request::Request;
use crate::service::response::Response;
use http::Method;
use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

/// Writes a line for every request to a sink: a file, standard output, a pipe.
///
/// A line is made when the content of the response has ended, so that it has the octets that were sent and the time that
/// it took. Lines go through a queue to a thread of their own. A sink that blocks or fails, a full disk for one, keeps
/// nobody waiting: what does not fit into the queue of 8 MiB is dropped and counted ([`LogHandle::dropped`]).
///
/// What clients send is escaped: a line stays one line, and nothing in it reaches a terminal as a control sequence or
/// turns the direction of its text. A value is cut after 1,024 octets. Queries, that of the Referer among them, are
/// left out, because tokens travel in them; [`queries`](Self::queries) lets them in. The client is the one that
/// [trusted proxies](crate::server::Server::trusted_proxies) name. The user is the id of the
/// [`CurrentUser`](crate::service::user::CurrentUser), where there is one: the one that [`Auth`](crate::layer::auth::Auth) has
/// found, that [`put_into`](crate::service::user::CurrentUser::put_into) was told, or that a handler took as an argument.
///
/// A request that opens a WebSocket has its line when it is answered, with 101, over HTTP/2, too. A request whose handler
/// never answered, because its client went away, has a line without a status; one whose handler panicked has the 500 that
/// its client got.
///
/// ```no_run
/// use wireline::Router;
/// use wireline::layer::access_log::{AccessLog, Format};
///
/// let file = std::fs::File::options().append(true).create(true).open("access.log")?;
/// let log = AccessLog::new(file)?.format(Format::Json).skip("/health");
/// let routes = Router::new().layer(log).get("/", async || "hello").build().unwrap();
/// # let _ = routes;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct AccessLog {
    queue: Arc<Queue>,
    settings: Arc<Settings>,
}

#[derive(Clone, Default)]
struct Settings {
    format: Format,
    queries: bool,
    /// Parameters whose values are left out, beside those that always are.
    redacted: Vec<Box<str>>,
    skipped: Vec<Box<str>>,
    skip_when: Option<SkipWhen>,
}

/// Whether a request has no line.
type SkipWhen = Arc<dyn Fn(&Request) -> bool + Send + Sync>;

/// How a line looks.
///
/// ```
/// use wireline::layer::access_log::{AccessLog, Format};
///
/// let log = AccessLog::new(std::io::stderr())?.format(Format::Json);
/// # let _ = log;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// `127.0.0.1 - ada [22/Nov/2026:04:17:30 +0000] "GET /users/7 HTTP/1.1" 200 42`: the Common Log Format. It has no host: where one
    /// server has several, take `Json`, or a log for each.
    Common,
    /// The same with the Referer and the User-Agent at its end, both in quotes.
    #[default]
    Combined,
    /// An object of JSON with `time`, `client`, `user`, `method`, `host`, `path`, `query` (where there is one), `protocol`, `route`,
    /// `status`, `bytes`, `duration_ms`, `outcome`, `request_id`, `referer` and `user_agent`.
    ///
    /// `time` is when the request's head had come. `outcome` is `complete`; `cut` when the content ended early;
    /// `upgraded`; or `unanswered`, and then `status` is `null`.
    Json,
}

impl AccessLog {
    /// A log in [`Format::Combined`].
    ///
    /// Its thread ends when the layer and all its handles are gone and the queue is empty.
    ///
    /// # Errors
    ///
    /// When the thread cannot be started.
    pub fn new(sink: impl Write + Send + 'static) -> io::Result<Self> {
        Ok(Self {
            queue: Arc::new(Queue::start(Box::new(sink))?),
            settings: Arc::default(),
        })
    }

    /// Lines that look like this.
    #[must_use]
    pub fn format(mut self, format: Format) -> Self {
        Arc::make_mut(&mut self.settings).format = format;
        self
    }

    /// Whether queries are written, that of the Referer among them. Off by default. Parameters `token` and `access_token` have
    /// `[redacted]` for a value all the same, and those of [`redact`](Self::redact).
    #[must_use]
    pub fn queries(mut self, on: bool) -> Self {
        Arc::make_mut(&mut self.settings).queries = on;
        self
    }

    /// Another parameter of queries whose value is never written: the one of
    /// [`ApiKeys::query`](https://docs.rs/wireline/latest/wireline/layer/auth/struct.ApiKeys.html#method.query), for one. Names
    /// have no case here.
    ///
    /// ```
    /// use wireline::layer::access_log::AccessLog;
    ///
    /// let log = AccessLog::new(std::io::stdout())?.queries(true).redact("key").redact("signature");
    /// # let _ = log;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn redact(mut self, name: &str) -> Self {
        Arc::make_mut(&mut self.settings).redacted.push(name.into());
        self
    }

    /// Writes nothing for this path, or for the route with this pattern: `/health`.
    #[must_use]
    pub fn skip(mut self, path: &str) -> Self {
        Arc::make_mut(&mut self.settings).skipped.push(path.into());
        self
    }

    /// Writes nothing for requests of which this says so.
    ///
    /// ```
    /// use wireline::layer::access_log::AccessLog;
    ///
    /// let log = AccessLog::new(std::io::stdout())?.skip_when(|request| request.path().starts_with("/static/"));
    /// # let _ = log;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn skip_when(mut self, skip: impl Fn(&Request) -> bool + Send + Sync + 'static) -> Self {
        Arc::make_mut(&mut self.settings).skip_when = Some(Arc::new(skip));
        self
    }

    /// Where to ask what was dropped, and to wait for what was not yet written.
    pub fn handle(&self) -> LogHandle {
        LogHandle::new(self.queue.clone())
    }

    fn skips(&self, request: &Request) -> bool {
        let skipped = &self.settings.skipped;
        let named = |path: &str| skipped.iter().any(|skipped| **skipped == *path);
        let is_named = !skipped.is_empty()
            && (named(request.path()) || request.matched_pattern().is_some_and(named));
        is_named || (self.settings.skip_when.as_ref()).is_some_and(|skip| skip(request))
    }
}

impl fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessLog")
            .field("format", &self.settings.format)
            .field("queries", &self.settings.queries)
            .field("skipped", &self.settings.skipped)
            .finish_non_exhaustive()
    }
}

impl Layer for AccessLog {
    fn place(&self) -> Place {
        Place::AccessLog
    }

    fn before(&self, request: &mut Request, note: &mut Note) -> Before {
        if !self.skips(request) {
            *note = Note::any(Pending {
                record: Record::of(request, &self.settings),
                is_head: *request.method() == Method::HEAD,
                log: Some(self.clone()),
            });
        }
        Before::Go
    }

    fn after(&self, note: &mut Note, response: &mut Response) {
        let Note::Any(pending) = note.take() else {
            return;
        };
        if let Ok(mut pending) = pending.downcast::<Pending>() {
            let (status, is_head) = (response.status(), pending.is_head);
            on_end(response, is_head, move |ended| {
                pending.write(Some(status), ended.octets, ended.whole);
            });
        }
    }
}

/// A line that is still to be written.
struct Pending {
    record: Record,
    is_head: bool,
    /// `None` once it was.
    log: Option<AccessLog>,
}

impl Pending {
    fn write(&mut self, status: Option<http::StatusCode>, octets: u64, whole: bool) {
        if let Some(log) = self.log.take() {
            let line = self.record.line(log.settings.format, status, octets, whole);
            log.queue.send(line);
        }
    }
}

impl Drop for Pending {
    /// The handler never answered.
    fn drop(&mut self) {
        self.write(None, 0, false);
    }
}

const REDACTED: &[u8] = b"[redacted]";
