//! Opening connections.

use crate::relay::client::BoxError;
use crate::relay::client::core::pace::Ending;
use crate::relay::client::stream::seconds_of;
use crate::resource::io::Io;
use crate::ws::client::{Client, ConnectError};
use crate::ws::socket::WebSocket;
use http::header::{AUTHORIZATION, RETRY_AFTER};
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Something that a callback will give.
pub(crate) type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Gives the token that signs a connection in.
pub(crate) type Bearer = Arc<dyn Fn() -> Later<Result<String, BoxError>> + Send + Sync>;

/// Opens the transport under a connection.
pub(crate) type Over = Arc<dyn Fn() -> Later<io::Result<Io>> + Send + Sync>;

/// How a client's connections are opened.
#[derive(Clone)]
pub(crate) struct Dial {
    pub(crate) url: String,
    pub(crate) client: Client,
    pub(crate) bearer: Option<Bearer>,
    pub(crate) over: Option<Over>,
    /// What a callback and a transport may take.
    pub(crate) limit: Duration,
    /// The path or URL of event streams.
    pub(crate) sse: String,
    /// The octets of an event of a stream.
    pub(crate) longest_event: usize,
}

impl Dial {
    /// Opens one. Dropping the future leaves nothing behind.
    pub(crate) async fn open(self) -> Result<WebSocket, DialError> {
        let token = self.sign_in().await?;
        let mut client = self.client;
        if let Some(token) = token {
            client = client.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let opened = match &self.over {
            None => client.connect(&self.url).await,
            Some(over) => {
                let io = timeout(self.limit, over())
                    .await
                    .map_err(|_| ConnectError::ConnectTimeout)?;
                client
                    .connect_over(io.map_err(ConnectError::Io)?, &self.url)
                    .await
            }
        };
        Ok(opened?)
    }

    /// The token that signs in, for who has one.
    pub(crate) async fn sign_in(&self) -> Result<Option<String>, DialError> {
        let Some(bearer) = &self.bearer else {
            return Ok(None);
        };
        match timeout(self.limit, bearer()).await {
            Ok(token) => token.map(Some).map_err(DialError::Bearer),
            Err(_) => Err(DialError::Bearer("no token in time".into())),
        }
    }
}

impl fmt::Debug for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dial")
            .field("url", &self.url)
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

/// Why there is no first connection.
///
/// ```
/// use std::io;
/// use wireline::relay::client::{DialError, RelayClient};
/// use wireline::ws::client::ConnectError;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// // A transport that cannot be opened.
/// let refused = || std::future::ready(Err(io::ErrorKind::ConnectionRefused.into()));
/// let error = RelayClient::builder("ws://localhost/ws").over(refused).connect().await.unwrap_err();
/// assert!(matches!(error, DialError::Connect(ConnectError::Io(_))));
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum DialError {
    /// The WebSocket was not opened.
    Connect(ConnectError),
    /// The callback gave no token to sign in with.
    Bearer(BoxError),
}

impl DialError {
    pub(crate) fn ending(&self) -> Ending {
        match self {
            Self::Connect(ConnectError::Refused(refused)) => {
                let seconds = refused.headers.get(RETRY_AFTER.as_str());
                Ending::Refused {
                    status: refused.status.as_u16(),
                    retry_after: seconds.and_then(|value| seconds_of(value.as_bytes())),
                }
            }
            Self::Connect(error @ (ConnectError::Url(_) | ConnectError::Field(_))) => {
                Ending::Unfit(error.to_string())
            }
            Self::Connect(error) => Ending::Failed(error.to_string()),
            Self::Bearer(_) => Ending::NoToken(self.to_string()),
        }
    }
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => error.fmt(f),
            Self::Bearer(error) => write!(f, "no token to sign in with: {error}"),
        }
    }
}

impl std::error::Error for DialError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Connect(error) => Some(error),
            Self::Bearer(error) => Some(&**error),
        }
    }
}

impl From<ConnectError> for DialError {
    fn from(error: ConnectError) -> Self {
        Self::Connect(error)
    }
}
