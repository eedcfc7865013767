//! From a listener to connections.

use crate::resource::addr::{ConnInfo, PeerAddr};
use crate::resource::counters::{Counter, Counters};
use crate::resource::date::http_date;
use crate::resource::io::Io;
use crate::server::bind::Listening;
use crate::server::config::Full;
use crate::server::door::Door;
use crate::server::handle::Stop;
use crate::server::handover;
use crate::server::permit::{Permit, Permits};
use crate::service::link::Shared;
use http::HeaderValue;
use socket2::SockRef;
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixDatagram;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};

/// Where accepted connections go.
pub(super) trait Sink {
    fn serve(&mut self, io: Io, info: ConnInfo, permit: Permit);
    /// The worker that counts what happens before a connection has one of its own.
    fn shared(&self) -> &Arc<Shared>;
    /// What stands before HTTP.
    fn door(&self) -> &Door;
}

/// Connections become tasks of this runtime.
pub(super) struct Local {
    pub(super) shared: Arc<Shared>,
    pub(super) door: Door,
}

impl Sink for Local {
    fn serve(&mut self, io: Io, info: ConnInfo, permit: Permit) {
        self.door.serve(io, info, &self.shared, permit);
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    fn door(&self) -> &Door {
        &self.door
    }
}

/// An open listener of tokio.
pub(super) enum Accepting {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Accepting {
    /// Must be called inside a runtime. One that does not listen yet begins to.
    pub(super) fn new(listener: Listening) -> io::Result<Self> {
        Ok(match listener {
            Listening::Tcp(listener) => Self::Tcp(TcpListener::from_std(listener)?),
            Listening::Later(listener, backlog) => {
                // The runtime must not see it before: it would take it for one that has ended.
                SockRef::from(&listener).listen(backlog)?;
                Self::Tcp(TcpListener::from_std(listener)?)
            }
            Listening::Unix(listener, _) => Self::Unix(UnixListener::from_std(listener)?),
        })
    }

