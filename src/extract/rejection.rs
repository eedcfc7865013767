//! What all rejections have in common.

/// Makes a type with `Display` and `status()` an error that a handler may return, bare or through `?`.
macro_rules! rejection {
    ($rejection:ty) => {
        impl std::error::Error for $rejection {}

        impl $crate::service::error::HttpError for $rejection {
            fn into_http(self) -> (http::StatusCode, String) {
                (self.status(), self.to_string())
            }
        }

        impl From<$rejection> for $crate::service::error::Error {
            fn from(rejection: $rejection) -> Self {
                Self::new(rejection.status(), rejection.to_string()).with_source(rejection)
            }
        }
    };
}

pub(super) use rejection;
