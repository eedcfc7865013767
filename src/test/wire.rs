//! How a test client's requests travel.

use crate::resource::io::memory::MemoryStream;
use crate::service::body::Body;
use crate::service::headers::Headers;
use crate::test::TestClient;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};

/// What takes requests to the service under test.
pub(super) trait Wire: Send + Sync {
    /// Begins to send a request.
    fn begin<'a>(
        &'a self,
        client: &'a TestClient,
        request: Outgoing,
    ) -> Boxed<'a, io::Result<Exchange>>;

    /// A connection on which a WebSocket may be opened as over HTTP/1.1, whatever it becomes further on.
    #[allow(
        dead_code,
        reason = "only the WebSocket client asks, and it is optional"
    )]
    fn upgradable<'a>(&'a self, client: &'a TestClient) -> Boxed<'a, io::Result<MemoryStream>>;
}

/// A request that is ready to be sent.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) method: Method,
    pub(super) target: String,
    pub(super) fields: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Body,
}

impl Outgoing {
    pub(super) fn has(&self, name: &HeaderName) -> bool {
        self.fields.iter().any(|(key, _)| key == name)
    }

    /// The host that it is for.
    pub(super) fn host(&self) -> &[u8] {
        let host = self.fields.iter().find(|(name, _)| name == header::HOST);
        host.map_or(HOST, |(_, value)| value.as_bytes())
    }

    /// The path, without a query.
    pub(super) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}

/// A request on its way, and its response.
pub(super) struct Exchange {
    /// What is still to be sent; done along with the reading.
    sending: Option<Boxed<'static, ()>>,
    receiving: Box<dyn Receive>,
}

/// The receiving side of an exchange. Both futures can be dropped and begun anew without a loss.
pub(super) trait Receive: Send {
    /// Waits for the head of the final response.
    fn head(&mut self) -> Boxed<'_, io::Result<Head>>;

    /// Waits for the next piece of content, or the end.
    fn piece(&mut self) -> Boxed<'_, io::Result<Piece>>;
}

/// The head of a final response, with the statuses of the interim ones before it.
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) headers: Headers,
    pub(super) interim: Vec<StatusCode>,
}

pub(super) enum Piece {
    Data(Bytes),
    /// The end, with the trailer section.
    End(Headers),
}

impl Exchange {
    pub(super) fn new(
        sending: impl Future<Output = ()> + Send + 'static,
        receiving: impl Receive + 'static,
    ) -> Self {
        Self {
            sending: Some(Box::pin(sending)),
            receiving: Box::new(receiving),
        }
    }

    pub(super) async fn head(&mut self) -> io::Result<Head> {
        along(&mut self.sending, self.receiving.head()).await
    }

    pub(super) async fn piece(&mut self) -> io::Result<Piece> {
        along(&mut self.sending, self.receiving.piece()).await
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exchange")
    }
}

/// Receives, and sends meanwhile.
async fn along<T>(
    sending: &mut Option<Boxed<'static, ()>>,
    receiving: impl Future<Output = T>,
) -> T {
    let mut receiving = pin!(receiving);
    poll_fn(|cx| {
        // A server may answer, and close, before it has read everything: its answer is what counts.
        if let Some(rest) = sending
            && rest.as_mut().poll(cx).is_ready()
        {
            *sending = None;
        }
        receiving.as_mut().poll(cx)
    })
    .await
}

pub(super) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The host of requests that name none.
pub(super) const HOST: &[u8] = b"localhost";
