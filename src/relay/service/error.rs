//! Why something is refused.

use crate::service::error::Error;
use http::StatusCode;
use std::fmt;

/// Why nobody was registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotRegistered {
    /// There are too many clients (503).
    Full,
    /// The user has too many (429).
    UserFull,
    /// The system has no random numbers (500).
    NoRandomness,
}

impl NotRegistered {
    const fn status(self) -> StatusCode {
        match self {
            Self::Full => StatusCode::SERVICE_UNAVAILABLE,
            Self::UserFull => StatusCode::TOO_MANY_REQUESTS,
            Self::NoRandomness => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl fmt::Display for NotRegistered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "too many clients",
            Self::UserFull => "too many clients of this user",
            Self::NoRandomness => "no random numbers",
        })
    }
}

impl std::error::Error for NotRegistered {}

impl From<NotRegistered> for Error {
    fn from(error: NotRegistered) -> Self {
        Self::new(error.status(), error.to_string()).with_source(error)
    }
}
