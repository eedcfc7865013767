//! From a request to a response.

use crate::files::body::{CHUNK, FileBody};
use crate::files::kind;
use crate::files::listing;
use crate::files::path::{is_path, resolve};
use crate::files::precompressed::{accepted, suffix};
use crate::files::root::{Found, Kind, Miss, Root};
use crate::files::{Files, Mount};
use crate::service::body::Body;
use crate::service::conditional::{EntityTag, Validators};
use crate::service::handler::{Handler, RouteCheck};
use crate::service::representation::{Extent, Facts};
use crate::service::request::{Parts, Request};
use crate::service::response::Response;
use crate::wire::coding::Coding;
use http::header::{ALLOW, RETRY_AFTER, VARY};
use http::{HeaderValue, Method, StatusCode};
use std::convert::Infallible;
use std::time::{Duration, SystemTime};

/// Marks [`Files`] as a handler.
///
/// A router takes files as a fallback by it, too:
///
/// ```
/// use wireline::Router;
/// use wireline::files::Files;
///
/// # std::env::set_current_dir(env!("CARGO_MANIFEST_DIR")).unwrap();
/// let site = Router::new().get("/health", async || "ok").fallback(Files::new("docs"));
/// # site.build().unwrap();
/// ```
#[derive(Debug)]
pub struct ViaFiles(Infallible);

impl Handler<ViaFiles> for Files {
    async fn call(self, request: Request) -> Response {
        let (parts, _body) = request.into_parts();
        let mount = &*self.mount;
        mount.respond(&parts, mount.only.as_deref()).await
    }

    fn check(_: &RouteCheck<'_>) -> Result<(), String> {
        Ok(())
    }

    fn ready(&self) -> Result<(), String> {
        let mount = &*self.mount;
        let mut problems = mount.problems.clone();
        problems.extend(mount.root.as_ref().err().cloned());
        if problems.is_empty() || mount.is_told {
            return Ok(());
        }
        Err(problems.join("; "))
    }
}

impl Files {
    /// The response with one file, for a handler that has decided that the client may have it, or which.
    ///
    /// `path` is that of the file in the directory, with `/` between names and without escapes; it may come from the client,
    /// for what would lead out of the directory is not there. Conditions, ranges, [`precompressed`](Self::precompressed) siblings
    /// and fields are as for all files. What is missing, a directory and, unless [`dotfiles`](Self::dotfiles) is set, a name
    /// that begins with a dot are 404; a method other than GET and HEAD is 405.
    ///
    /// Nothing but a router tells when it is built that the directory is not there: here every response is 500 then.
    ///
    /// Cancel safe: nothing was changed.
    ///
    /// ```
    /// use wireline::extract::{Path, State};
    /// use wireline::files::Files;
    /// use wireline::{Request, Response, Router};
    /// use http::StatusCode;
    ///
    /// async fn report(State(reports): State<Files>, Path(number): Path<u32>, request: Request) -> Response {
    ///     if request.header("authorization").is_none() {
    ///         return Response::text("who are you?").with_status(StatusCode::UNAUTHORIZED);
    ///     }
    ///     reports.send(&request, &format!("{number}.pdf")).await
    /// }
    ///
    /// # std::env::set_current_dir(env!("CARGO_MANIFEST_DIR")).unwrap();
    /// let routes = Router::new()
    ///     .get("/reports/{number}", report)
    ///     .state(Files::new("docs"))
    ///     .build();
    /// # routes.unwrap();
    /// ```
    pub async fn send(&self, request: &Parts, path: &str) -> Response {
        self.mount.respond(request, Some(path)).await
    }

    /// The same, on a route that leaves it to another to tell what is wrong.
    pub(super) fn told(&self) -> Self {
        let mut told = self.clone();
        told.mount_mut().is_told = true;
        told
    }
}

impl Mount {
    /// The response, for what a request's path names or for one file. What is changed while it is read is read anew.
    async fn respond(&self, parts: &Parts, only: Option<&str>) -> Response {
        let mut served = self.answer(parts, only).await;
        for _ in 0..RETRIES {
            if !matches!(served, Err(Miss::Changed)) {
                break;
            }
            served = self.answer(parts, only).await;
        }
        match served {
            Ok(response) => response,
            Err(Miss::Absent) => {
                let response = Response::text("not found").with_status(StatusCode::NOT_FOUND);
                if self.precompressed {
                    return response.with_header(VARY, ACCEPT_ENCODING);
                }
                response
            }
            Err(Miss::Busy | Miss::Changed) => Response::text("the server is busy")
                .with_status(StatusCode::SERVICE_UNAVAILABLE)
                .with_header(RETRY_AFTER, HeaderValue::from_static("1")),
            Err(Miss::Broken) => Response::internal_error(),
        }
    }

