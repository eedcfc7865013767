//! Listeners whose connections come from a proxy, which says who its client is before anything else: the PROXY protocol.
//!
//! ```text
//!   accept --listed?--> Waiting --header--> the place of the client's address (or 503) --> the door behind
//!              |           | none, late
//!              +-----------+--> the end
//! ```
//!
//! No octet behind the header is read here, so that the door behind finds everything.

use crate::resource::addr::{ConnInfo, PeerAddr};
use crate::resource::counters::Counter;
use crate::resource::io::Io;
use crate::resource::worker::{Phase, Slot};
use crate::server::accept;
use crate::server::door::Door;
use crate::server::permit::Permit;
use crate::service::link::Shared;
use crate::service::trusted::{InvalidNetwork, Networks};
use crate::wire::proxy::{ProxyDecoder, ProxyHeader};
use bytes::BytesMut;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, ReadBuf};

/// The PROXY protocol, versions 1 and 2, at a listener: whose headers are taken, and how long they may take. Mark a
/// place with [`behind_proxy`](crate::server::IntoBind::behind_proxy).
///
/// At such a listener every connection has to begin with a header, from a source that is listed; any other is closed.
/// The addresses that it names are those of the connection from then on, for handlers and for limits. A header that
/// names none (`LOCAL`, `UNKNOWN`) leaves those of the socket.
#[derive(Clone, Debug)]
pub struct ProxyProtocol {
    sources: Networks,
    timeout: Duration,
    max_header: usize,
}

impl ProxyProtocol {
    /// Proxies at these addresses: networks as in [`Networks::read`], with `unix` for those at a Unix domain socket.
    ///
    /// ```
    /// use wireline::server::ProxyProtocol;
    ///
    /// assert!(ProxyProtocol::from_sources(["10.0.0.0/8", "::1"]).is_ok());
    /// assert!(ProxyProtocol::from_sources(["localhost"]).is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// The first text that names no network.
    pub fn from_sources<T: AsRef<str>>(
        networks: impl IntoIterator<Item = T>,
    ) -> Result<Self, InvalidNetwork> {
        Ok(Self {
            sources: Networks::read(networks)?,
            timeout: Duration::from_secs(5),
            max_header: 4096,
        })
    }

    /// How long the header may take, from accept on. Default 5 s.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How many octets a header of version 2 may have, with all that it carries beside addresses. Default 4,096; at the
    /// least 232, which is what addresses may take.
    #[must_use]
    pub fn max_header(mut self, octets: usize) -> Self {
        self.max_header = octets.max(LONGEST_ADDRESSES);
        self
    }
}

/// The door of such a listener.
pub(super) struct Proxied {
    protocol: ProxyProtocol,
    pub(super) then: Door,
}

impl Proxied {
    pub(super) fn new(protocol: &ProxyProtocol, then: Door) -> Self {
        Self {
            protocol: protocol.clone(),
            then,
        }
    }

    /// Waits for the header as a task of the present runtime, and goes on with the door behind.
    pub(super) fn serve(
        self: Arc<Self>,
        io: Io,
        info: ConnInfo,
        shared: Arc<Shared>,
        permit: Permit,
    ) {
        if !self.protocol.sources.contains(info.peer) {
            return shared.worker.counters.add(Counter::RefusedProxySource);
        }
        let slot = shared.worker.register(info);
        slot.set_due(shared.worker.tick_after(self.protocol.timeout));
        tokio::spawn(Waiting {
            carried: Some((io, permit)),
            decoder: ProxyDecoder::new(self.protocol.max_header),
            octets: BytesMut::new(),
            place: Place { shared, slot },
            proxied: self,
        });
    }
}

impl fmt::Debug for Proxied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxied({:?})", self.then)
    }
}

/// A connection before its header.
struct Waiting {
    /// Until they go to the door behind.
    carried: Option<(Io, Permit)>,
    decoder: ProxyDecoder,
    /// The header, as far as it has come.
    octets: BytesMut,
    place: Place,
    proxied: Arc<Proxied>,
}

