//! Requests of a test client.

use crate::service::body::Body;
use crate::test::TestClient;
use crate::test::reply::{TestResponse, TestStream};
use crate::test::wire::Outgoing;
use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderName, HeaderValue, Method};
use std::future::IntoFuture;
use std::io;
use std::pin::Pin;

/// A request in the making; awaiting it sends it.
///
/// `Host: localhost` is added unless there is a Host, and the framing that the body needs.
#[derive(Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct TestRequest<'a> {
    client: &'a TestClient,
    outgoing: Outgoing,
}

impl<'a> TestRequest<'a> {
    pub(super) fn new(client: &'a TestClient, method: Method, target: &str) -> Self {
        Self {
            client,
            outgoing: Outgoing {
                method,
                target: target.to_owned(),
                fields: Vec::new(),
                body: Body::empty(),
            },
        }
    }

    /// Adds a field line.
    ///
    /// # Panics
    ///
    /// When the name or the value cannot stand in one.
    #[track_caller]
    pub fn header<N, V>(mut self, name: N, value: V) -> Self
    where
        N: TryInto<HeaderName>,
        V: TryInto<HeaderValue>,
    {
        match (name.try_into(), value.try_into()) {
            (Ok(name), Ok(value)) => self.outgoing.fields.push((name, value)),
            _ => panic!("not a field line"),
        }
        self
    }

    /// Adds `Authorization: Bearer <token>` (RFC 6750 §2.1).
    ///
    /// # Panics
    ///
    /// When the token cannot stand in a field.
    #[track_caller]
    pub fn bearer(self, token: &str) -> Self {
        self.header(AUTHORIZATION, format!("Bearer {token}"))
    }

    /// Adds a parameter to the query, percent-encoded where it has to be.
    ///
    /// ```
    /// # use wireline::{Request, Router, test::TestClient};
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// # let routes = Router::new().get("/", async |request: Request| request.query().unwrap_or("").to_owned());
    /// # let client = TestClient::new(routes.build().unwrap());
    /// let response = client.get("/?page=2").query("q", "salt & pepper").await;
    /// assert_eq!(response.text(), "page=2&q=salt%20%26%20pepper");
    /// # });
    /// ```
    pub fn query(mut self, name: &str, value: &str) -> Self {
        let target = &mut self.outgoing.target;
        target.push(if target.contains('?') { '&' } else { '?' });
        encode(name, target);
        target.push('=');
        encode(value, target);
        self
    }

    /// Sets the content. Default none.
    pub fn body(mut self, body: impl Into<Body>) -> Self {
        self.outgoing.body = body.into();
        self
    }

    /// Sends the request and waits for the whole response. Content is sent without waiting for `100 Continue`, and
    /// while the response is already being read.
    ///
    /// Nothing is sent before it is awaited. Dropping the future then ends the connection, or the stream of HTTP/2, as a client that
    /// goes away does; [`stream`](Self::stream) as well, and awaiting the request itself.
    ///
    /// # Errors
    ///
    /// When the connection ends, or something that is no response comes, before the response is whole; over HTTP/2
    /// also when the request cannot be said in it.
    pub async fn send(self) -> io::Result<TestResponse> {
        self.stream().await?.collect().await
    }

    /// Sends the request and waits for the head of the response: its content is read as it comes, piece by piece or
    /// event by event.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn stream(self) -> io::Result<TestStream> {
        let Self {
            client,
            mut outgoing,
        } = self;
        let host = String::from_utf8_lossy(outgoing.host()).into_owned();
        let path = outgoing.path().to_owned();
        if !outgoing.has(&COOKIE)
            && let Some(Some(value)) =
                client.with_cookies(|cookies| cookies.field(&host, &path, true))
        {
            outgoing.fields.push((COOKIE, value));
        }
        let response = TestStream::begin(client.wire.begin(client, outgoing).await?).await?;
        client.with_cookies(|cookies| cookies.take(&host, &path, &response.headers));
        Ok(response)
    }
}

impl<'a> IntoFuture for TestRequest<'a> {
    type Output = TestResponse;
    type IntoFuture = Pin<Box<dyn Future<Output = TestResponse> + Send + 'a>>;

    /// As [`send`](TestRequest::send), for tests that expect a response: it panics when none comes.
    fn into_future(self) -> Self::IntoFuture {
        let line = format!("{} {}", self.outgoing.method, self.outgoing.target);
        Box::pin(async move {
            match self.send().await {
                Ok(response) => response,
                Err(error) => panic!("no response to {line}: {error}"),
            }
        })
    }
}

/// Everything but unreserved characters (RFC 3986 §2.3) is escaped.
fn encode(text: &str, into: &mut String) {
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            into.push(char::from(octet));
        } else {
            into.push_str(&format!("%{octet:02X}"));
        }
    }
}
