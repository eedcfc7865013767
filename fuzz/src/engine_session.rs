//! Whatever happens to a session of Engine.IO, it ends once, goes over to a WebSocket once, and is pinged in time.

use wireline::socketio::engine::session::{
    Due, Received, Refused, Session, Ticket, Times, Transport,
};
use wireline::socketio::engine::{CloseReason, Data, Packet};

const TIMES: Times = Times {
    ping_interval: 50,
    ping_timeout: 30,
    upgrade_timeout: 70,
};

/// What is known of a session from outside.
struct Watch {
    session: Session,
    now: u64,
    sockets: Vec<(Ticket, bool)>,
    requests: Vec<(Ticket, bool)>,
    /// The WebSocket that is the transport.
    current: Option<Ticket>,
    /// When it was pinged, if no answer has come.
    pinged: Option<u64>,
    /// When it was opened, or an answer came.
    heard: u64,
    ended: Option<CloseReason>,
}

/// Input: an octet that chooses the transport, then operations of two octets each.
///
/// # Panics
///
/// When the session does what no session may.
pub fn engine_session(data: &[u8]) {
    let Some((first, operations)) = data.split_first() else {
        return;
    };
    let transport = if first % 2 == 0 {
        Transport::Polling
    } else {
        Transport::WebSocket
    };
    let (session, ticket) = Session::new(transport, TIMES, 0);
    let is_socket = transport == Transport::WebSocket;
    let mut watch = Watch {
        session,
        now: 0,
        sockets: is_socket.then_some((ticket, true)).into_iter().collect(),
        requests: Vec::new(),
        current: is_socket.then_some(ticket),
        pinged: None,
        heard: 0,
        ended: None,
    };
    for operation in operations.chunks_exact(2) {
        watch.run(operation[0] % 10, operation[1]);
        watch.holds();
    }
}

impl Watch {
    fn run(&mut self, what: u8, with: u8) {
        let place = usize::from(with);
        let socket = self.sockets.get(place % self.sockets.len().max(1)).copied();
        match what {
            0 => self.pass(u64::from(with)),
            1 | 2 => self.request(what == 1),
            3 => {
                if !self.requests.is_empty() {
                    let (ticket, is_poll) = self.requests.remove(place % self.requests.len());
                    let is_whole = !with.is_multiple_of(3);
                    if is_poll {
                        self.session.end_poll(ticket, is_whole);
                    } else {
                        self.session.end_post(ticket, is_whole);
                    }
                }
            }
            4 => self.begin_upgrade(),
            5..=7 => {
                if let Some((ticket, _)) = socket {
                    self.receive(ticket, with);
                }
            }
            8 => {
                if let Some((ticket, _)) = socket {
                    let was_open = self.session.closed().is_none();
                    self.session.lost(ticket, CloseReason::TransportClose);
                    if was_open && self.session.closed().is_some() {
                        assert_eq!(self.current, Some(ticket), "a stale one ends nothing");
                    }
                    self.sockets.retain(|(other, _)| *other != ticket);
                }
            }
            _ => self.post(with),
        }
    }

    fn pass(&mut self, time: u64) {
        self.now += time;
        loop {
            let due = self.session.poll_timeout();
            let happened = self.session.handle_timeout(self.now, TIMES);
            match happened {
                Due::Nothing => {
                    assert!(due.is_none_or(|due| due > self.now), "something was due");
                    return;
                }
                Due::Ping => {
                    assert!(self.pinged.is_none(), "one at a time");
                    assert!(self.now >= self.heard + TIMES.ping_interval);
                    self.pinged = Some(self.now);
                }
                Due::UpgradeTimeout => {
                    assert_eq!(self.session.transport(), Transport::Polling);
                }
                Due::Closed(reason) => {
                    assert_eq!(reason, CloseReason::PingTimeout);
                    let pinged = self.pinged.expect("a ping");
                    assert!(self.now >= pinged + TIMES.ping_timeout);
                }
            }
            assert!(
                due.is_some_and(|due| due <= self.now),
                "nothing comes early"
            );
        }
    }

    fn request(&mut self, is_poll: bool) {
        let is_closed = self.session.closed().is_some();
        let is_pending = self.requests.iter().any(|(_, other)| *other == is_poll);
        let begun = if is_poll {
            self.session.begin_poll()
        } else {
            self.session.begin_post()
        };
        match begun {
            Ok(ticket) => {
                assert!(!is_closed && !is_pending && self.current.is_none());
                self.requests.push((ticket, is_poll));
            }
            Err(Refused::Closed) => assert!(is_closed),
            Err(Refused::Transport) => assert!(self.current.is_some()),
            Err(Refused::Overlap) => {
                assert!(is_pending && !is_closed);
                assert_eq!(self.session.closed(), Some(CloseReason::TransportError));
            }
        }
    }

    fn begin_upgrade(&mut self) {
        if let Ok(ticket) = self.session.begin_upgrade(TIMES, self.now) {
            assert!(self.current.is_none() && self.session.closed().is_none());
            self.sockets.push((ticket, false));
        }
    }

    fn receive(&mut self, ticket: Ticket, with: u8) {
        let packet = packet(with / 16);
        let (was_open, is_pong) = (
            self.session.closed().is_none(),
            matches!(packet, Packet::Pong(_)),
        );
        let is_current = self.current == Some(ticket);
        let received = self.session.receive(ticket, packet, TIMES, self.now);
        match received {
            Received::Probe => {
                assert!(!is_current);
                let socket = self.sockets.iter_mut().find(|(other, _)| *other == ticket);
                let (_, is_probed) = socket.expect("a WebSocket that there is");
                assert!(!*is_probed, "it is asked once");
                *is_probed = true;
            }
            Received::Upgraded => {
                assert!(self.current.is_none(), "it goes over once");
                assert!(
                    self.sockets.contains(&(ticket, true)),
                    "it was asked before"
                );
                self.current = Some(ticket);
            }
            Received::Message(_) => assert!(is_current && was_open),
            Received::Refused => {
                assert!(!is_current && self.session.closed().is_none());
                self.sockets.retain(|(other, _)| *other != ticket);
            }
            Received::Closed(_) => assert!(!was_open || is_current),
            Received::Nothing => assert!(is_current),
        }
        if is_current && was_open && is_pong {
            self.answered();
        }
    }

    fn post(&mut self, with: u8) {
        let packet = packet(with);
        let (was_open, is_pong) = (
            self.session.closed().is_none(),
            matches!(packet, Packet::Pong(_)),
        );
        let received = self.session.receive_posted(packet, TIMES, self.now);
        assert!(!matches!(
            received,
            Received::Probe | Received::Upgraded | Received::Refused
        ));
        if was_open && is_pong {
            self.answered();
        }
    }

    fn answered(&mut self) {
        self.pinged = None;
        self.heard = self.now;
    }

    fn holds(&mut self) {
        let ended = self.session.closed();
        assert!(self.ended.is_none() || self.ended == ended, "it ends once");
        self.ended = ended;
        let is_socket = self.session.transport() == Transport::WebSocket;
        assert_eq!(is_socket, self.current.is_some());
        assert_eq!(self.session.poll_timeout().is_none(), ended.is_some());
    }
}

fn packet(kind: u8) -> Packet {
    match kind % 12 {
        0..=2 => Packet::Pong("".into()),
        3 | 4 => Packet::Ping("probe".into()),
        5 | 6 => Packet::Upgrade,
        7 | 8 => Packet::Message(Data::Text("a".into())),
        9 => Packet::Noop,
        10 => Packet::Ping("".into()),
        _ => Packet::Close,
    }
}
