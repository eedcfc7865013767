//! A connection in which something is going on.

use crate::http1::connection::Connection;
use crate::http1::driver::deadline::Meter;
use crate::http1::framing::BodyFraming;
use crate::http1::state::{Life, RequestHalf, ResponseHalf, State};
use crate::resource::counters::Counter;
use crate::resource::panic::guarded;
use crate::resource::pool::{self, READ_BUFFER};
use crate::service::body::{Body, BodyError};
use crate::service::feed::{Feed, FeedWriter};
use crate::service::handler::ResponseFuture;
use crate::service::link::Link;
use crate::service::link::config::Config;
use crate::service::request::{Parts, Request};
use crate::service::upgrade::OnUpgrade;
use crate::wire::out::Out;
use bytes::{Bytes, BytesMut};
use http::StatusCode;
use std::cell::RefCell;
use std::sync::Arc;
use std::task::Context;

/// The moving parts of a connection, borrowed from the thread while they move.
pub(crate) struct Active {
    pub(crate) protocol: Connection,
    pub(crate) read: BytesMut,
    pub(crate) out: Out,
    pub(super) handler: Option<ResponseFuture>,
    /// The content of the response that is being sent.
    pub(super) sending: Option<Body>,
    /// Where the request's content goes while its handler takes it.
    pub(super) feed: Option<FeedWriter>,
    /// A request whose small content is read before its handler runs.
    pub(super) gather: Option<Box<Gather>>,
    pub(super) upgrade: Option<OnUpgrade>,
    pub(super) meter: Meter,
    /// How much may wait before it is written: more for a peer that takes it all.
    pub(super) batch: usize,
    /// What a peer has taken of such batches since he last paused.
    pub(super) taken_at_once: usize,
    /// What this turn has cost, in octets read, written and taken apart.
    pub(super) spent: usize,
    /// Octets of content that nobody took and that were thrown away.
    pub(super) discarded: u64,
    /// The peer has closed its side.
    pub(super) ended: bool,
    /// The read before filled its buffer: the next one may be larger.
    full: bool,
    /// The octets of the request's content that its handler was called with.
    pub(super) lent: usize,
    /// What the request's content went through, once all of it came: its handler may still hold it.
    pub(super) taken: Option<Arc<Feed>>,
    /// Something other than plain requests and responses went on: everything is cleared when this goes
    /// back to the store.
    pub(super) touched: bool,
    /// The handler was polled in this turn already.
    pub(super) parked: bool,
    /// A response was finished since the deadline of a head was set.
    pub(super) cycled: bool,
    pub(super) abort: bool,
}

/// A request whose content is not whole yet.
pub(super) struct Gather {
    pub(super) request: Request,
    pub(super) content: BytesMut,
}

/// What has to happen before anything else can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// More octets of a head; or, with an empty buffer, the next request.
    Head,
    /// More octets of content that somebody waits for, or that has to be thrown away.
    Content,
    /// A handler or the content of a response; meanwhile only the peer's end is watched for.
    Peer,
    /// The peer has to take what waits to be written.
    Write,
    /// Other tasks had to wait long enough.
    Turn,
    /// Everything was said: close, and let the peer read it.
    Close,
    /// The connection cannot go on, and the peer must see that it was cut.
    Abort,
    /// The connection is another protocol's.
    Switch,
}

impl Active {
    /// Takes one from the thread's store.
    pub(crate) fn take() -> Box<Self> {
        STORE.with_borrow_mut(Vec::pop).unwrap_or_else(|| {
            Box::new(Self {
                protocol: Connection::default(),
                read: BytesMut::new(),
                out: Out::default(),
                handler: None,
                sending: None,
                feed: None,
                gather: None,
                upgrade: None,
                meter: Meter::default(),
                batch: HIGH_WATER,
                taken_at_once: 0,
                spent: 0,
                discarded: 0,
                ended: false,
                full: false,
                lent: 0,
                taken: None,
                touched: false,
                parked: false,
                cycled: false,
                abort: false,
            })
        })
    }