/// The place in the sweep, while the connection has no other.
struct Place {
    shared: Arc<Shared>,
    slot: Arc<Slot>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.worker.unregister(&self.slot);
    }
}

impl Future for Waiting {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let me = &mut *self;
        me.place.slot.set_waker(cx.waker());
        if me.is_over() {
            return Poll::Ready(());
        }
        loop {
            match me.decoder.decode(&mut me.octets) {
                Ok(None) => {}
                Ok(Some(header)) => {
                    me.go_on(header);
                    return Poll::Ready(());
                }
                Err(_) => {
                    me.count(Counter::RefusedProxyHeader);
                    return Poll::Ready(());
                }
            }
            let read = me.poll_read(cx);
            if read.is_pending() {
                let held = me.octets.capacity();
                me.place.shared.worker.charge(&me.place.slot, held);
            }
            match ready!(read) {
                Ok(1..) => {}
                // Whoever looks whether the port is open says nothing.
                Ok(0) if me.octets.is_empty() => return Poll::Ready(()),
                Ok(0) => {
                    me.count(Counter::RefusedProxyHeader);
                    return Poll::Ready(());
                }
                Err(_) => {
                    me.count(Counter::IoErrors);
                    return Poll::Ready(());
                }
            }
        }
    }
}

impl Waiting {
    /// Reads as much as surely belongs to the header.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some((io, _)) = &mut self.carried else {
            return Poll::Ready(Ok(0));
        };
        let mut buf = [0; LONGEST_ADDRESSES];
        let len = ProxyDecoder::missing(&self.octets).min(buf.len());
        let mut read = ReadBuf::new(&mut buf[..len]);
        ready!(AsyncRead::poll_read(Pin::new(io), cx, &mut read))?;
        self.octets.extend_from_slice(read.filled());
        Poll::Ready(Ok(read.filled().len()))
    }

    fn go_on(&mut self, header: ProxyHeader) {
        let Some((io, permit)) = self.carried.take() else {
            return;
        };
        let info = match header {
            ProxyHeader::Own => self.place.slot.info(),
            ProxyHeader::Inet {
                source,
                destination,
            } => ConnInfo {
                peer: source.into(),
                local: destination.into(),
            },
            ProxyHeader::Unix => ConnInfo {
                peer: PeerAddr::Unix,
                local: PeerAddr::Unix,
            },
        };
        let (shared, then) = (&self.place.shared, &self.proxied.then);
        match permit.of(info.peer) {
            // Registers it anew, before its place here is free: a drain sees it all the time.
            Some(permit) => then.serve(io, info, shared, permit),
            None => accept::refuse(
                io,
                accept::refusal(then, shared),
                &shared.worker.counters,
                false,
            ),
        }
    }

    /// Whether the end has come, by force or because of the deadline.
    fn is_over(&self) -> bool {
        let (worker, slot) = (&self.place.shared.worker, &self.place.slot);
        match worker.phase() {
            Phase::Forced => {
                self.count(Counter::DrainForced);
                return true;
            }
            // Who has said nothing yet has nothing to lose.
            Phase::Draining if self.octets.is_empty() => {
                slot.hurry(worker.tick_after(worker.grace(DRAIN_GRACE)));
            }
            _ => {}
        }
        if slot.is_shed() {
            return true;
        }
        let overdue = slot.is_due(worker.now());
        if overdue {
            self.count(Counter::ProxyHeaderTimeouts);
        }
        overdue
    }

    fn count(&self, counter: Counter) {
        self.place.shared.worker.counters.add(counter);
    }
}

/// A header of version 2 with the addresses of Unix domain sockets and nothing else.
const LONGEST_ADDRESSES: usize = 232;

/// How long a proxy that has said nothing yet is waited for once the drain has begun.
const DRAIN_GRACE: Duration = Duration::from_secs(1);
