//! Engine.IO over requests of HTTP: one waits for what the server has to say, another carries what this side has. And the way
//! from there to a WebSocket.
//!
//! ```text
//!   Trying --3probe--> Working: no new GET; the one that waits is answered --> 5 over the WebSocket, and on with that
//!     '---- fails: polling goes on
//! ```

use crate::socketio::client::Later;
use crate::socketio::client::core::Lost;
use crate::socketio::client::core::frame::Frame;
use crate::socketio::client::link::dial::Dial;
use crate::socketio::client::link::handshake::Handshake;
use crate::socketio::client::link::pieces;
use crate::socketio::client::link::websocket::Socket;
use crate::socketio::engine::{Packet, payload};
use crate::ws::socket::WebSocket;
use bytes::Bytes;
use std::collections::VecDeque;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::timeout;

pub(in crate::socketio::client) struct Polling {
    dial: Dial,
    sid: String,
    max_payload: usize,
    get: Option<Later<Option<Bytes>>>,
    post: Option<Later<bool>>,
    heard: VecDeque<Packet>,
    pending: VecDeque<Packet>,
    probe: Probe,
    broken: bool,
}

enum Probe {
    None,
    Trying(Later<Option<WebSocket>>),
    Working(WebSocket),
}

impl Polling {
    /// A session that was opened, with what came behind.
    pub(super) fn new(mut dial: Dial, handshake: &Handshake, heard: VecDeque<Packet>) -> Self {
        // A poll is answered with a ping at the latest; whoever waits for that counts its time.
        dial.http = (dial.http).response_timeout(handshake.terms.patience + MARGIN);
        let probe = if handshake.can_upgrade && dial.may_upgrade() {
            let (dial, sid) = (dial.clone(), handshake.sid.clone());
            Probe::Trying(Box::pin(async move { dial.probe(&sid).await }))
        } else {
            Probe::None
        };
        Self {
            dial,
            sid: handshake.sid.clone(),
            max_payload: handshake.terms.max_payload,
            get: None,
            post: None,
            heard,
            pending: VecDeque::new(),
            probe,
            broken: false,
        }
    }

    /// The WebSocket, once it works and nothing is on its way over this transport any more.
    pub(super) fn poll_upgraded(&mut self, cx: &mut Context<'_>) -> Option<Socket> {
        if let Probe::Trying(trying) = &mut self.probe
            && let Poll::Ready(tried) = trying.as_mut().poll(cx)
        {
            self.probe = tried.map_or(Probe::None, Probe::Working);
        }
        if !matches!(self.probe, Probe::Working(_)) {
            return None;
        }
        self.poll_post(cx);
        if self.get.is_some() || self.post.is_some() || !self.heard.is_empty() || self.broken {
            return None;
        }
        match std::mem::replace(&mut self.probe, Probe::None) {
            Probe::Working(socket) => {
                let mut pending = std::mem::take(&mut self.pending);
                pending.push_front(Packet::Upgrade);
                Some(Socket::new(socket, pending))
            }
            _ => None,
        }
    }

    pub(super) fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Packet, Lost>> {
        loop {
            if let Some(packet) = self.heard.pop_front() {
                return Poll::Ready(Ok(packet));
            }
            if self.broken {
                return Poll::Ready(Err(Lost::Broken));
            }
            if self.get.is_none() {
                if let Probe::Working(_) = self.probe {
                    // Nothing is asked any more; what was sent is waited for.
                    if self.post.is_some() {
                        return Poll::Pending;
                    }
                    // It has been answered in between: there is another turn.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                let (dial, sid) = (self.dial.clone(), self.sid.clone());
                self.get = Some(Box::pin(async move { dial.poll(&sid).await }));
            }
            let Some(get) = &mut self.get else {
                return Poll::Pending;
            };
            match get.as_mut().poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(content) => {
                    self.get = None;
                    let Some(content) = content else {
                        return Poll::Ready(Err(Lost::Broken));
                    };
                    match payload::decode(content, PACKETS) {
                        Ok(packets) => self.heard.extend(packets),
                        Err(_) => return Poll::Ready(Err(Lost::Parse)),
                    }
                }
            }
        }
    }

    pub(super) fn poll_transmit(
        &mut self,
        cx: &mut Context<'_>,
        next: &mut dyn FnMut() -> Option<Frame>,
    ) -> bool {
        let mut moved = false;
        loop {
            self.poll_post(cx);
            // While the WebSocket takes over, everything waits for it.
            if self.post.is_some() || self.broken || matches!(self.probe, Probe::Working(_)) {
                return moved;
            }
            let mut octets = 0;
            while octets < self.max_payload
                && let Some(frame) = next()
            {
                octets += frame.octets;
                pieces(frame, &mut self.pending);
            }
            let content = payload::encode(&mut self.pending, self.max_payload);
            if content.is_empty() {
                return moved;
            }
            moved = true;
            let (dial, sid) = (self.dial.clone(), self.sid.clone());
            self.post = Some(Box::pin(async move { dial.post(&sid, content).await }));
        }
    }

    pub(super) async fn close(mut self: Box<Self>, frames: Vec<Frame>) {
        for frame in frames {
            pieces(frame, &mut self.pending);
        }
        self.pending.push_back(Packet::Close);
        let closing = async {
            if let Some(post) = self.post.take()
                && !post.await
            {
                return;
            }
            while !self.pending.is_empty() {
                let content = payload::encode(&mut self.pending, self.max_payload);
                if !self.dial.post(&self.sid, content).await {
                    return;
                }
            }
        };
        let _ = timeout(CLOSING, closing).await;
    }

    fn poll_post(&mut self, cx: &mut Context<'_>) {
        if let Some(post) = &mut self.post
            && let Poll::Ready(posted) = post.as_mut().poll(cx)
        {
            self.post = None;
            self.broken |= !posted;
        }
    }
}

/// What an answer may take beyond the time in which a server must ping.
const MARGIN: Duration = Duration::from_secs(10);

/// What the last request may take.
const CLOSING: Duration = Duration::from_secs(10);

/// The packets of an answer; its octets are bounded besides.
pub(super) const PACKETS: usize = 100_000;