    #[allow(dead_code, reason = "only a successor wants it, and that is optional")]
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix(listener) => listener.as_fd(),
        }
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

/// Accepts until the server stops, from when it is this process's turn.
pub(super) async fn accept(
    listener: Arc<Accepting>,
    mut sink: impl Sink,
    permits: Arc<Permits>,
    full: Full,
    mut stop: Stop,
) {
    if stop.unless(handover::turn()).await.is_none() {
        // Who waits is the other process's.
        return;
    }
    let mut pause = FIRST_PAUSE;
    let mut spare = Spare::take();
    // Out of descriptors, no refused client keeps one until somebody has left.
    let mut exhausted = false;
    loop {
        let Some(accepted) = stop.unless(listener.accept()).await else {
            return drain_backlog(&listener, &mut sink, &permits).await;
        };
        match accepted {
            Ok((io, info)) => {
                pause = FIRST_PAUSE;
                let mut permit = permits.try_take();
                let mut stopped = false;
                if permit.is_none() && full == Full::Wait {
                    // This one waits here, without having been read from, and everybody else in the kernel.
                    // A place is never kept for who might come: it may be wanted at another listener.
                    sink.shared().worker.counters.add(Counter::AcceptsPaused);
                    permit = stop.unless(permits.take()).await;
                    stopped = permit.is_none();
                    if stopped && sink.shared().worker.gives_way() {
                        // The other process cannot have this one, and nobody is refused in favour of it.
                        permit = Some(permits.exceed());
                    }
                }
                exhausted &= permit.is_none();
                admit(io, info, permit, &mut sink, exhausted);
                if stopped {
                    return drain_backlog(&listener, &mut sink, &permits).await;
                }
                if let Some(wait) = permits.accepted() {
                    sink.shared().worker.counters.add(Counter::AcceptsPaced);
                    if stop.unless(tokio::time::sleep(wait)).await.is_none() {
                        return drain_backlog(&listener, &mut sink, &permits).await;
                    }
                }
            }
            Err(error) if is_of_the_connection(&error) => {}
            Err(error) => {
                // Out of descriptors or memory: trying again at once would only burn the core.
                sink.shared().worker.counters.add(Counter::AcceptErrors);
                exhausted |= is_out_of_descriptors(&error);
                if full == Full::Refuse && is_out_of_descriptors(&error) {
                    spare = refuse_waiting(&listener, spare, &sink).await;
                }
                if stop.unless(tokio::time::sleep(pause)).await.is_none() {
                    return;
                }
                pause = (pause * 2).min(LAST_PAUSE);
            }
        }
    }
}

/// Connections that the kernel has already accepted are served: closing the listener would reset them. Those that a successor
/// can accept are its own.
async fn drain_backlog(listener: &Accepting, sink: &mut impl Sink, permits: &Arc<Permits>) {
    if sink.shared().worker.gives_way() {
        return;
    }
    for _ in 0..BACKLOG_DRAIN {
        let waiting = tokio::time::timeout(Duration::ZERO, listener.accept()).await;
        let Ok(Ok((io, info))) = waiting else { return };
        admit(io, info, permits.try_take(), sink, false);
    }
}

/// Serves a connection that has a place, and whose address has not had too many.
fn admit(io: Io, info: ConnInfo, permit: Option<Permit>, sink: &mut impl Sink, is_exhausted: bool) {
    let permit = match permit {
        Some(permit) if sink.door().knows_the_client() => permit.of(info.peer),
        permit => permit,
    };
    match permit {
        Some(permit) => sink.serve(io, info, permit),
        None => refuse(
            io,
            refusal(sink.door(), sink.shared()),
            &sink.shared().worker.counters,
            is_exhausted,
        ),
    }
}

/// A descriptor that is kept so that there is one when there are no others.
struct Spare(#[expect(dead_code, reason = "it is held, not used")] UnixDatagram);

impl Spare {
    fn take() -> Option<Self> {
        // Of all descriptors this one needs neither a file nor an address.
        UnixDatagram::unbound().ok().map(Self)
    }
}

/// Without a descriptor nobody can be told anything, and those who wait would hang. The spare one tells
/// them, one after the other; then it is taken back, unless another thread was faster.
async fn refuse_waiting(
    listener: &Accepting,
    mut spare: Option<Spare>,
    sink: &impl Sink,
) -> Option<Spare> {
    for _ in 0..REFUSED_AT_ONCE {
        drop(spare.take());
        let accepted = {
            // Tokio would make it wait before all are told; the loop has an end.
            let mut accept = pin!(tokio::task::unconstrained(listener.accept()));
            poll_fn(|cx| Poll::Ready(accept.as_mut().poll(cx))).await
        };
        let Poll::Ready(Ok((io, _))) = accepted else {
            break;
        };
        let counters = &sink.shared().worker.counters;
        counters.add(Counter::ConnectionsRefused);
        refuse_at_once(&io, &refusal(sink.door(), sink.shared()));
        drop(io);
        spare = Spare::take();
    }
    spare.or_else(Spare::take)
}

/// Tells a client that there is no room, and gives it a short time in which to read that, unless
/// descriptors are too scarce for it.
pub(super) fn refuse(io: Io, answer: Vec<u8>, counters: &Counters, is_exhausted: bool) {
    counters.add(Counter::ConnectionsRefused);
    if !is_exhausted && let Some(lingering) = Lingering::take() {
        let said = say_no(io, answer, lingering);
        tokio::spawn(tokio::time::timeout(REFUSED_LINGER, said));
        return;
    }
    // Or too many are being told already.
    refuse_at_once(&io, &answer);
}

/// One write that does not wait, and nothing is held. What the client has sent is read if it is here:
/// left unread it would turn the close into a reset, which may overtake the answer.
fn refuse_at_once(io: &Io, answer: &[u8]) {
    let mut buf = [0; 4096];
    let _ = match io {
        Io::Tcp(stream) => stream
            .try_write(answer)
            .and_then(|_| stream.try_read(&mut buf)),
        Io::Unix(stream) => stream
            .try_write(answer)
            .and_then(|_| stream.try_read(&mut buf)),
        Io::Dyn(_) => Ok(0),
    };
}

/// What a connection that cannot be served is told: before a handshake that is not much.
pub(super) fn refusal(door: &Door, shared: &Shared) -> Vec<u8> {
    match door.secure() {
        Some(secure) => secure.refusal().to_vec(),
        None => unavailable(&shared.config.server),
    }
}

/// The answer to a connection that cannot be served. Like every other it says when it was made (RFC 9110
/// §6.6.1).
fn unavailable(server: &HeaderValue) -> Vec<u8> {
    let mut answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\n\
         retry-after: 1\r\nconnection: close\r\ndate: {}\r\n",
        REFUSED_TEXT.len(),
        http_date(SystemTime::now()),
    )
    .into_bytes();
    if !server.is_empty() {
        answer.extend_from_slice(&[b"server: ", server.as_bytes(), b"\r\n"].concat());
    }
    answer.extend_from_slice(b"\r\n");
    answer.extend_from_slice(REFUSED_TEXT.as_bytes());
    answer
}

/// Answers, and reads what the client sent anyway, so that the answer is not lost to a reset.
async fn say_no(mut io: Io, answer: Vec<u8>, _lingering: Lingering) -> io::Result<()> {
    io.write_all(&answer).await?;
    io.shutdown().await?;
    let mut buf = [0; 512];
    while io.read(&mut buf).await? > 0 {}
    Ok(())
}

/// Counts a refused connection while it is being told.
struct Lingering;

impl Lingering {
    fn take() -> Option<Self> {
        let taken = REFUSED.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |live| {
            (live < MAX_REFUSED).then_some(live + 1)
        });
        taken.is_ok().then_some(Self)
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        REFUSED.fetch_sub(1, Ordering::Relaxed);
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

/// EMFILE and ENFILE, which have the same numbers on Linux, macOS and the BSDs.
fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(24 | 23))
}

static REFUSED: AtomicUsize = AtomicUsize::new(0);

const REFUSED_TEXT: &str = "too many connections\n";

/// How many refused connections of the process may linger.
const MAX_REFUSED: usize = 256;

/// How long a refused client has to read its answer.
const REFUSED_LINGER: Duration = Duration::from_millis(500);

/// How many connections are told one after the other, between two pauses, that there is no descriptor.
const REFUSED_AT_ONCE: usize = 256;

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// How many connections of the backlog are still taken when the server stops.
const BACKLOG_DRAIN: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::budget::Budget;
    use crate::resource::worker::Worker;
    use crate::server::handle::Handle;
    use crate::service::handler::{Service, service_fn};
    use crate::service::link::config::Config;
    use std::net::{Ipv4Addr, SocketAddr};
    use tokio::net::TcpStream;

