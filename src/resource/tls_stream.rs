//! A TLS connection as a transport.
//!
//! It drives rustls' connection without rustls' buffers: records are taken apart in a buffer of the thread's
//! pool and put together in one of the thread, so that an idle connection has neither. What comes off the
//! socket is read 16 KiB at a time, and what is written leaves in full records, up to four in one system call.

use crate::resource::io::{Io, Transport};
use crate::resource::pool;
use bytes::{Buf, BytesMut};
use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, EncryptError, ReadEarlyData, UnbufferedStatus,
    WriteTraffic,
};
use std::cell::RefCell;
use std::fmt;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// One side of a TLS connection.
pub(crate) struct TlsStream<S> {
    io: Io,
    connection: S,
    /// Records as they came, as far as they were not taken apart.
    incoming: BytesMut,
    /// Content that was decrypted and that the last reader had no room for.
    plain: BytesMut,
    /// Records that the socket has not taken yet.
    outgoing: BytesMut,
    /// Nothing in `incoming` can be taken apart until more of it has come.
    drained: bool,
    /// The peer has said farewell: what it sent is whole.
    ended: bool,
    farewell_said: bool,
    failed: bool,
}

/// A side of rustls.
pub(crate) trait Side: Send + Unpin + 'static {
    type Data;

    fn process<'c, 'i>(&'c mut self, records: &'i mut [u8])
    -> UnbufferedStatus<'c, 'i, Self::Data>;

    fn is_handshaking(&self) -> bool;

    /// Passes over content that came before its handshake was done.
    fn skip_early(data: ReadEarlyData<'_, '_, Self::Data>);
}

impl Side for UnbufferedServerConnection {
    type Data = ServerConnectionData;

    #[inline]
    fn process<'c, 'i>(
        &'c mut self,
        records: &'i mut [u8],
    ) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(records)
    }

    fn is_handshaking(&self) -> bool {
        (**self).is_handshaking()
    }

    /// It is never offered.
    fn skip_early(mut data: ReadEarlyData<'_, '_, Self::Data>) {
        while data.next_record().is_some() {}
    }
}

impl Side for UnbufferedClientConnection {
    type Data = ClientConnectionData;

    #[inline]
    fn process<'c, 'i>(
        &'c mut self,
        records: &'i mut [u8],
    ) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(records)
    }

    fn is_handshaking(&self) -> bool {
        (**self).is_handshaking()
    }

    /// A server sends none.
    fn skip_early(_: ReadEarlyData<'_, '_, Self::Data>) {}
}

/// Always named: a process may have several, and a default of the process may be another's.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// How far records could be taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The handshake needs more octets.
    Handshake,
    /// The handshake is done; whatever content there was has been delivered.
    Traffic,
    /// There is no room for more content.
    Full,
}

impl<S: Side> TlsStream<S> {
    /// A connection whose handshake has not begun; `incoming` was read of it already.
    pub(crate) fn new(io: Io, connection: S, incoming: BytesMut) -> Self {
        Self {
            io,
            connection,
            incoming,
            plain: BytesMut::new(),
            outgoing: BytesMut::new(),
            drained: false,
            ended: false,
            farewell_said: false,
            failed: false,
        }
    }

    /// What rustls knows of the connection.
    pub(crate) const fn connection(&self) -> &S {
        &self.connection
    }

