//! Static files, from a directory and from nowhere else.
//!
//! ```text
//!   GET /assets/css/site.css
//!     | path: decoded once, refused unless every segment is a plain name
//!     v
//!   css/site.css
//!     | root: opened beneath the directory; no link leads out of it (`openat2`, or `walk`)
//!     v
//!   an open file, its size and time
//!     | service::conditional, service::range: 200, 206, 304, 412, 416
//!     v
//!   up to 64 KiB at once, more as a stream (body)
//! ```
//!
//! What the system has in memory is opened and read at once, by calls that give up rather than wait for a disk
//! (`RESOLVE_CACHED`, `RWF_NOWAIT` on Linux); everything else is done on threads that may wait. So no request keeps the
//! others of its worker waiting, and most pay for no thread.

#[cfg(target_os = "linux")]
mod beneath;
#[cfg(not(target_os = "linux"))]
mod beneath_walked;
mod body;
mod kind;
mod listing;
pub mod path;
mod precompressed;
mod root;
pub mod route;
mod serve;
mod walk;

#[cfg(not(target_os = "linux"))]
use self::beneath_walked as beneath;
pub use self::kind::{content_type, is_hashed};
pub use self::serve::ViaFiles;

use self::root::Root;
use http::{HeaderValue, StatusCode};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Files under a directory: a handler, and what [`Router::files`](crate::router::Router::files) mounts.
///
/// ```
/// use wireline::Router;
/// use wireline::files::Files;
///
/// # fn main() -> Result<(), wireline::router::BuildError> {
/// # std::env::set_current_dir(env!("CARGO_MANIFEST_DIR")).unwrap();
/// let routes = Router::new()
///     .files("/docs", Files::new("docs").precompressed())
///     .files("/source", Files::new("src").listing())
///     .build()?;
/// # Ok(())
/// # }
/// ```
///
/// GET and HEAD are answered, with `ETag` (of one state of one file), `Last-Modified`, `Accept-Ranges`, all
/// preconditions and ranges. Whatever is not served has the same 404: what is not there, what leads out of the
/// directory, what begins with a dot, what is neither file nor directory, what may not be read. A directory that has an index
/// is redirected to itself with a slash (308).
///
/// The directory has to be there when the router is built. It is opened then, and again once a second, so that
/// another in its place is seen within that time. Nothing of a file is kept from one request to the next.
///
/// As a handler it serves what the last parameter of its route is, or the whole path where it is the
/// [`fallback`](crate::router::Router::fallback):
///
/// ```
/// use wireline::Router;
/// use wireline::files::Files;
///
/// # std::env::set_current_dir(env!("CARGO_MANIFEST_DIR")).unwrap();
/// let routes = Router::new()
///     .get("/api/hello", async || "hello")
///     .fallback(Files::new("docs").fallback("guide.md"))
///     .build();
/// # routes.unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Files {
    mount: Arc<Mount>,
}

#[derive(Clone)]
struct Mount {
    root: Result<Arc<Root>, String>,
    /// What else is wrong with the configuration.
    problems: Vec<String>,
    /// Whether another route tells the problems.
    is_told: bool,
    /// The one file that answers everything.
    only: Option<String>,
    index: Option<String>,
    fallback: Option<(String, StatusCode)>,
    listing: bool,
    dotfiles: bool,
    precompressed: bool,
    shared_tags: bool,
    cache: Option<HeaderValue>,
    cache_by: Option<CacheBy>,
    types: Vec<(String, HeaderValue)>,
}

type CacheBy = Arc<dyn Fn(&str) -> Option<HeaderValue> + Send + Sync>;

impl Files {
    /// The files under a directory. A relative path begins at the working directory of this moment.
    ///
    /// Whether the directory is there is told by [`Router::build`](crate::router::Router::build).
    pub fn new(directory: impl AsRef<Path>) -> Self {
        Self {
            mount: Arc::new(Mount {
                root: Root::new(directory.as_ref()).map(Arc::new),
                problems: Vec::new(),
                is_told: false,
                only: None,
                index: Some("index.html".to_owned()),
                fallback: None,
                listing: false,
                dotfiles: false,
                precompressed: false,
                shared_tags: false,
                cache: None,
                cache_by: None,
                types: Vec::new(),
            }),
        }
    }

    /// One file of the directory, whatever path was asked for: the handler of a route for that file.
    ///
    /// `path` is that of the file in the directory, with `/` between names and without escapes. Conditions, ranges and
    /// [`precompressed`](Self::precompressed) siblings are as for all files; where the file is missing the answer is 404. A path
    /// that no file can have is told by [`Router::build`](crate::router::Router::build).
    ///
    /// ```
    /// use wireline::Router;
    /// use wireline::files::Files;
    ///
    /// # std::env::set_current_dir(env!("CARGO_MANIFEST_DIR")).unwrap();
    /// let routes = Router::new()
    ///     .get("/manual", Files::new("docs").only("guide.md"))
    ///     .build();
    /// # routes.unwrap();
    /// ```
    #[must_use]
    pub fn only(mut self, path: &str) -> Self {
        let is_path = path::is_path(path, true);
        self.check("only", path, is_path);
        self.mount_mut().only = Some(path.to_owned());
        self
    }

    /// The file that stands for its directory: `index.html` unless another is named here.
    #[must_use]
    pub fn index(mut self, name: &str) -> Self {
        self.check("index", name, path::is_name(name, true));
        self.mount_mut().index = Some(name.to_owned());
        self
    }

