//! The client's address, and nothing else.

use crate::extract::rejection::rejection;
use crate::service::handler::FromRequestParts;
use crate::service::optional::OptionalFromRequestParts;
use crate::service::request::Parts;
use http::StatusCode;
use std::convert::Infallible;
use std::fmt;
use std::net::IpAddr;

/// The IP address of the client, behind trusted proxies the one that they name:
/// [`ClientAddr::ip`](crate::service::client_addr::ClientAddr::ip). `ClientAddr` knows more.
///
/// A client at a Unix domain socket has none, and is refused with 500; `Option<ClientIp>` is `None` there.
///
/// ```
/// use wireline::extract::ClientIp;
/// use wireline::router::Router;
///
/// async fn whoami(ClientIp(ip): ClientIp) -> String {
///     ip.to_string()
/// }
/// assert!(Router::new().get("/whoami", whoami).build().is_ok());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientIp(pub IpAddr);

impl FromRequestParts for ClientIp {
    type Rejection = ClientIpRejection;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, ClientIpRejection> {
        (parts.client().ip()).map(Self).ok_or(ClientIpRejection(()))
    }
}

impl OptionalFromRequestParts for ClientIp {
    type Rejection = Infallible;

    async fn optional_from_request_parts(parts: &mut Parts) -> Result<Option<Self>, Infallible> {
        Ok(parts.client().ip().map(Self))
    }
}

/// The client has no IP address.
///
/// ```
/// use wireline::Router;
/// use wireline::extract::{ClientIp, ClientIpRejection};
/// use wireline::test::TestClient;
///
/// async fn whoami(ip: Result<ClientIp, ClientIpRejection>) -> String {
///     ip.map_or_else(|_| "a neighbour".to_owned(), |ClientIp(ip)| ip.to_string())
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// // The test client comes over memory.
/// let client = TestClient::new(Router::new().get("/", whoami).build().unwrap());
/// assert_eq!(client.get("/").await.text(), "a neighbour");
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientIpRejection(());

impl ClientIpRejection {
    /// 500.
    pub const fn status(&self) -> StatusCode {
        StatusCode::INTERNAL_SERVER_ERROR
    }
}

impl fmt::Display for ClientIpRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the handler takes a `ClientIp`, but its client did not come over IP")
    }
}

rejection!(ClientIpRejection);
