//! Who sends the request, on routes that are open to everybody.

use crate::service::handler::FromRequestParts;
use crate::service::optional::OptionalFromRequestParts;
use crate::service::request::Parts;
use crate::service::user::CurrentUser;
use std::convert::Infallible;

/// `None` for a request that came without credentials, or with ones that are not good.
impl OptionalFromRequestParts for CurrentUser {
    type Rejection = Infallible;

    async fn optional_from_request_parts(parts: &mut Parts) -> Result<Option<Self>, Infallible> {
        Ok(Self::from_request_parts(parts).await.ok())
    }
}