    /// Gives it back, cleared.
    pub(crate) fn give(mut self: Box<Self>) {
        if self.read.capacity() > 0
            && (!self.read.is_empty()
                || !self.read.try_reclaim(READ_BUFFER)
                || self.read.capacity() > READ_BUFFER)
        {
            pool::give(std::mem::take(&mut self.read));
        }
        if self.touched
            || self.protocol.state() != State::default()
            || self.protocol.is_inside_head()
        {
            self.protocol.reset();
            self.handler = None;
            self.sending = None;
            self.feed = None;
            self.gather = None;
            self.upgrade = None;
            self.discarded = 0;
            self.meter = Meter::default();
            self.ended = false;
            self.abort = false;
            self.release();
            self.parked = false;
            self.touched = false;
        }
        self.full = false;
        self.cycled = false;
        self.batch = HIGH_WATER;
        self.taken_at_once = 0;
        self.spent = 0;
        self.out.reset();
        let _ = STORE.try_with(|store| {
            let mut store = store.borrow_mut();
            if store.len() < KEPT {
                store.push(self);
            }
        });
    }

    /// Goes as far as it can without the transport.
    #[inline(always)]
    #[allow(
        clippy::inline_always,
        reason = "its one caller is the loop around it; measured: 24 instructions a request"
    )]
    pub(crate) fn advance(&mut self, cx: &mut Context<'_>, link: &Link, turns: &mut u32) -> Need {
        loop {
            if self.abort {
                return Need::Abort;
            }
            if self.out.len() >= self.batch {
                return Need::Write;
            }
            if self.spent >= TURN_OCTETS {
                return Need::Turn;
            }
            let state = self.protocol.state();
            if state.life == Life::Switched {
                return Need::Switch;
            }
            let need = match state.response {
                ResponseHalf::AwaitingFinal if self.handler.is_some() => self.run_handler(cx, link),
                ResponseHalf::AwaitingFinal if self.gather.is_some() => self.gather(cx, link),
                // A message was refused, and that was not answered yet.
                ResponseHalf::AwaitingFinal => Some(Need::Close),
                ResponseHalf::Body => self.send_body(cx, link),
                ResponseHalf::Done if state.life == Life::Closed => return Need::Close,
                ResponseHalf::Done if state.request == RequestHalf::Body => self.discard(link),
                ResponseHalf::Done if state.life == Life::MustClose => return Need::Close,
                ResponseHalf::Done => {
                    self.next_cycle();
                    if self.read.is_empty() && self.is_persistent() && !self.ended {
                        return Need::Head;
                    }
                    None
                }
                ResponseHalf::Idle if state.life != Life::Persistent => return Need::Close,
                ResponseHalf::Idle if self.read.is_empty() => {
                    return if self.ended { Need::Close } else { Need::Head };
                }
                ResponseHalf::Idle if *turns >= TURNS => return Need::Turn,
                ResponseHalf::Idle => {
                    *turns += 1;
                    self.receive_head(cx, link)
                }
            };
            if let Some(need) = need {
                return need;
            }
        }
    }

    #[inline]
    fn is_persistent(&self) -> bool {
        self.protocol.state().life == Life::Persistent && !self.abort
    }

    #[inline]
    fn next_cycle(&mut self) {
        self.discarded = 0;
        self.release();
        self.cycled = true;
        // Also in a drain: this response was made before it began, and did not say `close`, so the client may be sending.
        if self.protocol.next_cycle().is_err() {
            self.abort();
        }
    }

    fn receive_head(&mut self, cx: &mut Context<'_>, link: &Link) -> Option<Need> {
        let shared = &link.shared;
        match (self.protocol).receive_head(&mut self.read, &shared.config.limits) {
            Ok(true) => {}
            Ok(false) if self.ended => {
                shared.worker.counters.add(Counter::IncompleteRequests);
                return Some(Need::Close);
            }
            Ok(false) => return Some(Need::Head),
            Err(error) => {
                self.refuse(error, link);
                return None;
            }
        }
        shared.worker.counters.add(Counter::Requests);
        if shared.config.retires {
            self.retire_when_due(link);
        }
        let framing = self.protocol.head().framing();
        let mut parts = Parts::recycled();
        let head = self.protocol.head_mut();
        parts.begin(
            &head.method,
            head.version(),
            head.target,
            &mut head.block,
            &mut head.fields,
            &link.slot,
        );
        let request = Request::from_parts(parts, Body::empty());
        let is_small = || match framing {
            BodyFraming::Empty => true,
            BodyFraming::Length(length) => length <= self.read.len() as u64,
            _ => false,
        };
        if shared.worker.refuses(&link.slot, is_small) {
            self.respond_plain(
                StatusCode::SERVICE_UNAVAILABLE,
                "overloaded, try again",
                true,
                link,
            );
            return None;
        }
        self.admit(cx, request, framing, link)
    }

    /// Asks the service what the route takes, and begins with the content accordingly.
    #[inline]
    fn admit(
        &mut self,
        cx: &mut Context<'_>,
        request: Request,
        framing: BodyFraming,
        link: &Link,
    ) -> Option<Need> {
        let whole = match framing {
            BodyFraming::Empty => Some(request),
            framing => self.admit_content(cx, request, framing, link),
        };
        if let Some(request) = whole {
            self.begin(cx, request, link);
        }
        None
    }

    /// The same for a request with content; gives it back when the handler can run now.
    fn admit_content(
        &mut self,
        cx: &Context<'_>,
        mut request: Request,
        framing: BodyFraming,
        link: &Link,
    ) -> Option<Request> {
        let config = &link.shared.config;
        let admission = match guarded(|| link.shared.service.admit(&mut request)) {
            Ok(admission) => admission,
            Err(payload) => {
                self.panicked(payload, link);
                return None;
            }
        };
        let most = admission.max_body.unwrap_or(config.max_body);
        request.parts_mut().route_mut().set_max_body(most);
        if let Err(error) = self.protocol.limit_body(most) {
            self.refuse_request(request, error, link);
            return None;
        }
        if let BodyFraming::Length(length) = framing
            && length <= config.stream_threshold
            && length <= self.read.len() as u64
            && !self.protocol.awaits_continue()
        {
            return self.take_whole(request, link);
        }
        self.touched = true;
        self.meter.begin(link.shared.worker.now());
        match framing {
            BodyFraming::Length(length)
                if length <= config.stream_threshold
                    && !admission.streams_content
                    && !self.protocol.awaits_continue() =>
            {
                self.gather = Some(Box::new(Gather {
                    request,
                    content: BytesMut::new(),
                }));
                None
            }
            BodyFraming::Length(length) => {
                self.stream(request, Some(length), link);
                None
            }
            _ => {
                self.stream_chunked(cx, request, link);
                None
            }
        }
    }

    /// The peer has closed its side (RFC 9112 §9.5).
    pub(crate) fn peer_closed(&mut self, link: &Link) {
        self.touched = true;
        self.ended = true;
        // From now on the grace counts, whatever was waited for before.
        self.meter.other = 0;
        link.slot.set_gone();
        if self.protocol.state().request == RequestHalf::Done && !self.read.is_empty() {
            // Whole requests may stand behind the one that is being answered: they are served first.
            return;
        }
        let in_content = self.protocol.state().request == RequestHalf::Body;
        if self.protocol.receive_end().is_err() {
            link.shared.worker.counters.add(Counter::IncompleteRequests);
            if in_content {
                // Half a request is nothing to answer: whoever waits for the rest is told, and dropped.
                if let Some(feed) = self.feed.take() {
                    feed.end(Err(BodyError::Incomplete));
                }
                if self.handler.take().is_some() {
                    link.shared.worker.counters.add(Counter::HandlersCancelled);
                }
            }
            self.abort = true;
        }
    }

    /// The transport failed: an I/O error, and inside a request that is one more that is not whole.
    pub(crate) fn count_failure(&self, link: &Link) {
        let counters = &link.shared.worker.counters;
        counters.add(Counter::IoErrors);
        // What the peer's end cut short was counted then.
        if !self.ended
            && (self.is_inside_head() || self.protocol.state().request == RequestHalf::Body)
        {
            counters.add(Counter::IncompleteRequests);
        }
    }

    /// A read gave this many octets.
    pub(crate) fn received(&mut self, len: usize, link: &Link) {
        self.took(len, link);
        self.spent += len;
        self.full = self.read.len() == self.read.capacity();
    }

    /// The transport failed.
    pub(crate) fn abort(&mut self) {
        self.touched = true;
        self.abort = true;
    }

    /// Makes room for a read: a usual buffer first, more when a head is larger than it or content comes fast.
    pub(crate) fn reserve(&mut self, need: Need, config: &Config) {
        if self.read.capacity() == 0 {
            self.read = pool::take();
        }
        let most = match need {
            Need::Head => config.limits.head() + 1,
            Need::Content if self.full => config.read_buffer,
            _ => READ_BUFFER,
        };
        let room = most.saturating_sub(self.read.len()).max(MIN_READ);
        if self.read.capacity() - self.read.len() < MIN_READ.min(room)
            || (need == Need::Content && self.full)
        {
            let wanted = if need == Need::Head {
                room.min(READ_BUFFER)
            } else {
                room
            };
            if need != Need::Content || !self.full {
                self.read.reserve(wanted);
            } else if !self.read.try_reclaim(wanted) {
                // Exactly that much: `BytesMut::reserve` would double what there is, beyond the limit.
                let mut larger = BytesMut::with_capacity(self.read.len() + wanted);
                larger.extend_from_slice(&self.read);
                pool::give(std::mem::replace(&mut self.read, larger));
            }
        }
    }

    /// Whether a read buffer is held.
    pub(crate) fn has_buffer(&self) -> bool {
        self.read.capacity() > 0
    }

    /// Whether part of a head has come.
    pub(crate) fn is_inside_head(&self) -> bool {
        self.protocol.is_inside_head()
    }

    /// Whether the peer has closed its side.
    pub(crate) const fn saw_end(&self) -> bool {
        self.ended
    }

    /// Before a wait: gives an empty read buffer back.
    pub(crate) fn rest(&mut self) {
        if self.read.is_empty() && self.read.capacity() > 0 {
            pool::give(std::mem::take(&mut self.read));
        }
    }

    /// The octets that this connection keeps while it waits.
    pub(crate) fn held(&self) -> usize {
        self.read.capacity()
            + self.out.held()
            + self.feed.as_ref().map_or(0, |feed| feed.held())
            + self.taken.as_ref().map_or(0, |feed| feed.collected())
            + self
                .gather
                .as_ref()
                .map_or(0, |gather| gather.content.capacity())
            + self.lent
    }

    /// The octets of content that wait for the rest of it, in here or with the handler.
    pub(crate) fn gathered(&self) -> usize {
        self.gather
            .as_ref()
            .map_or(0, |gather| gather.content.len())
            + self.feed.as_ref().map_or(0, |feed| feed.collected())
    }

    /// The handler holds nothing of the request's content any more.
    #[inline]
    pub(super) fn release(&mut self) {
        self.lent = 0;
        self.taken = None;
    }

    /// What an upgrade needs: the function, and what was read of the new protocol. The rest goes back to the
    /// thread's store: freed for every upgrade it would leave holes between what lives long.
    pub(crate) fn into_upgrade(mut self: Box<Self>) -> Option<(OnUpgrade, Bytes)> {
        let on_upgrade = self.upgrade.take()?;
        let read_ahead = Bytes::copy_from_slice(&self.read);
        self.give();
        Some((on_upgrade, read_ahead))
    }

    /// Whether a handler or a response body is what is waited for.
    pub(super) fn is_answering(&self) -> bool {
        self.handler.is_some() || self.sending.is_some()
    }
}

