//! An id for each request: a random UUID, from a buffer of random octets that each thread fills a kibibyte at a
//! time, or what a trusted proxy says.

use crate::resource::addr::ConnInfo;
use crate::service::error::HttpError;
use crate::service::handler::FromRequestParts;
use crate::service::headers::{InvalidField, field};
use crate::service::layer::{Before, Layer, Note, Place};
use crate::service::request::{ForeignId, Parts, Request};
use crate::service::response::Response;
use http::{HeaderName, HeaderValue, StatusCode};
use std::cell::RefCell;
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use uuid::Uuid;

/// Gives every request an id and says it in the response, in `X-Request-ID`.
///
/// Handlers get it as a [`RequestId`], the span of the request and the access log have it, and a handler of a WebSocket
/// finds it in its request. It is the outermost layer, so that every answer has one, whoever gives it. On the paved path
/// ([`App`](crate::app::App)) it is there already.
///
/// ```
/// use wireline::Router;
/// use wireline::layer::request_id::{RequestId, RequestIds};
///
/// async fn show(id: RequestId) -> String {
///     format!("tell us {id} when you call")
/// }
/// let routes = Router::new().layer(RequestIds::new()).get("/", show).build().unwrap();
/// # let _ = routes;
/// ```
#[derive(Clone, Debug)]
pub struct RequestIds {
    name: HeaderName,
    from_proxies: bool,
}

impl RequestIds {
    /// Random UUIDs of version 4, in `X-Request-ID`.
    pub const fn new() -> Self {
        Self {
            name: X_REQUEST_ID,
            from_proxies: false,
        }
    }

    /// Another field than `X-Request-ID`.
    ///
    /// # Errors
    ///
    /// A name that is no token.
    pub fn header(mut self, name: &str) -> Result<Self, InvalidField> {
        self.name = field(name, "")?.0;
        Ok(self)
    }

    /// Whether the id that a [trusted proxy](crate::server::Server::trusted_proxies) sends in the same field is taken.
    /// Off by default. Only the connection's own peer counts, and only an id of 1 to 128 letters, digits and
    /// `-_.~+/=:@` in a field that stands there once; else there is a new one. A client that nobody trusts cannot
    /// choose what stands in the log.
    #[must_use]
    pub const fn from_trusted_proxies(mut self, on: bool) -> Self {
        self.from_proxies = on;
        self
    }

    fn of_proxy(&self, parts: &Parts) -> Option<RequestId> {
        let left = parts
            .extensions()
            .and_then(|extensions| extensions.get::<ConnInfo>());
        let peer = left.map_or_else(|| parts.connection().peer, |info| info.peer);
        if !parts.trusted()?.networks.contains(peer) {
            return None;
        }
        let mut lines = parts.headers().get_all(&self.name);
        let (Some(line), None) = (lines.next(), lines.next()) else {
            return None;
        };
        let text = line.as_bytes();
        let fits = (1..=LONGEST).contains(&text.len())
            && text
                .iter()
                .all(|octet| octet.is_ascii_alphanumeric() || b"-_.~+/=:@".contains(octet));
        let text = std::str::from_utf8(text).ok().filter(|_| fits)?;
        Some(RequestId(Kind::Text(text.into())))
    }
}

impl Default for RequestIds {
    fn default() -> Self {
        Self::new()
    }
}

impl Layer for RequestIds {
    fn place(&self) -> Place {
        Place::RequestId
    }

    fn replaces_outer(&self) -> bool {
        true
    }

    fn before(&self, request: &mut Request, note: &mut Note) -> Before {
        let id = RequestId::of(request).unwrap_or_else(|| {
            let of_proxy = self.from_proxies.then(|| self.of_proxy(request)).flatten();
            let id = of_proxy.unwrap_or_else(RequestId::random);
            id.give_to(request);
            id
        });
        *note = match id.0 {
            Kind::Uuid(id) => Note::Octets(*id.as_bytes()),
            Kind::Text(_) => id.value().map_or(Note::Empty, Note::Value),
        };
        Before::Go
    }

    fn after(&self, note: &mut Note, response: &mut Response) {
        let value = match note.take() {
            Note::Octets(id) => uuid_value(Uuid::from_bytes(id)),
            Note::Value(value) => Some(value),
            _ => None,
        };
        if let Some(value) = value {
            response.headers_mut().insert(self.name.clone(), value);
        }
    }
}

/// The id of a request: a UUID of version 4, unless a trusted proxy has said another.
///
/// On the paved path ([`App`](crate::app::App)), and where [`RequestIds`] stands, every request has one. As an argument
/// of a handler elsewhere it is a 500; `Option<RequestId>` is `None` there.
///
/// ```
/// use wireline::Router;
/// use wireline::layer::RequestId;
/// use wireline::layer::request_id::RequestIds;
///
/// async fn complain(id: RequestId) -> String {
///     format!("tell the support that it was request {id}")
/// }
/// let routes = Router::new().layer(RequestIds::new()).get("/complaints", complain).build();
/// assert!(routes.is_ok());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(Kind);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Uuid(Uuid),
    /// What a proxy said; nothing but the octets that are looked for.
    Text(Arc<str>),
}

