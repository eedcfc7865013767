//! `X-Content-Type-Options: nosniff` on every response (S121), unless the handler said otherwise (S124).

use crate::service::response::Response;
use http::HeaderValue;
use http::header::X_CONTENT_TYPE_OPTIONS;

pub(crate) fn apply(response: &mut Response) {
    if !response.headers().contains(X_CONTENT_TYPE_OPTIONS) {
        response
            .headers_mut()
            .append(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    }
}
