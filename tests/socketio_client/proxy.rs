//! Stands before a server: with TLS, with scissors, or in the way of WebSockets.

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

pub(crate) struct Proxy {
    port: u16,
    is_cut: watch::Sender<bool>,
    /// The certificate for `localhost`, in PEM.
    pub(crate) pem: String,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Plain,
    Tls,
    /// Requests for a WebSocket are cut off.
    PollingAlone,
}

impl Proxy {
    /// Listens on a free port, and hands everything on to `place`.
    pub(crate) async fn before(place: &str, kind: Kind) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let is_cut = watch::Sender::new(false);
        let (place, watched) = (place.to_owned(), is_cut.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, place, cut) = (acceptor.clone(), place.clone(), watched.subscribe());
                tokio::spawn(async move {
                    match kind {
                        Kind::Plain => hand_on(stream, &place, cut).await,
                        Kind::Tls => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                hand_on(stream, &place, cut).await;
                            }
                        }
                        Kind::PollingAlone => {
                            let mut head = [0; 256];
                            let read = stream.peek(&mut head).await.unwrap_or(0);
                            let head = String::from_utf8_lossy(&head[..read]);
                            if !head.contains("transport=websocket") {
                                hand_on(stream, &place, cut).await;
                            }
                        }
                    }
                });
            }
        });
        let pem = made.cert.pem();
        Self { port, is_cut, pem }
    }

    /// `localhost:PORT`.
    pub(crate) fn place(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// Ends every connection, as a network does it, and lets none through.
    pub(crate) fn cut(&self) {
        self.is_cut.send_replace(true);
    }

    pub(crate) fn mend(&self) {
        self.is_cut.send_replace(false);
    }
}

async fn hand_on(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    place: &str,
    mut cut: watch::Receiver<bool>,
) {
    let Ok(mut server) = TcpStream::connect(place).await else {
        return;
    };
    tokio::select! {
        // How it ends is seen on both sides.
        _ = copy_bidirectional(&mut stream, &mut server) => {}
        _ = cut.wait_for(|is_cut| *is_cut) => {}
    }
}