    /// No file stands for its directory.
    #[must_use]
    pub fn no_index(mut self) -> Self {
        self.mount_mut().index = None;
        self
    }

    /// The file that answers, with 200, where there is none: the page of an application that routes in the browser.
    /// Paths that no file can have still get 404.
    #[must_use]
    pub fn fallback(self, path: &str) -> Self {
        self.fallback_with(StatusCode::OK, path)
    }

    /// The same with another status: a page that says 404. It is sent whole, whatever the request's conditions.
    #[must_use]
    pub fn fallback_with(mut self, status: StatusCode, path: &str) -> Self {
        let place = path::resolve(path.as_bytes(), true);
        let is_file = place.is_some_and(|place| !place.is_directory && place.path == path);
        self.check("fallback", path, is_file);
        self.mount_mut().fallback = Some((path.to_owned(), status));
        self
    }

    /// Shows a page with the names in a directory that has no index, 2,000 at the most. Off unless this is called.
    #[must_use]
    pub fn listing(mut self) -> Self {
        self.mount_mut().listing = true;
        self
    }

    /// Serves names that begin with a dot, too. Unless this is called they get 404.
    ///
    /// It is not needed for one such directory, which can be mounted itself:
    /// `.files("/.well-known", Files::new("public/.well-known"))`.
    #[must_use]
    pub fn dotfiles(mut self) -> Self {
        self.mount_mut().dotfiles = true;
        self
    }

    /// Follows no symbolic links. Unless this is called, those that stay in the directory are followed; absolute ones
    /// never are.
    #[must_use]
    pub fn no_links(mut self) -> Self {
        let mount = self.mount_mut();
        mount.root = match &mount.root {
            Ok(root) => root.without_links().map(Arc::new),
            Err(told) => Err(told.clone()),
        };
        self
    }

    /// Sends `site.css.br`, `site.css.zst` or `site.css.gz` in place of `site.css` to clients that accept it
    /// (`Accept-Encoding` with its weights; of equals brotli, zstd, gzip), with an `ETag` of its own. All responses have `Vary`.
    ///
    /// A compressed file that is older than the file itself is of another content, and is not sent.
    #[must_use]
    pub fn precompressed(mut self) -> Self {
        self.mount_mut().precompressed = true;
        self
    }

    /// Makes `ETag` of size and time alone, so that several servers behind a balancer that have the same files with the
    /// same times have the same tags, and a client gets 304 from any of them. Off unless this is called.
    ///
    /// Such a tag is weak (RFC 9110 §8.8.1), because nothing in it tells two files of one size and one time from each
    /// other: parts are not joined by it (`If-Range`), and no `If-Match` is met. It needs times that differ where the
    /// content does, which builds that give all files one time have not; do not use it with these.
    ///
    /// Unless this is called the inode and the time of the last change (`ctime`) are in the tag as well.
    #[must_use]
    pub fn shared_tags(mut self) -> Self {
        self.mount_mut().shared_tags = true;
        self
    }

    /// `Cache-Control` of every file, for one `public, max-age=3600`. Without it browsers guess (RFC 9111 §4.2.2).
    #[must_use]
    pub fn cache_control(mut self, value: &str) -> Self {
        match HeaderValue::from_str(value) {
            Ok(value) => self.mount_mut().cache = Some(value),
            Err(_) => self.check("cache_control", value, false),
        }
        self
    }

    /// `Cache-Control` by the file's path in the directory; where it gives `None`, that of
    /// [`cache_control`](Self::cache_control) counts.
    #[must_use]
    pub fn cache_control_by(
        mut self,
        value: impl Fn(&str) -> Option<HeaderValue> + Send + Sync + 'static,
    ) -> Self {
        self.mount_mut().cache_by = Some(Arc::new(value));
        self
    }

    /// Lets caches keep files whose name has a hash of their content in it ([`is_hashed`]) for a year, without asking
    /// again: `public, max-age=31536000, immutable` (RFC 8246).
    ///
    /// ```
    /// use wireline::files::Files;
    ///
    /// let files = Files::new("dist").cache_hashed().cache_control("no-cache");
    /// # let _ = files;
    /// ```
    #[must_use]
    pub fn cache_hashed(self) -> Self {
        self.cache_control_by(|path| is_hashed(path).then_some(IMMUTABLE))
    }

    /// The content type of files with this ending, in place of the usual one ([`content_type`]).
    #[must_use]
    pub fn content_type(mut self, ending: &str, value: &str) -> Self {
        match HeaderValue::from_str(value) {
            Ok(value) => {
                let ending = ending.trim_start_matches('.').to_ascii_lowercase();
                self.mount_mut().types.push((ending, value));
            }
            Err(_) => self.check("content_type", value, false),
        }
        self
    }

    fn mount_mut(&mut self) -> &mut Mount {
        Arc::make_mut(&mut self.mount)
    }

    fn check(&mut self, setting: &str, value: &str, is_right: bool) {
        if !is_right {
            let problem = format!("files: {setting} cannot be {value:?}");
            self.mount_mut().problems.push(problem);
        }
    }
}

impl fmt::Debug for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mount")
            .field("root", &self.root)
            .field("index", &self.index)
            .field("fallback", &self.fallback)
            .finish_non_exhaustive()
    }
}

const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
