//! The door of a TLS listener.

use crate::resource::addr::ConnInfo;
use crate::resource::counters::Counters;
use crate::resource::io::{Io, Transport};
use crate::resource::tls_info::TlsInfo;
use crate::resource::tls_stream::TlsStream;
use crate::server::door::{Secure, Watch};
use crate::server::permit::Permit;
use crate::server::tls::config::TlsConfig;
use crate::server::tls::error::TlsError;
use crate::server::tls::handshake::{Serving, info};
use crate::server::tls::names;
use crate::server::tls::places::Places;
use crate::server::tls::reload::Certificates;
use crate::service::link::{Link, Shared};
use bytes::BytesMut;
use rustls::server::UnbufferedServerConnection;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

/// What the connections of one listener share.
pub(super) struct Acceptor {
    pub(super) certificates: Certificates,
    pub(super) places: Arc<Places>,
    pub(super) handshake_timeout: Duration,
}

impl Acceptor {
    pub(super) fn new(config: &TlsConfig) -> Result<Self, TlsError> {
        Ok(Self {
            certificates: Certificates::new(config)?,
            places: Arc::new(Places::new(config.max_handshakes)),
            handshake_timeout: config.handshake_timeout,
        })
    }
}

/// Handshakes for whoever accepts connections himself, and serves them with
/// [`http1::driver::Connection`](crate::http1::driver::Connection), with feature `http2` and when
/// [`TlsInfo::alpn`](crate::resource::tls_info::TlsInfo::alpn) is `h2` with `http2::Connection`, which has an example, or with another
/// protocol of his own. Clones are the same.
///
/// Nothing watches files or counts handshakes here: that is done for the listeners of a
/// [`Server`](crate::server::Server).
///
/// ```
/// use wireline::resource::io::{Io, memory};
/// use wireline::server::TlsConfig;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let acceptor = TlsConfig::self_signed("localhost").unwrap().acceptor().unwrap();
/// let (client, server) = memory::pair(1024);
/// // Whoever goes away in the middle of a handshake has made none.
/// drop(client);
/// assert!(acceptor.accept(Io::Dyn(Box::new(server))).await.is_err());
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct TlsAcceptor(Arc<Acceptor>);

impl TlsConfig {
    /// Makes handshakes without a server.
    ///
    /// # Errors
    ///
    /// When what was read before can no longer be used.
    pub fn acceptor(&self) -> Result<TlsAcceptor, TlsError> {
        Ok(TlsAcceptor(Arc::new(Acceptor::new(self)?)))
    }
}

impl TlsAcceptor {
    /// Makes the server's side of a handshake; gives the transport and what was found out. It takes as long as the
    /// configuration's `handshake_timeout` at the most.
    ///
    /// Dropping the future drops the connection.
    ///
    /// # Errors
    ///
    /// Of the transport; `InvalidData` when the client does not speak TLS, or not as it has to; `TimedOut`.
    pub async fn accept(&self, io: Io) -> io::Result<(Io, TlsInfo)> {
        let connection = UnbufferedServerConnection::new(self.0.certificates.current())
            .map_err(io::Error::other)?;
        let mut stream = Box::new(TlsStream::new(io, connection, BytesMut::new()));
        let mut name = None;
        let handshake = poll_fn(|cx| {
            let outcome = stream.poll_handshake(cx);
            name = names::asked_for().or_else(|| name.take());
            outcome
        });
        if let Err(broken) = tokio::time::timeout(self.0.handshake_timeout, handshake).await? {
            // The alert, as far as the transport takes it at once.
            poll_fn(|cx| {
                let _ = stream.poll_flush(cx);
                Poll::Ready(())
            })
            .await;
            return Err(broken.into());
        }
        let tls = info(stream.connection(), name.as_deref());
        Ok((Io::Dyn(stream), tls))
    }
}

impl Secure for Acceptor {
    fn serve(self: Arc<Self>, io: Io, info: ConnInfo, shared: Arc<Shared>, permit: Permit) {
        let link = Link::new(info, shared);
        tokio::spawn(Serving::new(io, self, link, permit));
    }

    fn refusal(&self) -> &'static [u8] {
        &REFUSAL
    }

    fn reload(&self, counters: &Counters) -> io::Result<()> {
        Ok(self.certificates.reload(counters)?)
    }

    fn watch(self: Arc<Self>, counters: Arc<Counters>) -> Option<Watch> {
        let interval = self.certificates.interval?;
        self.certificates.has_files().then(|| -> Watch {
            Box::pin(async move {
                loop {
                    tokio::time::sleep(interval).await;
                    let (me, counters) = (self.clone(), counters.clone());
                    // Files may be slow, and connections are not to wait for them.
                    let looked = tokio::task::spawn_blocking(move || {
                        me.certificates.reload_changed(&counters);
                    });
                    let _ = looked.await;
                }
            })
        })
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

/// An alert, `internal_error`, which is all that can be said before a handshake (RFC 8446 §6).
const REFUSAL: [u8; 7] = [21, 3, 3, 0, 2, 2, 80];
