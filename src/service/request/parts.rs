//! Everything of a request but its body, in memory that is recycled.

use crate::resource::addr::ConnInfo;
use crate::resource::stream_end::StreamEnd;
use crate::resource::tls_info::TlsInfo;
use crate::resource::worker::Slot;
use crate::service::client_addr::ClientAddr;
use crate::service::headers::{FieldValue, Headers};
use crate::service::request::original::Original;
use crate::service::route::RouteInfo;
use crate::service::trusted::TrustedProxies;
use crate::wire::fields::Field;
use crate::wire::target::RequestTarget;
use http::{Extensions, Method, Uri, Version};
use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

/// Everything of a request but its body. Its memory is recycled from request to request.
pub struct Parts(Option<Box<Inner>>);

pub(super) struct Inner {
    pub(super) method: Method,
    pub(super) version: Version,
    pub(super) target: Target,
    /// The request line up to the end of its target, once it is apart from the headers.
    line: Vec<u8>,
    /// Whether it is: until somebody may change the headers, it stands in their block.
    is_apart: bool,
    pub(super) headers: Headers,
    pub(super) extensions: Option<Box<Extensions>>,
    pub(super) connection: Option<Arc<Slot>>,
    /// Where it shares the connection with others, its own end; and one of an earlier request, for its memory.
    pub(super) end: Option<Arc<StreamEnd>>,
    pub(super) last_end: Option<Arc<StreamEnd>>,
    route: RouteInfo,
    id: Option<[u8; 16]>,
    /// Whose word on the client is taken.
    trusted: Option<Arc<TrustedProxies>>,
}

pub(super) enum Target {
    /// The text is in `Inner::line()`.
    Wire(RequestTarget),
    Uri(Box<Uri>),
}

impl Parts {
    /// The method.
    #[inline]
    pub fn method(&self) -> &Method {
        &self.inner().method
    }

    /// Changes the method.
    pub fn set_method(&mut self, method: Method) {
        self.inner_mut().method = method;
    }

    /// The HTTP version that the request came over.
    pub fn version(&self) -> Version {
        self.inner().version
    }

    /// The target as the client sent it: usually path and query.
    pub fn uri(&self) -> &str {
        match &self.inner().target {
            Target::Wire(target) => text(target.whole(self.inner().line())),
            Target::Uri(uri) => match (uri.path_and_query(), uri.authority()) {
                (Some(target), _) => target.as_str(),
                (None, Some(authority)) => authority.as_str(),
                (None, None) => "/",
            },
        }
    }

    /// The target as the `http` crate's type; `None` when that crate does not take it (`*` among them
    /// it does, a path with `"` in it not).
    pub fn to_uri(&self) -> Option<Uri> {
        match &self.inner().target {
            Target::Wire(target) => target.whole(self.inner().line()).try_into().ok(),
            Target::Uri(uri) => Some((**uri).clone()),
        }
    }

    /// Replaces the target. Which route answers is decided before.
    pub fn set_uri(&mut self, uri: Uri) {
        Original::keep(self);
        self.inner_mut().target = Target::Uri(Box::new(uri));
    }

    /// The path, percent-encoded as it came. Empty for CONNECT, `*` for `OPTIONS *`.
    #[inline]
    pub fn path(&self) -> &str {
        match &self.inner().target {
            Target::Wire(target) => text(target.path(self.inner().line())),
            Target::Uri(uri) => uri.path(),
        }
    }

    /// The path as octets, for a router.
    #[inline]
    pub(crate) fn path_octets(&self) -> &[u8] {
        match &self.inner().target {
            Target::Wire(target) => target.path(self.inner().line()),
            Target::Uri(uri) => uri.path().as_bytes(),
        }
    }

    /// The query, without its question mark.
    #[inline]
    pub fn query(&self) -> Option<&str> {
        match &self.inner().target {
            Target::Wire(target) => target.query(self.inner().line()).map(text),
            Target::Uri(uri) => uri.query(),
        }
    }

    /// The host that the request is for, with its port: the target's authority, else Host (RFC 9112 §3.3).
    pub fn host(&self) -> Option<&str> {
        let authority = match &self.inner().target {
            Target::Wire(target) => target.authority(self.inner().line()).map(text),
            Target::Uri(uri) => uri.authority().map(http::uri::Authority::as_str),
        };
        authority.or_else(|| {
            self.headers()
                .get(http::header::HOST)
                .and_then(|host| host.to_str().ok())
        })
    }

    /// The header section.
    #[inline]
    pub fn headers(&self) -> &Headers {
        &self.inner().headers
    }

    /// The header section.
    pub fn headers_mut(&mut self) -> &mut Headers {
        let inner = self.inner_mut();
        inner.set_line_apart();
        &mut inner.headers
    }