    async fn answer(&self, parts: &Parts, only: Option<&str>) -> Result<Response, Miss> {
        let root = self.root.as_deref().map_err(|_| Miss::Broken)?;
        let now = SystemTime::now();
        match only {
            Some(path) => self.one(root, parts, path, now).await,
            None => self.serve(root, parts, now).await,
        }
    }

    /// One file, whatever the request's path.
    async fn one(
        &self,
        root: &Root,
        parts: &Parts,
        path: &str,
        now: SystemTime,
    ) -> Result<Response, Miss> {
        // What the mount itself names may begin with a dot.
        let dotfiles = self.dotfiles || self.only.as_deref() == Some(path);
        if !is_path(path, dotfiles) {
            return Err(Miss::Absent);
        }
        let found = root.open(path, now).await?;
        if found.state.kind != Kind::File {
            return Err(Miss::Absent);
        }
        if !matches!(*parts.method(), Method::GET | Method::HEAD) {
            return Ok(refused());
        }
        self.file(root, parts, path, found, now).await
    }

    async fn serve(&self, root: &Root, parts: &Parts, now: SystemTime) -> Result<Response, Miss> {
        let reads = matches!(*parts.method(), Method::GET | Method::HEAD);
        let asked = asked(parts);
        let place = resolve(asked, self.dotfiles).ok_or(Miss::Absent)?;
        // The mount itself.
        if asked.is_empty() && !parts.path().ends_with('/') {
            return redirect(parts);
        }
        let found = if place.is_directory {
            self.directory(root, &place.path, now).await
        } else {
            match root.open(&place.path, now).await {
                Ok(found) if found.state.kind == Kind::Directory => {
                    // Only one that has something to show is told from what is not there.
                    match self.directory(root, &place.path, now).await {
                        Ok(_) => {
                            return if reads {
                                redirect(parts)
                            } else {
                                Ok(refused())
                            };
                        }
                        Err(miss) => Err(miss),
                    }
                }
                Ok(found) if found.state.kind == Kind::File => {
                    Ok(Shown::File(place.path.to_string(), found))
                }
                Ok(_) => Err(Miss::Absent),
                Err(miss) => Err(miss),
            }
        };
        match found {
            // What is not there has no methods.
            Ok(_) if !reads => Ok(refused()),
            Ok(Shown::File(path, found)) => self.file(root, parts, &path, found, now).await,
            Ok(Shown::Names(names, is_cut)) => {
                Ok(listing::page(&names, is_cut, place.path.is_empty()))
            }
            Err(Miss::Absent) if reads => self.instead(root, parts, now).await,
            Err(miss) => Err(miss),
        }
    }

    /// What a directory shows: its index, or its names.
    async fn directory(&self, root: &Root, path: &str, now: SystemTime) -> Result<Shown, Miss> {
        if let Some(index) = &self.index {
            let index = match path {
                "" => index.clone(),
                path => format!("{path}/{index}"),
            };
            match root.open(&index, now).await {
                Ok(found) if found.state.kind == Kind::File => {
                    return Ok(Shown::File(index, found));
                }
                Ok(_) | Err(Miss::Absent) => {}
                Err(miss) => return Err(miss),
            }
        }
        if !self.listing {
            return Err(Miss::Absent);
        }
        let found = root.open(path, now).await?;
        if found.state.kind != Kind::Directory {
            return Err(Miss::Absent);
        }
        let dotfiles = self.dotfiles;
        let names = root.wait_for(move || listing::names(found.disk.file(), dotfiles));
        let (names, is_cut) = names.await?;
        Ok(Shown::Names(names, is_cut))
    }

    /// The file that answers where there is none.
    async fn instead(&self, root: &Root, parts: &Parts, now: SystemTime) -> Result<Response, Miss> {
        let (path, status) = self.fallback.as_ref().ok_or(Miss::Absent)?;
        let found = root.open(path, now).await?;
        if found.state.kind != Kind::File {
            return Err(Miss::Absent);
        }
        if *status == StatusCode::OK {
            return self.file(root, parts, path, found, now).await;
        }
        let size = found.state.size;
        let content_type = self.content_type(path);
        let body = content(&found, 0, size).await?;
        Ok(Response::typed(content_type, body).with_status(*status))
    }