    /// Goes on with the handshake; ready when it is done and our part of it is on its way.
    pub(crate) fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        loop {
            // An alert is left to `into_farewell`.
            let progress = self
                .take_apart(&mut BytesMut::new(), |_| ())
                .map_err(Broken::Tls)?;
            if let Poll::Ready(Err(error)) = self.poll_send(cx) {
                return Poll::Ready(Err(Broken::Io(error)));
            }
            // Content could be sent before the client has proved that it has the keys; it is not.
            if progress != Progress::Handshake && !self.connection.is_handshaking() {
                self.rest();
                return Poll::Ready(Ok(()));
            }
            if self.incoming.len() >= HANDSHAKE_MOST {
                return Poll::Ready(Err(Broken::Tls(rustls::Error::General(
                    "the handshake is too long".to_owned(),
                ))));
            }
            match ready!(self.poll_fill(cx)) {
                Ok(0) => return Poll::Ready(Err(Broken::Io(io::ErrorKind::UnexpectedEof.into()))),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Err(Broken::Io(error))),
            }
        }
    }

    /// After a failure: the transport, and the alert that still has to be sent.
    pub(crate) fn into_farewell(self) -> (Io, BytesMut) {
        (self.io, self.outgoing)
    }

    /// Takes apart what has come, until `buf` is full or nothing is left; what rustls answers goes to `outgoing`.
    /// `on_traffic` runs at the end when content may be sent.
    fn take_apart(
        &mut self,
        buf: &mut BytesMut,
        on_traffic: impl FnOnce(&mut WriteTraffic<'_, S::Data>),
    ) -> Result<Progress, rustls::Error> {
        loop {
            let status = self.connection.process(&mut self.incoming);
            let mut discard = status.discard;
            let progress = match status.state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record?;
                        discard += record.discard;
                        let fits = record.payload.len().min(buf.capacity() - buf.len());
                        let (now, later) = record.payload.split_at(fits);
                        buf.extend_from_slice(now);
                        self.plain.extend_from_slice(later);
                    }
                    (buf.len() == buf.capacity()).then_some(Progress::Full)
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    append(&mut self.outgoing, &mut data);
                    None
                }
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    data.done();
                    None
                }
                Ok(ConnectionState::ReadEarlyData(data)) => {
                    S::skip_early(data);
                    None
                }
                Ok(ConnectionState::PeerClosed) => {
                    self.ended = true;
                    None
                }
                Ok(ConnectionState::BlockedHandshake) => Some(Progress::Handshake),
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    on_traffic(&mut traffic);
                    self.incoming.advance(discard);
                    self.drained = true;
                    return Ok(Progress::Traffic);
                }
                Ok(_) => Some(Progress::Traffic),
                Err(error) => {
                    self.incoming.advance(discard);
                    self.fail();
                    return Err(error);
                }
            };
            self.incoming.advance(discard);
            if let Some(progress) = progress {
                self.drained = progress != Progress::Full;
                return Ok(progress);
            }
        }
    }

    /// Remembers that the connection cannot go on, and fetches the alert that says why. What has come stays where it
    /// is: rustls has places in it that it may look at again.
    fn fail(&mut self) {
        self.failed = true;
        for _ in 0..MOST_LAST_MESSAGES {
            let before = self.outgoing.len();
            let status = self.connection.process(&mut self.incoming);
            let discard = status.discard;
            match status.state {
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    append(&mut self.outgoing, &mut data)
                }
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                _ => return,
            }
            self.incoming.advance(discard);
            // Asked once more than that, rustls would find the same fault again. An alert after the keys were agreed
            // looks like content.
            if matches!(self.outgoing.get(before), Some(&(ALERT | CONTENT))) {
                return;
            }
        }
    }

    /// Reads from the socket: a pool's buffer first, more when a record or a handshake is larger.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.incoming.capacity() == 0 {
            self.incoming = pool::take();
        }
        let missing = record_len(&self.incoming).saturating_sub(self.incoming.len());
        if self.incoming.capacity() - self.incoming.len() < missing.max(LEAST_READ) {
            self.incoming.reserve(missing.max(LEAST_READ));
        }
        let read = self.io.poll_read(cx, &mut self.incoming);
        if read.is_pending() {
            self.rest();
        }
        read
    }

    /// Gives an empty buffer back.
    fn rest(&mut self) {
        if self.incoming.is_empty() && self.incoming.capacity() > 0 {
            pool::give(std::mem::take(&mut self.incoming));
        }
    }

    /// Sends what the socket did not take before.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outgoing.is_empty() {
            let len = ready!(self.io.poll_writev(cx, &[IoSlice::new(&self.outgoing)]))?;
            self.outgoing.advance(len);
        }
        if self.outgoing.capacity() > 0 {
            self.outgoing = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }

    /// Runs `write` when rustls lets us send. What came meanwhile is taken apart on the way, because rustls must
    /// see all of what it has begun with.
    fn with_traffic<T>(
        &mut self,
        mut write: impl FnMut(&mut WriteTraffic<'_, S::Data>) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut written = None;
        if !self.failed {
            while self.take_apart(&mut BytesMut::new(), |traffic| {
                written = Some(write(traffic));
            }) == Ok(Progress::Full)
            {}
        }
        written.unwrap_or_else(|| Err(io::ErrorKind::BrokenPipe.into()))
    }
}