    /// The first value of a field, in any case.
    #[inline]
    pub fn header(&self, name: &str) -> Option<FieldValue<'_>> {
        self.headers().get(name)
    }

    /// Values that middleware and handlers share, by type.
    pub fn extensions(&self) -> Option<&Extensions> {
        self.inner().extensions.as_deref()
    }

    /// Values that middleware and handlers share, by type.
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        self.inner_mut().extensions.get_or_insert_default()
    }

    /// A path parameter, percent-decoded. `None` when the route has none of that name, or when its
    /// octets are no UTF-8.
    pub fn param(&self, name: &str) -> Option<std::borrow::Cow<'_, str>> {
        let span = self.route().span(name)?;
        crate::service::route::decode(span.of(self.path().as_bytes()))
    }

    /// The protocol of an extended CONNECT (RFC 8441 §4), `websocket` for one: HTTP/2's way to ask for what
    /// Upgrade asks for in HTTP/1.1.
    pub fn connect_protocol(&self) -> Option<&str> {
        let protocol = self.extensions()?.get::<ConnectProtocol>()?;
        Some(&protocol.0)
    }

    /// Makes the request an extended CONNECT, for tests and for drivers.
    pub fn set_connect_protocol(&mut self, protocol: &str) {
        self.extensions_mut()
            .insert(ConnectProtocol(protocol.into()));
    }

    /// A string that middleware left under a key.
    pub fn extension(&self, key: &str) -> Option<&str> {
        self.extensions()?
            .get::<StringMap>()?
            .0
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.as_str())
    }

    /// Leaves a string under a key, in place of what was there. Costs nothing when unused.
    pub fn set_extension(&mut self, key: impl Into<String>, value: impl Into<String>) {
        let (key, value) = (key.into(), value.into());
        let map = self.extensions_mut().get_or_insert_default::<StringMap>();
        map.0.retain(|(name, _)| *name != key);
        map.0.push((key, value));
    }

    /// Both ends' addresses.
    pub fn connection(&self) -> ConnInfo {
        self.inner()
            .connection
            .as_ref()
            .map(|slot| slot.info())
            .unwrap_or_default()
    }

    /// Who the client is: the connection's peer, or whom the
    /// [trusted proxies](crate::server::Server::trusted_proxies) name. One that middleware left in the extensions wins.
    pub fn client(&self) -> ClientAddr {
        ClientAddr::of(self)
    }

    /// What the TLS handshake of the connection has found out; `None` without TLS. One that middleware left
    /// in the extensions wins.
    pub fn tls(&self) -> Option<&TlsInfo> {
        let left = self
            .extensions()
            .and_then(|extensions| extensions.get::<TlsInfo>());
        left.or_else(|| self.inner().connection.as_ref()?.tls())
    }

    /// Waits until the client has closed its side or is gone. Over HTTP/2 that is the end of the request's own
    /// stream: a reset, the end of the response, or the connection's. A request that was made in process has no
    /// client: it waits forever.
    ///
    /// Cancel safe. The future does not borrow the request.
    pub fn closed(&self) -> impl Future<Output = ()> + Send + 'static {
        let inner = self.inner();
        let (slot, end) = (inner.connection.clone(), inner.end.clone());
        async move {
            match (end, slot) {
                (Some(end), _) => end.wait().await,
                (None, Some(slot)) => slot.closed().await,
                (None, None) => std::future::pending().await,
            }
        }
    }

    /// Waits until the server that the request came to drains: what goes on without an end of its own is to end then. Says whether
    /// another process goes on. A request that was made in process has no server: it waits forever.
    ///
    /// Cancel safe. The future does not borrow the request.
    #[allow(dead_code, reason = "only the relay asks, and it is optional")]
    pub(crate) fn draining(&self) -> impl Future<Output = bool> + Send + 'static {
        let slot = self.inner().connection.clone();
        async move {
            match slot {
                Some(slot) => slot.draining().await,
                None => std::future::pending().await,
            }
        }
    }

    /// The pattern of the route that was found, with the prefixes of its groups.
    pub fn matched_pattern(&self) -> Option<&str> {
        self.route().facts().map(|facts| facts.pattern.as_str())
    }

    /// Whether its route is open to everybody: [`public`](crate::service::handler::public), or a public router.
    pub fn is_public(&self) -> bool {
        self.route().facts().is_some_and(|facts| facts.is_public)
    }

    /// The octets of the request's id, when it was given one: on the paved path every request is.
    pub fn id(&self) -> Option<[u8; 16]> {
        self.inner().id
    }

    /// Gives the request an id.
    pub fn set_id(&mut self, id: [u8; 16]) {
        self.inner_mut().id = Some(id);
    }

    /// The proxies whose word on the client is taken.
    pub(crate) fn trusted(&self) -> Option<&TrustedProxies> {
        self.inner().trusted.as_deref()
    }

    /// From now on their word on the client is taken.
    pub(crate) fn set_trusted(&mut self, proxies: Arc<TrustedProxies>) {
        self.inner_mut().trusted = Some(proxies);
    }

    /// What the router found.
    #[inline]
    pub(crate) fn route(&self) -> &RouteInfo {
        &self.inner().route
    }

    /// What the router found.
    #[inline]
    pub(crate) fn route_mut(&mut self) -> &mut RouteInfo {
        &mut self.inner_mut().route
    }

    /// Parts from the thread's store, with the line of an earlier request in them.
    #[inline]
    pub(crate) fn recycled() -> Self {
        Self(Some(STORE.with_borrow_mut(Vec::pop).unwrap_or_else(|| {
            Box::new(Inner {
                method: Method::GET,
                version: Version::HTTP_11,
                target: ROOT,
                line: b"/".to_vec(),
                is_apart: true,
                headers: Headers::new(),
                extensions: None,
                connection: None,
                end: None,
                last_end: None,
                route: RouteInfo::default(),
                id: None,
                trusted: None,
            })
        })))
    }

    /// A head that came over HTTP/1.1. `block` and `fields` are swapped with recycled ones.
    #[inline]
    pub(crate) fn begin(
        &mut self,
        method: &Method,
        version: Version,
        target: RequestTarget,
        block: &mut Vec<u8>,
        fields: &mut Vec<Field>,
        connection: &Arc<Slot>,
    ) {
        let inner = self.inner_mut();
        if inner.method != *method {
            inner.method.clone_from(method);
        }
        inner.version = version;
        inner.target = Target::Wire(target);
        inner.is_apart = false;
        inner.headers.set_wire(block, fields);
        inner.connection = Some(connection.clone());
    }

    #[inline]
    pub(super) fn inner(&self) -> &Inner {
        match &self.0 {
            Some(inner) => inner,
            None => gone(),
        }
    }

    #[inline]
    pub(super) fn inner_mut(&mut self) -> &mut Inner {
        match &mut self.0 {
            Some(inner) => inner,
            None => gone(),
        }
    }
}

