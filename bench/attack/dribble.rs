//! Handshakes of clients that do nothing wrong, in unusual forms: TL-2, TL-9, TL-10, TL-11.

use crate::Context;
use crate::crowd;
use crate::outcome::Outcome;
use crate::pki::{Failure, NAME};
use crate::target::{Random, ask, handshake, within};
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, ClientConfig, ClientConnection, HandshakeKind};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Waker, Poll, ready};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// What a client of this configuration says first.
pub(crate) fn client_hello(config: &Arc<ClientConfig>) -> Result<Vec<u8>, Failure> {
    let mut client = ClientConnection::new(config.clone(), ServerName::try_from(NAME)?)?;
    let mut hello = Vec::new();
    client.write_tls(&mut hello)?;
    Ok(hello)
}

/// TL-2: every handshake is made, or ends with an alert.
pub(crate) async fn pieces(context: Arc<Context>) -> Outcome {
    crowd::each(&context, |context, number| async move {
        let mut outcome = Outcome::default();
        let mut random = Random::new(context.seed, number);
        let made = match number % 3 {
            // Segments of a few octets.
            0 => in_pieces(&context, number, 1 + random.below(9), None).await,
            // Records as small as rustls makes them, in such segments.
            1 => {
                in_pieces(
                    &context,
                    number,
                    1 + random.below(40),
                    Some(32 + random.below(20)),
                )
                .await
            }
            // Records of a few octets, which rustls does not make.
            _ => in_records(&context, number, 1 + random.below(5)).await,
        };
        match made {
            Ok(fact) => outcome.count(fact),
            Err(error) => outcome.complain(format!("{number}: {error}")),
        }
        outcome
    })
    .await
}

async fn in_pieces(
    context: &Context,
    number: usize,
    piece: usize,
    fragment: Option<usize>,
) -> io::Result<&'static str> {
    let mut config = (*context.target.honest).clone();
    config.max_fragment_size = fragment;
    let stream = Choppy(context.target.connect_from(number).await?, piece);
    let name = ServerName::try_from(NAME).map_err(io::Error::other)?;
    let mut stream = within(TlsConnector::from(Arc::new(config)).connect(name, stream)).await?;
    stream
        .write_all(b"GET /plaintext HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await?;
    stream.flush().await?;
    let mut answer = Vec::new();
    within(stream.read_to_end(&mut answer)).await?;
    if answer.starts_with(b"HTTP/1.1 200 ") {
        Ok("answered")
    } else {
        Err(io::Error::other("it was not answered"))
    }
}

async fn in_records(context: &Context, number: usize, size: usize) -> io::Result<&'static str> {
    let hello = client_hello(&context.target.honest).map_err(io::Error::other)?;
    let mut stream = context.target.connect_from(number).await?;
    let mut records = Vec::new();
    for part in hello[5..].chunks(size) {
        // No part is longer than five octets.
        records.extend_from_slice(&[22, 3, 1, 0, u8::try_from(part.len()).unwrap_or_default()]);
        records.extend_from_slice(part);
    }
    stream.write_all(&records).await?;
    match within(stream.read_u8()).await? {
        22 => Ok("hellos_answered"),
        21 => Ok("alerts"),
        other => Err(io::Error::other(format!("the answer begins with {other}"))),
    }
}

/// TL-9.
pub(crate) async fn protocols(context: Arc<Context>) -> Outcome {
    crowd::each(&context, |context, number| async move {
        let mut outcome = Outcome::default();
        let mut config = (*context.target.honest).clone();
        let offered: &[&[u8]] = match number % 3 {
            0 => &[],
            1 => &[b"h3", b"http/1.1"],
            _ => &[b"nonsense", b"spdy/1"],
        };
        config.alpn_protocols = offered.iter().map(|name| name.to_vec()).collect();
        let made = match context.target.connect_from(number).await {
            Ok(stream) => handshake(stream, Arc::new(config)).await,
            Err(error) => Err(error),
        };
        let refused = rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol);
        match (number % 3, made) {
            (2, Err(error)) if has_source(&error, &refused) => outcome.count("refused"),
            (0 | 1, Ok(mut stream)) => match ask(&mut stream).await {
                Ok(()) => outcome.count("answered"),
                Err(error) => outcome.complain(format!("{offered:?}: {error}")),
            },
            (_, Ok(_)) => outcome.complain("a protocol that nobody speaks was agreed on"),
            (_, Err(error)) => outcome.complain(format!("{offered:?}: {error}")),
        }
        outcome
    })
    .await
}

