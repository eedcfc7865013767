//! What the TLS handshake of the request's connection has found out.

use crate::extract::rejection::rejection;
use crate::resource::tls_info::TlsInfo;
use crate::service::handler::FromRequestParts;
use crate::service::optional::OptionalFromRequestParts;
use crate::service::request::Parts;
use http::StatusCode;
use std::convert::Infallible;
use std::fmt;

/// 403 on a connection without TLS; `Option<TlsInfo>` is `None` there.
///
/// A `TlsInfo` in the request's extensions wins, as with `ConnInfo`.
impl FromRequestParts for TlsInfo {
    type Rejection = TlsInfoRejection;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, TlsInfoRejection> {
        parts.tls().cloned().ok_or(TlsInfoRejection(()))
    }
}

impl OptionalFromRequestParts for TlsInfo {
    type Rejection = Infallible;

    async fn optional_from_request_parts(parts: &mut Parts) -> Result<Option<Self>, Infallible> {
        Ok(parts.tls().cloned())
    }
}

/// The connection has no TLS.
///
/// ```
/// use wireline::Router;
/// use wireline::extract::TlsInfo;
/// use wireline::test::TestClient;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let routes = Router::new().get("/secret", async |tls: TlsInfo| format!("by {}", tls.version()));
/// let client = TestClient::new(routes.build().unwrap());
/// assert_eq!(client.get("/secret").await.status, 403);
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsInfoRejection(());

impl TlsInfoRejection {
    /// 403.
    pub const fn status(&self) -> StatusCode {
        StatusCode::FORBIDDEN
    }
}

impl fmt::Display for TlsInfoRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this is served over TLS only")
    }
}

rejection!(TlsInfoRejection);
