//! Who the client is.

use crate::service::client_addr::ClientAddr;
use crate::service::handler::FromRequestParts;
use crate::service::request::Parts;
use std::convert::Infallible;

/// The client's address, behind trusted proxies the one that they name.
///
/// A `ClientAddr` in the request's extensions wins, as with `ConnInfo`.
impl FromRequestParts for ClientAddr {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, Infallible> {
        Ok(parts.client())
    }
}
