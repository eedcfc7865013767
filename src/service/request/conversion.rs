//! From and to the requests of the `http` crate.

use crate::service::body::Body;
use crate::service::request::{Carried, Parts, Request};
use http::Uri;

impl<B: Into<Body>> From<http::Request<B>> for Request {
    fn from(request: http::Request<B>) -> Self {
        let (head, body) = request.into_parts();
        let mut parts = Parts::default();
        parts.begin_http(head, None);
        Self {
            parts,
            body: body.into(),
        }
    }
}

impl TryFrom<Request> for http::Request<Body> {
    type Error = http::Error;

    fn try_from(request: Request) -> Result<Self, http::Error> {
        let (mut parts, body) = request.into_parts();
        // Where it costs nothing, nobody has asked for it.
        let client = parts.trusted().is_some().then(|| parts.client());
        let uri = match parts.to_uri() {
            Some(uri) => uri,
            None => Uri::try_from(parts.uri())?,
        };
        let mut made = Self::new(body);
        *made.method_mut() = parts.method().clone();
        *made.version_mut() = parts.version();
        *made.uri_mut() = uri;
        *made.headers_mut() = std::mem::take(parts.headers_mut()).into();
        if let Some(extensions) = parts.inner_mut().extensions.take() {
            *made.extensions_mut() = *extensions;
        }
        let connection = parts.inner_mut().connection.take();
        let end = parts.inner().end.clone();
        let info = connection.as_ref().map(|slot| slot.info());
        // What middleware behind a trusted proxy left wins, as it does in the extractor.
        (made.extensions_mut()).get_or_insert_with(|| info.unwrap_or_default());
        if let Some(client) = client {
            made.extensions_mut().insert(client);
        }
        if let Some(slot) = connection {
            if let Some(tls) = slot.tls() {
                (made.extensions_mut()).get_or_insert_with(|| tls.clone());
            }
            made.extensions_mut().insert(Carried(slot, end));
        }
        Ok(made)
    }
}
