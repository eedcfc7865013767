//! What all rejections have in common.

use crate::extract::mistake;
use http::StatusCode;
use std::fmt;

/// Makes a type with `Display` and `status()` an error that a handler may return, bare or through `?`.
macro_rules! rejection {
    ($rejection:ty) => {
        impl std::error::Error for $rejection {}

        impl $crate::service::error::HttpError for $rejection {
            fn into_http(self) -> (http::StatusCode, String) {
                let status = self.status();
                (status, $crate::extract::rejection::message(status, &self))
            }
        }

        impl From<$rejection> for $crate::service::error::Error {
            fn from(rejection: $rejection) -> Self {
                let status = rejection.status();
                let message = $crate::extract::rejection::message(status, &rejection);
                Self::new(status, message).with_source(rejection)
            }
        }
    };
}

pub(super) use rejection;

/// What the client is told: what it did wrong, but nothing of what we did. That names types and
/// parameters of the program, which are for the log.
pub(super) fn message(status: StatusCode, rejection: &dyn fmt::Display) -> String {
    if !status.is_server_error() {
        return rejection.to_string();
    }
    mistake::tell(rejection);
    "internal server error".to_owned()
}
