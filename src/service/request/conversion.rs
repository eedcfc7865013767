//! From and to the requests of the `http` crate.

use crate::resource::stream_end::{StreamEnd, StreamGuard};
use crate::resource::worker::Slot;
use crate::service::body::Body;
use crate::service::request::parts::Target;
use crate::service::request::{Parts, Request};
use http::Uri;
use std::sync::Arc;

impl Parts {
    /// The connection that it came over, where there is one.
    #[allow(dead_code, reason = "only `App` traces requests, and it is optional")]
    pub(crate) fn slot(&self) -> Option<&Slot> {
        self.inner().connection.as_deref()
    }

    /// A head of another making (HTTP/2, tower), and the connection that it came over, where that is known:
    /// a request of ours that went through tower carries it along.
    pub(crate) fn begin_http(
        &mut self,
        mut head: http::request::Parts,
        connection: Option<&Arc<Slot>>,
    ) {
        let inner = self.inner_mut();
        let carried = head.extensions.remove::<Carried>();
        inner.connection = connection.cloned();
        if let Some(Carried(slot, end)) = carried
            && inner.connection.is_none()
        {
            (inner.connection, inner.end) = (Some(slot), end);
        }
        inner.method = head.method;
        inner.version = head.version;
        inner.headers.set_map(head.headers);
        if let Target::Uri(uri) = &mut inner.target {
            **uri = head.uri;
        } else {
            inner.target = Target::Uri(Box::new(head.uri));
        }
        if !head.extensions.is_empty() {
            inner.extensions = Some(Box::new(head.extensions));
        }
    }

    /// The request is one stream among others of its connection, which ends when what this gives is dropped. For
    /// drivers.
    pub fn begin_stream(&mut self) -> StreamGuard {
        let inner = self.inner_mut();
        let end = StreamEnd::recycled(inner.last_end.take());
        inner.end = Some(end.clone());
        StreamGuard::new(end)
    }
}

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

/// The connection of a request that is tower's for a while, and the end of its stream.
#[derive(Clone)]
struct Carried(Arc<Slot>, Option<Arc<StreamEnd>>);