impl Inner {
    /// The octets that the target's places refer to.
    #[inline]
    fn line(&self) -> &[u8] {
        if self.is_apart {
            &self.line
        } else {
            self.headers.block()
        }
    }

    #[cold]
    fn set_line_apart(&mut self) {
        if let Target::Wire(target) = &self.target
            && !self.is_apart
        {
            self.line.clear();
            self.line
                .extend_from_slice(target.up_to_end(self.headers.block()));
            self.is_apart = true;
        }
    }
}

impl Default for Parts {
    /// GET `/` over HTTP/1.1.
    fn default() -> Self {
        let mut parts = Self::recycled();
        let inner = parts.inner_mut();
        inner.method = Method::GET;
        inner.version = Version::HTTP_11;
        inner.target = ROOT;
        inner.is_apart = true;
        inner.line.clear();
        inner.line.push(b'/');
        parts
    }
}

impl Drop for Parts {
    /// Lets go of everything but memory that the next request can use.
    #[inline]
    fn drop(&mut self) {
        let Some(mut inner) = self.0.take() else {
            return;
        };
        if inner.line.capacity() > KEPT_LINE {
            inner.line = Vec::new();
        }
        inner.headers.release();
        if let Target::Uri(uri) = &mut inner.target {
            **uri = Uri::default();
        }
        inner.extensions = None;
        inner.connection = None;
        if let Some(end) = inner.end.take() {
            inner.last_end = Some(end);
        }
        inner.route.clear();
        inner.id = None;
        inner.trusted = None;
        // A thread that is being torn down has no store any more.
        let _ = STORE.try_with(|store| {
            let mut store = store.borrow_mut();
            if store.len() < KEPT {
                store.push(inner);
            }
        });
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", self.method())
            .field("uri", &self.uri())
            .field("version", &self.version())
            .field("headers", self.headers())
            .finish_non_exhaustive()
    }
}

/// See [`Parts::connect_protocol`].
#[derive(Clone)]
struct ConnectProtocol(Box<str>);

#[derive(Clone, Default)]
struct StringMap(Vec<(String, String)>);

/// The octets of a target that was accepted are visible US-ASCII.
#[inline]
fn text(octets: &[u8]) -> &str {
    std::str::from_utf8(octets).unwrap_or_default()
}

#[cold]
fn gone() -> ! {
    // The option is emptied in `drop` alone, after which nobody can call a method.
    unreachable!("the parts of a request are used after they were dropped")
}

thread_local! {
    #[expect(clippy::vec_box, reason = "the box itself goes round")]
    static STORE: RefCell<Vec<Box<Inner>>> = const { RefCell::new(Vec::new()) };
}

const ROOT: Target = Target::Wire(RequestTarget::ROOT);

/// How many recycled parts a thread keeps.
const KEPT: usize = 64;

/// How long a recycled target may be.
const KEPT_LINE: usize = 256;
