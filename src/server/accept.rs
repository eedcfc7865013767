//! From a listener to connections.

use crate::http1::driver::{Connection, Shared};
use crate::resource::addr::{ConnInfo, PeerAddr};
use crate::resource::counters::Counter;
use crate::resource::io::Io;
use crate::server::bind::Listener;
use crate::server::config::Full;
use crate::server::handle::Stop;
use crate::server::permit::{Permit, Permits};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream, UnixListener};

/// Where accepted connections go.
pub(super) trait Sink {
    fn serve(&mut self, io: Io, info: ConnInfo, permit: Permit);
    /// The worker that counts what happens before a connection has one of its own.
    fn shared(&self) -> &Arc<Shared>;
}

/// Connections become tasks of this runtime.
pub(super) struct Local(pub(super) Arc<Shared>);

impl Sink for Local {
    fn serve(&mut self, io: Io, info: ConnInfo, permit: Permit) {
        tokio::spawn(Connection::new(io, info, self.0.clone(), permit));
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.0
    }
}

/// An open listener of tokio.
pub(super) enum Accepting {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Accepting {
    /// Must be called inside a runtime.
    pub(super) fn new(listener: Listener) -> io::Result<Self> {
        Ok(match listener {
            Listener::Tcp(listener) => Self::Tcp(TcpListener::from_std(listener)?),
            Listener::Unix(listener, _) => Self::Unix(UnixListener::from_std(listener)?),
        })
    }

    async fn accept(&self) -> io::Result<(Io, ConnInfo)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // Responses are written whole, so waiting for more only delays them.
                let _ = stream.set_nodelay(true);
                let local = stream.local_addr().map(PeerAddr::from).unwrap_or_default();
                Ok((
                    stream.into(),
                    ConnInfo {
                        peer: peer.into(),
                        local,
                    },
                ))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((
                    stream.into(),
                    ConnInfo {
                        peer: PeerAddr::Unix,
                        local: PeerAddr::Unix,
                    },
                ))
            }
        }
    }
}

/// Accepts until the server stops.
pub(super) async fn accept(
    listener: Accepting,
    mut sink: impl Sink,
    permits: Arc<Permits>,
    full: Full,
    mut stop: Stop,
) {
    let mut pause = FIRST_PAUSE;
    loop {
        let reserved = match full {
            Full::Refuse => None,
            Full::Wait => match stop.unless(permits.take()).await {
                Some(permit) => Some(permit),
                None => return,
            },
        };
        let Some(accepted) = stop.unless(listener.accept()).await else {
            return drain_backlog(&listener, &mut sink, &permits).await;
        };
        match accepted {
            Ok((io, info)) => {
                pause = FIRST_PAUSE;
                match reserved.or_else(|| permits.try_take()) {
                    Some(permit) => sink.serve(io, info, permit),
                    None => refuse(io, sink.shared()),
                }
            }
            Err(error) if is_of_the_connection(&error) => {}
            Err(_) => {
                // Out of descriptors or memory: trying again at once would only burn the core.
                sink.shared().worker.counters.add(Counter::AcceptErrors);
                if stop.unless(tokio::time::sleep(pause)).await.is_none() {
                    return;
                }
                pause = (pause * 2).min(LAST_PAUSE);
            }
        }
    }
}

/// Connections that the kernel has already accepted are served: closing the listener would reset them.
async fn drain_backlog(listener: &Accepting, sink: &mut impl Sink, permits: &Arc<Permits>) {
    for _ in 0..BACKLOG_DRAIN {
        let waiting = tokio::time::timeout(Duration::ZERO, listener.accept()).await;
        let Ok(Ok((io, info))) = waiting else { return };
        if let Some(permit) = permits.try_take() {
            sink.serve(io, info, permit);
        }
    }
}

/// Tells a client that there is no room, without letting it hold anything: one write that does not
/// wait, then a short time in which the answer can be read.
fn refuse(io: Io, shared: &Arc<Shared>) {
    shared.worker.counters.add(Counter::ConnectionsRefused);
    if let Io::Tcp(stream) = io {
        let _ = stream.try_write(REFUSAL);
        if let Ok(stream) = stream.into_std()
            && stream.shutdown(std::net::Shutdown::Write).is_ok()
        {
            REFUSED.with(|count| {
                if count.get() < MAX_REFUSED
                    && let Ok(stream) = TcpStream::from_std(stream)
                {
                    count.set(count.get() + 1);
                    tokio::spawn(linger(stream, Lingering));
                }
            });
        }
    }
}

/// Reads what the client sent anyway, so that the answer is not lost to a reset.
async fn linger(mut stream: TcpStream, lingering: Lingering) {
    let mut buf = [0; 512];
    let read_out = async { while stream.read(&mut buf).await.is_ok_and(|len| len > 0) {} };
    let _ = tokio::time::timeout(REFUSED_LINGER, read_out).await;
    drop(lingering);
}

/// Counts a refused connection while its answer is being read.
struct Lingering;

impl Drop for Lingering {
    fn drop(&mut self) {
        let _ = REFUSED.try_with(|count| count.set(count.get().saturating_sub(1)));
    }
}

/// Errors that the peer caused before its connection was accepted.
fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}

thread_local! {
    static REFUSED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 21\r\nretry-after: 1\r\nconnection: close\r\n\r\ntoo many connections\n";

/// How many refused connections of one thread may linger.
const MAX_REFUSED: usize = 64;

/// How long a refused client has to read its answer.
const REFUSED_LINGER: Duration = Duration::from_millis(500);

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// How many connections of the backlog are still taken when the server stops.
const BACKLOG_DRAIN: usize = 4096;