impl RequestId {
    /// A new random id.
    fn random() -> Self {
        Self(Kind::Uuid(random_uuid()))
    }

    /// The id of a request, if it was given one.
    pub fn of(parts: &Parts) -> Option<Self> {
        if let Some(id) = parts.id() {
            return Some(Self(Kind::Uuid(Uuid::from_bytes(id))));
        }
        let foreign = parts.extensions()?.get::<ForeignId>()?;
        Some(Self(Kind::Text(foreign.0.clone())))
    }

    /// The id as a UUID; `None` when a proxy has said what is none.
    pub fn as_uuid(&self) -> Option<Uuid> {
        match &self.0 {
            Kind::Uuid(id) => Some(*id),
            Kind::Text(text) => Uuid::try_parse(text).ok(),
        }
    }

    fn give_to(&self, request: &mut Request) {
        match &self.0 {
            Kind::Uuid(id) => request.parts_mut().set_id(*id.as_bytes()),
            Kind::Text(text) => {
                request.extensions_mut().insert(ForeignId(text.clone()));
            }
        }
    }

    /// The id as the value of a field.
    fn value(&self) -> Option<HeaderValue> {
        match &self.0 {
            Kind::Uuid(id) => uuid_value(*id),
            Kind::Text(text) => HeaderValue::from_bytes(text.as_bytes()).ok(),
        }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Uuid(id) => id.fmt(f),
            Kind::Text(text) => f.write_str(text),
        }
    }
}

impl FromRequestParts for RequestId {
    type Rejection = NoRequestId;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, NoRequestId> {
        Self::of(parts).ok_or(NoRequestId(()))
    }
}

impl FromRequestParts for Option<RequestId> {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, Infallible> {
        Ok(RequestId::of(parts))
    }
}

/// The handler takes a [`RequestId`], and nothing gives its requests one (500).
///
/// ```
/// use wireline::Router;
/// use wireline::layer::RequestId;
/// use wireline::layer::request_id::RequestIds;
/// use wireline::test::TestClient;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let router = Router::new().get("/", async |id: RequestId| id.to_string());
/// // Nobody gives ids. `Option<RequestId>` would be `None`.
/// let client = TestClient::new(router.build().unwrap());
/// assert_eq!(client.get("/").await.status, 500);
///
/// let router = Router::new().get("/", async |id: RequestId| id.to_string()).layer(RequestIds::new());
/// let client = TestClient::new(router.build().unwrap());
/// assert_eq!(client.get("/").await.status, 200);
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRequestId(());

impl fmt::Display for NoRequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the handler takes a `RequestId`, but no `RequestIds` gives requests one")
    }
}

impl std::error::Error for NoRequestId {}

impl HttpError for NoRequestId {
    /// The client is told nothing of the program.
    fn into_http(self) -> (StatusCode, String) {
        tracing::error!("{self}");
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        (status, "internal server error".to_owned())
    }
}

/// Gives a request a random id, for the paved path.
#[inline]
pub(crate) fn give(request: &mut Request) -> [u8; 16] {
    let id = *random_uuid().as_bytes();
    request.parts_mut().set_id(id);
    id
}

/// Says the id in a response, for the paved path.
pub(crate) fn tell(id: [u8; 16], response: &mut Response) {
    if let Some(value) = uuid_value(Uuid::from_bytes(id)) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
}

fn uuid_value(id: Uuid) -> Option<HeaderValue> {
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    let text = id.as_hyphenated().encode_lower(&mut text);
    HeaderValue::from_bytes(text.as_bytes()).ok()
}

/// A random UUID of version 4.
fn random_uuid() -> Uuid {
    uuid::Builder::from_random_bytes(random_octets()).into_uuid()
}

/// Sixteen random octets.
pub(super) fn random_octets() -> [u8; 16] {
    RANDOM.with_borrow_mut(Random::take)
}

/// Random octets in stock: one system call for 64 ids.
struct Random {
    octets: [u8; 1024],
    at: usize,
}

impl Random {
    fn take(&mut self) -> [u8; 16] {
        if self.at + 16 > self.octets.len() {
            // Without randomness from the system there is no id worth having; an id of zeros is seen at once.
            if getrandom::fill(&mut self.octets).is_err() {
                return [0; 16];
            }
            self.at = 0;
        }
        let taken = self
            .octets
            .get(self.at..)
            .and_then(|rest| rest.first_chunk::<16>())
            .copied()
            .unwrap_or_default();
        self.at += 16;
        taken
    }
}

thread_local! {
    static RANDOM: RefCell<Random> = const { RefCell::new(Random { octets: [0; 1024], at: 1024 }) };
}

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Of an id that a proxy sends.
const LONGEST: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_are_version_4() {
        let ids: Vec<RequestId> = (0..200).map(|_| RequestId::random()).collect();
        for (place, id) in ids.iter().enumerate() {
            assert_eq!(id.as_uuid().map(|id| id.get_version_num()), Some(4));
            assert!(!ids[..place].contains(id));
        }
    }
}
