//! Both ends of the connection.

use crate::resource::addr::ConnInfo;
use crate::service::handler::FromRequestParts;
use crate::service::request::Parts;
use std::convert::Infallible;

/// The addresses of both ends, as the socket reports them.
///
/// A `ConnInfo` in the request's extensions wins: middleware behind a trusted proxy leaves the client's
/// address there, and so does whoever calls a service without a connection of this server's own.
impl FromRequestParts for ConnInfo {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts) -> Result<Self, Infallible> {
        let left = parts
            .extensions()
            .and_then(|extensions| extensions.get::<Self>())
            .copied();
        Ok(left.unwrap_or_else(|| parts.connection()))
    }
}