    /// A file, or what lies beside it in the client's coding.
    async fn file(
        &self,
        root: &Root,
        parts: &Parts,
        path: &str,
        found: Found,
        now: SystemTime,
    ) -> Result<Response, Miss> {
        let (found, coding) = if self.precompressed {
            beside(root, parts, path, found, now).await?
        } else {
            (found, None)
        };
        let modified = found.state.modified();
        let suffix = coding.map_or("", suffix);
        // Within a tick of the file system's clock it may change again, and look the same (RFC 9110 §8.8.1).
        let is_settled = now.duration_since(modified).is_ok_and(|age| age >= TICK);
        let tag = match (self.shared_tags, is_settled) {
            (true, _) => EntityTag::weak(&found.state.shared_tag(suffix)),
            (false, false) => EntityTag::weak(&found.state.tag(suffix)),
            (false, true) => EntityTag::strong(&found.state.tag(suffix)),
        };
        let validators = Validators::new().with_modified(modified);
        let by_path = self.cache_by.as_ref().and_then(|by| by(path));
        let facts = Facts {
            size: found.state.size,
            content_type: self.content_type(path),
            validators: match tag {
                Some(tag) => validators.with_tag(tag),
                None => validators,
            },
            cache_control: by_path.or_else(|| self.cache.clone()),
            encoding: coding.map(|coding| HeaderValue::from_static(coding.name())),
            varies: self.precompressed,
        };
        let (response, extent) = facts.answer(parts, now);
        let body = match extent {
            Extent::Nothing => return Ok(response),
            Extent::Whole => content(&found, 0, found.state.size).await?,
            Extent::Range(range) => content(&found, range.first, range.count()).await?,
            Extent::Parts(parts) => {
                Body::from_http_body(FileBody::multipart(found.disk, found.state, parts))
            }
        };
        Ok(response.with_body(body))
    }

    fn content_type(&self, path: &str) -> HeaderValue {
        if !self.types.is_empty()
            && let Some((_, ending)) = path.rsplit_once('.')
            && let Some((_, value)) =
                (self.types.iter()).rfind(|(known, _)| known.eq_ignore_ascii_case(ending))
        {
            return value.clone();
        }
        kind::content_type(path)
    }
}

/// What was found for a path.
enum Shown {
    /// With its path.
    File(String, Found),
    /// And whether there are more.
    Names(Vec<String>, bool),
}

/// What of the path is the file's: the parameter at the end of a route, everything without a route.
fn asked(parts: &Parts) -> &[u8] {
    let path = parts.path_octets();
    let pattern = parts.matched_pattern().unwrap_or_default();
    if pattern.is_empty() {
        return path.strip_prefix(b"/").unwrap_or(path);
    }
    let end = pattern.rsplit('/').next().unwrap_or_default();
    match parts.route().params().last() {
        Some((_, span)) if end.starts_with(['{', ':']) && !end.starts_with("{{") => span.of(path),
        // A route that ends otherwise is the root, with or without a slash behind it.
        _ => b"",
    }
}

/// The coded file that the client likes best, if it is not older than the file itself.
async fn beside(
    root: &Root,
    parts: &Parts,
    path: &str,
    found: Found,
    now: SystemTime,
) -> Result<(Found, Option<Coding>), Miss> {
    for coding in accepted(parts.headers()) {
        match root.open(&format!("{path}{}", suffix(coding)), now).await {
            Ok(coded)
                if coded.state.kind == Kind::File
                    && coded.state.modified() >= found.state.modified() =>
            {
                return Ok((coded, Some(coding)));
            }
            Ok(_) | Err(Miss::Absent) => {}
            Err(miss) => return Err(miss),
        }
    }
    Ok((found, None))
}

/// Some octets of a file: few at once, many as a stream.
async fn content(found: &Found, first: u64, count: u64) -> Result<Body, Miss> {
    let (disk, state) = (&found.disk, found.state);
    let small = usize::try_from(count).ok().filter(|count| *count <= CHUNK);
    match small {
        Some(0) => Ok(Body::empty()),
        Some(small) => match disk.read_now(state, first, small) {
            Ok(Some(octets)) if octets.len() == small => Ok(Body::full(octets)),
            Ok(_) => match disk.read(state, first, small).await {
                Ok(octets) if octets.len() == small => Ok(Body::full(octets)),
                Ok(_) | Err(_) => Err(Miss::Changed),
            },
            Err(_) => Err(Miss::Changed),
        },
        None => Ok(Body::from_http_body(FileBody::new(
            disk.clone(),
            state,
            first,
            count,
        ))),
    }
}

/// To the same path with a slash at its end. It begins with one slash: `//host` would be another origin.
fn redirect(parts: &Parts) -> Result<Response, Miss> {
    let path = parts.path();
    if !path.starts_with('/') || path.starts_with("//") || path.contains('\\') {
        return Err(Miss::Absent);
    }
    let location = match parts.query() {
        Some(query) => format!("{path}/?{query}"),
        None => format!("{path}/"),
    };
    Ok(Response::redirect(
        &location,
        StatusCode::PERMANENT_REDIRECT,
    ))
}

/// As a router refuses a method, for files that are its fallback.
fn refused() -> Response {
    Response::text("method not allowed")
        .with_status(StatusCode::METHOD_NOT_ALLOWED)
        .with_header(ALLOW, HeaderValue::from_static("GET, HEAD"))
}

const ACCEPT_ENCODING: HeaderValue = HeaderValue::from_static("accept-encoding");

/// How often a file is served anew that was changed while it was read.
const RETRIES: usize = 3;

/// More than the ticks of the clocks of file systems, FAT's excepted.
const TICK: Duration = Duration::from_secs(1);
