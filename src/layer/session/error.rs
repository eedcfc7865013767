//! What is wrong with the use of a session.

use crate::service::error::Error;
use crate::service::response::{IntoResponse, Response};
use std::fmt;

/// Why a session did not do what it was asked for: 500.
///
/// ```
/// use wireline::layer::session::{Session, SessionError};
/// use wireline::test::TestClient;
/// use wireline::{Error, Router};
///
/// async fn visits(session: Session) -> Result<String, Error> {
///     Ok(session.get::<u64>("visits")?.unwrap_or(0).to_string())
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// // Nobody put `Sessions` around it.
/// let client = TestClient::new(Router::new().get("/", visits).build().unwrap());
/// assert_eq!(client.get("/").await.status, 500);
/// # });
/// assert!(SessionError::Absent.to_string().contains("Sessions"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionError {
    /// There is no `Sessions` around the route, or it exempts the request.
    Absent,
    /// A value is of another type, or does not become JSON.
    Value(String),
    /// There is no room for so much.
    TooLarge {
        /// What the session would have, as JSON.
        octets: usize,
        /// What there is room for.
        most: usize,
    },
    /// The response is under way: nothing can be changed any more.
    Closed,
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str(
                "the handler takes a `Session`, but no router around it has the middleware `Sessions`, or that exempts the request",
            ),
            Self::Value(why) => write!(f, "a value of the session is not what it should be: {why}"),
            Self::TooLarge { octets, most } => {
                write!(f, "the session would have {octets} octets, at most {most} are kept")
            }
            Self::Closed => f.write_str("the response is under way: the session cannot be changed"),
        }
    }
}

impl std::error::Error for SessionError {}

impl From<SessionError> for Error {
    fn from(error: SessionError) -> Self {
        Self::internal(error)
    }
}

impl IntoResponse for SessionError {
    fn into_response(self) -> Response {
        Error::from(self).into_response()
    }
}