thread_local! {
    // Boxed on purpose: the box itself goes round between the store and the connections.
    #[expect(clippy::vec_box, reason = "the box goes round")]
    static STORE: RefCell<Vec<Box<Active>>> = const { RefCell::new(Vec::new()) };
}

/// How many a thread keeps, each with a read buffer at most.
const KEPT: usize = 32;

/// Responses that wait beyond this stop the connection from making more, at first and after a peer
/// did not take them all: what thousands keep who begin to read, and stop.
pub(super) const HIGH_WATER: usize = 32 * 1024;

/// The same for a peer that takes all at once: each doubling halves the system calls.
pub(super) const HIGHEST_WATER: usize = 512 * 1024;

/// So much a peer has to take before more is made for it at once: the kernel takes less for one that does not read.
pub(super) const TRUSTED_FROM: usize = 256 * 1024;

/// How many requests one connection has answered before others get their turn.
const TURNS: u32 = 16;

/// How much one connection reads, writes and takes apart before others get their turn.
pub(super) const TURN_OCTETS: usize = 128 * 1024;

/// What taking a piece of content apart costs besides its octets, so that a peer that sends an octet a
/// chunk gets no more of the processor than others.
pub(super) const PIECE: usize = 64;

/// There is always room for a read of this size.
pub(super) const MIN_READ: usize = 4096;