    /// A connection whose peer is said to be elsewhere: tests have no other machine.
    async fn come_from(listener: &TcpListener, ip: [u8; 4]) -> (TcpStream, Io, ConnInfo) {
        let addr = listener.local_addr().unwrap();
        let client = TcpStream::connect(addr).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let info = ConnInfo {
            peer: SocketAddr::from((ip, 4711)).into(),
            local: addr.into(),
        };
        (client, stream.into(), info)
    }

    async fn ask(client: &mut TcpStream, last: &str) -> String {
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: {last}\r\n\r\n");
        client.write_all(head.as_bytes()).await.unwrap();
        let mut answer = vec![0; 12];
        client.read_exact(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    }

    fn shared(service: impl Service) -> (Arc<Worker>, Arc<Shared>) {
        let worker = Arc::new(Worker::new(Arc::new(Budget::new(1 << 20))));
        let shared = Arc::new(Shared {
            worker: worker.clone(),
            service: Arc::new(service),
            config: Arc::new(Config::default().settled()),
        });
        (worker, shared)
    }

    #[tokio::test]
    async fn whoever_waits_for_a_place_is_served_when_another_process_takes_over() {
        let (worker, shared) = shared(service_fn(async |_| "hello"));
        let counters = Arc::new(Counters::default());
        let handle = Handle::new(
            Arc::new(Budget::new(1 << 20)),
            Vec::new(),
            counters,
            Vec::new(),
            || 0,
        );
        handle.add_worker(worker.clone());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let sink = Local {
            shared,
            door: Door::Plain,
        };
        let permits = Permits::new(1, None, None);
        let accepting = tokio::spawn(accept(
            Arc::new(Accepting::Tcp(listener)),
            sink,
            permits.clone(),
            Full::Wait,
            handle.stop_signal(),
        ));
        let mut served = TcpStream::connect(addr).await.unwrap();
        assert_eq!(ask(&mut served, "keep-alive").await, "HTTP/1.1 200");
        let mut waiting = TcpStream::connect(addr).await.unwrap();
        while worker.counters.get(Counter::AcceptsPaused) == 0 {
            tokio::task::yield_now().await;
        }
        handle.give_way();
        accepting.await.unwrap();
        assert_eq!(ask(&mut waiting, "close").await, "HTTP/1.1 200");
        drop((served, waiting));
        while permits.live() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(worker.counters.get(Counter::ConnectionsRefused), 0);
    }

    #[tokio::test]
    async fn an_address_beyond_its_share_is_answered_503() {
        let (worker, shared) = shared(service_fn(async |_| "hello"));
        let mut sink = Local {
            shared,
            door: Door::Plain,
        };
        let permits = Permits::new(10, Some(1), None);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (mut first, io, info) = come_from(&listener, [192, 0, 2, 1]).await;
        admit(io, info, permits.try_take(), &mut sink, false);
        assert_eq!(ask(&mut first, "keep-alive").await, "HTTP/1.1 200");
        let (mut second, io, info) = come_from(&listener, [192, 0, 2, 1]).await;
        admit(io, info, permits.try_take(), &mut sink, false);
        assert_eq!(ask(&mut second, "close").await, "HTTP/1.1 503");
        assert_eq!(worker.counters.get(Counter::ConnectionsRefused), 1);
        let (mut other, io, info) = come_from(&listener, [192, 0, 2, 2]).await;
        admit(io, info, permits.try_take(), &mut sink, false);
        assert_eq!(ask(&mut other, "close").await, "HTTP/1.1 200");

        // When the first is gone its address has its place again.
        drop((first, other));
        while permits.live() > 0 {
            tokio::task::yield_now().await;
        }
        let (mut third, io, info) = come_from(&listener, [192, 0, 2, 1]).await;
        admit(io, info, permits.try_take(), &mut sink, false);
        assert_eq!(ask(&mut third, "close").await, "HTTP/1.1 200");
        assert_eq!(worker.counters.get(Counter::ConnectionsRefused), 1);
    }
}