/// TL-10: whatever ticket there is, it allows no early data.
pub(crate) async fn early_data(context: Arc<Context>) -> Outcome {
    crowd::each(&context, |context, number| async move {
        let mut outcome = Outcome::default();
        let config = with_tickets(&context);
        match visit(&context.target, number, &config).await {
            Ok(_) => outcome.count("visits"),
            Err(error) => outcome.complain(error.to_string()),
        }
        let name = ServerName::try_from(NAME).ok();
        let again = name.and_then(|name| ClientConnection::new(config, name).ok());
        match again.map(|mut again| again.early_data().is_some()) {
            Some(true) => outcome.complain("a ticket allows early data"),
            Some(false) => outcome.count("without_early_data"),
            None => outcome.complain("no client"),
        }
        outcome
    })
    .await
}

/// TL-11: a session is resumed with a ticket of its own each time, and a ticket of another process is no error.
pub(crate) async fn tickets(context: Arc<Context>) -> Outcome {
    let another = match context.target.another() {
        Ok(target) => Arc::new(target),
        Err(error) => return Outcome::failed(error.to_string()),
    };
    crowd::each(&context, |context, number| {
        let another = another.clone();
        async move {
            let mut outcome = Outcome::default();
            let config = with_tickets(&context);
            let mut expect = |visited: io::Result<HandshakeKind>, resumed: bool, fact| match visited
            {
                Ok(kind) if (kind == HandshakeKind::Resumed) == resumed => outcome.count(fact),
                Ok(kind) => outcome.complain(format!("{fact}: the handshake was {kind:?}")),
                Err(error) => outcome.complain(format!("{fact}: {error}")),
            };
            expect(
                visit(&context.target, number, &config).await,
                false,
                "first",
            );
            for _ in 0..3 {
                expect(
                    visit(&context.target, number, &config).await,
                    true,
                    "resumed",
                );
            }
            // The other process has another authority, which this client is told to trust as well; its tickets it
            // cannot read.
            let mut other = (*another.honest).clone();
            other.resumption = config.resumption.clone();
            let other = Arc::new(other);
            match visit(&another, number, &other).await {
                Ok(HandshakeKind::Resumed) => {
                    outcome.complain("a ticket of another process was taken")
                }
                Ok(_) => outcome.count("of_another_process"),
                Err(error) => outcome.complain(format!("of another process: {error}")),
            }
            outcome
        }
    })
    .await
}

fn with_tickets(context: &Context) -> Arc<ClientConfig> {
    let mut config = (*context.target.honest).clone();
    config.resumption = Resumption::in_memory_sessions(8);
    config.enable_early_data = true;
    Arc::new(config)
}

async fn visit(
    target: &crate::target::Target,
    number: usize,
    config: &Arc<ClientConfig>,
) -> io::Result<HandshakeKind> {
    let mut stream = handshake(target.connect_from(number).await?, config.clone()).await?;
    ask(&mut stream).await?;
    stream
        .get_ref()
        .1
        .handshake_kind()
        .ok_or_else(|| io::Error::other("no handshake"))
}

fn has_source(error: &io::Error, expected: &rustls::Error) -> bool {
    error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
        == Some(expected)
}

/// A connection that takes so many octets in one write.
struct Choppy(TcpStream, usize);

impl AsyncRead for Choppy {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Waker<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Choppy {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Waker<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let most = self.1.min(buf.len());
        Poll::Ready(ready!(Pin::new(&mut self.0).poll_write(cx, &buf[..most])))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Waker<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Waker<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