impl<S: Side> Transport for TlsStream<S> {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.plain.is_empty() || !self.drained || self.ended || self.failed {
            return Poll::Ready(Ok(()));
        }
        self.io.poll_readable(cx)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>> {
        // Tickets and alerts that the socket did not take at once.
        if let Poll::Ready(Err(error)) = self.poll_send(cx) {
            return Poll::Ready(Err(error));
        }
        let before = buf.len();
        if !self.plain.is_empty() {
            let len = self.plain.len().min(buf.capacity() - before);
            buf.extend_from_slice(&self.plain[..len]);
            self.plain.advance(len);
            if self.plain.is_empty() {
                self.plain = BytesMut::new();
            }
            return Poll::Ready(Ok(len));
        }
        loop {
            if self.failed {
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            }
            if !self.drained {
                let outcome = self.take_apart(buf, |_| ());
                if let Poll::Ready(Err(error)) = self.poll_send(cx) {
                    return Poll::Ready(Err(error));
                }
                if buf.len() > before {
                    // What was decrypted before a failure is told first.
                    self.rest();
                    return Poll::Ready(Ok(buf.len() - before));
                }
                outcome.map_err(invalid)?;
            }
            if self.ended {
                self.rest();
                return Poll::Ready(Ok(0));
            }
            if ready!(self.poll_fill(cx))? == 0 {
                // Whoever cuts the line can do this; only the peer can say farewell (RFC 8446 §6.1).
                self.failed = true;
                return Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the connection ended without close_notify",
                )));
            }
            self.drained = false;
        }
    }

    fn poll_writev(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // Who does not take what it gets holds one record of it, not four.
        let most = if self.outgoing.is_empty() {
            MOST_AT_ONCE
        } else {
            RECORD
        };
        ready!(self.poll_send(cx))?;
        let mut scratch = SCRATCH.take();
        let sealed = self.with_traffic(|traffic| seal(traffic, bufs, most, &mut scratch));
        let outcome = sealed.and_then(|(taken, len)| {
            let records = &scratch.records[..len];
            let sent = match self.io.poll_writev(cx, &[IoSlice::new(records)]) {
                Poll::Ready(sent) => sent?,
                Poll::Pending => 0,
            };
            // The rest goes with the next write or flush.
            self.outgoing.extend_from_slice(&records[sent..]);
            Ok(taken)
        });
        SCRATCH.set(scratch);
        Poll::Ready(outcome)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        self.io.poll_flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.farewell_said && !self.failed {
            self.farewell_said = true;
            let mut farewell = [0; 64];
            let len = self.with_traffic(|traffic| {
                traffic
                    .queue_close_notify(&mut farewell)
                    .map_err(io::Error::other)
            });
            self.outgoing
                .extend_from_slice(&farewell[..len.unwrap_or(0)]);
        }
        ready!(self.poll_send(cx))?;
        self.io.poll_shutdown(cx)
    }

    fn is_reset(&mut self, cx: &mut Context<'_>) -> bool {
        self.io.is_reset(cx)
    }

    fn held(&self) -> usize {
        self.incoming.capacity() + self.plain.capacity() + self.outgoing.capacity()
    }
}

/// Why a handshake came to nothing.
#[derive(Debug)]
pub(crate) enum Broken {
    /// What the peer sent is not acceptable; an alert says why.
    Tls(rustls::Error),
    /// The transport failed, or ended.
    Io(io::Error),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tls(error) => error.fmt(f),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl From<Broken> for io::Error {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Tls(error) => invalid(error),
            Broken::Io(error) => error,
        }
    }
}

/// What a thread puts records together in.
#[derive(Default)]
struct Scratch {
    records: Vec<u8>,
    gathered: Vec<u8>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Encrypts what stands in `bufs`, `most` octets of it at the most; gives how many it took and how long the
/// records are. Small pieces share a record; of large ones no octet is copied before it is encrypted.
fn seal<D>(
    traffic: &mut WriteTraffic<'_, D>,
    bufs: &[IoSlice<'_>],
    most: usize,
    scratch: &mut Scratch,
) -> io::Result<(usize, usize)> {
    let Scratch { records, gathered } = scratch;
    gathered.clear();
    let (mut left, mut len) = (most, 0);
    for (place, buf) in bufs.iter().enumerate() {
        let mut piece = &buf[..buf.len().min(left)];
        left -= piece.len();
        let is_last = left == 0 || place + 1 == bufs.len();
        while !piece.is_empty() {
            if gathered.is_empty() && (is_last || piece.len() >= RECORD) {
                let whole = if is_last {
                    piece.len()
                } else {
                    piece.len() / RECORD * RECORD
                };
                len += encrypt(traffic, &piece[..whole], records, len)?;
                piece = &piece[whole..];
                continue;
            }
            let fits = piece.len().min(RECORD - gathered.len());
            gathered.extend_from_slice(&piece[..fits]);
            piece = &piece[fits..];
            if gathered.len() == RECORD {
                len += encrypt(traffic, gathered, records, len)?;
                gathered.clear();
            }
        }
    }
    if !gathered.is_empty() {
        len += encrypt(traffic, gathered, records, len)?;
    }
    Ok((most - left, len))
}

/// Encrypts `content` into `records`, behind what stands there already.
fn encrypt<D>(
    traffic: &mut WriteTraffic<'_, D>,
    content: &[u8],
    records: &mut Vec<u8>,
    at: usize,
) -> io::Result<usize> {
    loop {
        match traffic.encrypt(content, &mut records[at..]) {
            Ok(len) => return Ok(len),
            Err(EncryptError::InsufficientSize(error))
                if records.len() < at + error.required_size =>
            {
                records.resize(at + error.required_size, 0);
            }
            Err(error) => return Err(io::Error::other(error)),
        }
    }
}

/// Puts a message of rustls behind `out`.
fn append<D>(out: &mut BytesMut, data: &mut EncodeTlsData<'_, D>) {
    let Err(EncodeError::InsufficientSize(error)) = data.encode(&mut []) else {
        return;
    };
    let before = out.len();
    out.resize(before + error.required_size, 0);
    let written = data.encode(&mut out[before..]).unwrap_or(0);
    out.truncate(before + written);
}

/// The length of the record that `octets` begin with, or of a record's header (RFC 8446 §5.1).
fn record_len(octets: &[u8]) -> usize {
    match octets {
        [_, _, _, high, low, ..] => {
            RECORD_HEADER + usize::from(u16::from_be_bytes([*high, *low])).min(LONGEST_RECORD)
        }
        _ => RECORD_HEADER,
    }
}

fn invalid(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

const RECORD_HEADER: usize = 5;

/// The types of records with alerts and of those with anything encrypted (RFC 8446 §5.1).
const ALERT: u8 = 21;
const CONTENT: u8 = 23;

/// How many messages rustls may have had ready before the alert.
const MOST_LAST_MESSAGES: usize = 32;

/// The most content of a record (RFC 8446 §5.1).
const RECORD: usize = 16 * 1024;

/// The most octets of an encrypted record, in either version (RFC 5246 §6.2.3).
const LONGEST_RECORD: usize = RECORD + 2048;

/// How much is encrypted for one system call.
const MOST_AT_ONCE: usize = 4 * RECORD;

/// There is always room for a read of this size.
const LEAST_READ: usize = 4096;

/// How much of an unfinished handshake is kept: its messages have at most 64 KiB.
const HANDSHAKE_MOST: usize = 80 * 1024;
