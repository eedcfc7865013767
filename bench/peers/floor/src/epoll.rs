//! One thread, one level-triggered epoll, no runtime.

use std::io::{ErrorKind, Read, Result, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;

use memchr::memmem;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

use crate::{answer, wsframe};

/// What the floor answers with.
#[derive(Clone, Copy, PartialEq)]
pub enum Speaks {
    Http,
    WebSocket,
}

/// Serves until the listener or epoll itself fails.
pub fn serve(listener: TcpListener, speaks: Speaks) -> Result<()> {
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(
        &epoll,
        &listener,
        EventData::new_u64(LISTENER),
        EventFlags::IN,
    )?;
    let mut server = Server {
        epoll,
        listener,
        speaks,
        connections: Vec::new(),
        free: Vec::new(),
        subscribers: Vec::new(),
        runs: Vec::new(),
        input: vec![0; 1 << 20],
        out: Vec::with_capacity(1 << 20),
        publish: Vec::with_capacity(1 << 20),
    };
    let mut events: Vec<Event> = Vec::with_capacity(1024);
    loop {
        events.clear();
        match epoll::wait(&server.epoll, spare_capacity(&mut events), None) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            let (token, flags) = (event.data.u64(), event.flags);
            if token == LISTENER {
                server.accept();
            } else {
                server.event(token as usize, flags);
            }
        }
    }
}

struct Server {
    epoll: OwnedFd,
    listener: TcpListener,
    speaks: Speaks,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    /// By topic.
    subscribers: Vec<Vec<usize>>,
    input: Vec<u8>,
    out: Vec<u8>,
    /// What is to go to the subscribers, and where what is one topic's ends.
    publish: Vec<u8>,
    runs: Vec<(usize, usize)>,
}

#[derive(PartialEq, Clone, Copy)]
enum Role {
    Http,
    Echo,
    Subscriber(usize),
    Publisher,
    /// The first four octets of a message are its topic.
    Publishers,
}

struct Connection {
    stream: TcpStream,
    role: Role,
    unread: Vec<u8>,
    unsent: Vec<u8>,
    armed: bool,
}

impl Server {
    fn accept(&mut self) {
        while let Ok((stream, _)) = self.listener.accept() {
            let _ = stream.set_nonblocking(true);
            let _ = stream.set_nodelay(true);
            let at = self.free.pop().unwrap_or(self.connections.len());
            if epoll::add(
                &self.epoll,
                &stream,
                EventData::new_u64(at as u64),
                EventFlags::IN,
            )
            .is_err()
            {
                self.free.push(at);
                continue;
            }
            let connection = Connection {
                stream,
                role: Role::Http,
                unread: Vec::new(),
                unsent: Vec::new(),
                armed: false,
            };
            match self.connections.get_mut(at) {
                Some(slot) => *slot = Some(connection),
                None => self.connections.push(Some(connection)),
            }
        }
    }

    fn event(&mut self, at: usize, flags: EventFlags) {
        let Some(mut connection) = self.connections.get_mut(at).and_then(Option::take) else {
            return;
        };
        if flags.contains(EventFlags::OUT) {
            connection.flush(&self.epoll, at);
        }
        if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            match connection.stream.read(&mut self.input) {
                Ok(length @ 1..) => self.received(at, &mut connection, length),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Ok(0) | Err(_) => {
                    if let Role::Subscriber(topic) = connection.role {
                        self.subscribers[topic].retain(|subscriber| *subscriber != at);
                    }
                    self.free.push(at);
                    return;
                }
            }
        }
        self.connections[at] = Some(connection);
        let mut begin = 0;
        for &(topic, end) in &self.runs {
            for &subscriber in self.subscribers.get(topic).into_iter().flatten() {
                if let Some(connection) = &mut self.connections[subscriber] {
                    connection.send(&self.epoll, subscriber, &self.publish[begin..end]);
                }
            }
            begin = end;
        }
        self.runs.clear();
        self.publish.clear();
    }

    fn received(&mut self, at: usize, connection: &mut Connection, length: usize) {
        let fresh = &self.input[..length];
        let mut kept = std::mem::take(&mut connection.unread);
        let joined = !kept.is_empty();
        if joined {
            kept.extend_from_slice(fresh);
        }
        let data: &[u8] = if joined { &kept } else { fresh };
        let mut used = 0;
        self.out.clear();
        if connection.role == Role::Http {
            match self.speaks {
                Speaks::Http => used = answer::answer(data, &mut self.out),
                Speaks::WebSocket => {
                    if let Some(blank) = memmem::find(data, b"\r\n\r\n") {
                        used = blank + 4;
                        connection.upgrade(&data[..used], &mut self.out);
                        if let Role::Subscriber(topic) = connection.role {
                            if topic >= self.subscribers.len() {
                                self.subscribers.resize(topic + 1, Vec::new());
                            }
                            self.subscribers[topic].push(at);
                        }
                    }
                }
            }
        }
        if connection.role != Role::Http {
            let publishes = matches!(connection.role, Role::Publisher | Role::Publishers);
            let target = if publishes {
                &mut self.publish
            } else {
                &mut self.out
            };
            while let Some(frame) = wsframe::next(&data[used..]) {
                let payload = &data[used + frame.payload..used + frame.end];
                wsframe::push(target, frame.first, frame.mask, payload);
                used += frame.end;
                if publishes {
                    let topic = match connection.role {
                        Role::Publishers => wsframe::topic(payload, frame.mask),
                        _ => 0,
                    };
                    // Neighbours of one topic leave in one write.
                    match self.runs.last_mut() {
                        Some((last, end)) if *last == topic => *end = target.len(),
                        _ => self.runs.push((topic, target.len())),
                    }
                }
            }
        }
        if used < data.len() {
            connection.unread = data[used..].to_vec();
        }
        if !self.out.is_empty() {
            connection.send(&self.epoll, at, &self.out);
        }
    }
}

impl Connection {
    fn upgrade(&mut self, head: &[u8], out: &mut Vec<u8>) {
        let head = String::from_utf8_lossy(head);
        let key = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("sec-websocket-key")
                .then(|| value.trim())
        });
        let Some(key) = key else { return };
        let path = head.split(' ').nth(1).unwrap_or_default();
        let topic = path.strip_prefix("/sub/").and_then(peer_common::number);
        self.role = match path {
            "/sub" => Role::Subscriber(0),
            "/pub" => Role::Publisher,
            "/pubs" => Role::Publishers,
            _ => topic.map_or(Role::Echo, |topic| Role::Subscriber(topic.min(MOST_TOPICS))),
        };
        out.extend_from_slice(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ",
        );
        out.extend_from_slice(wsframe::accept(key).as_bytes());
        out.extend_from_slice(b"\r\n\r\n");
    }

    /// Writes `bytes`, keeping what the socket does not take.
    fn send(&mut self, epoll: &OwnedFd, at: usize, bytes: &[u8]) {
        let sent = if self.unsent.is_empty() {
            (&self.stream).write(bytes).unwrap_or(0)
        } else {
            0
        };
        if sent < bytes.len() {
            self.unsent.extend_from_slice(&bytes[sent..]);
            if !self.armed {
                self.armed = true;
                self.watch(epoll, at, EventFlags::IN | EventFlags::OUT);
            }
        }
    }

    fn flush(&mut self, epoll: &OwnedFd, at: usize) {
        if let Ok(sent) = (&self.stream).write(&self.unsent) {
            self.unsent.drain(..sent);
        }
        if self.unsent.is_empty() {
            self.unsent = Vec::new();
            self.armed = false;
            self.watch(epoll, at, EventFlags::IN);
        }
    }

    fn watch(&self, epoll: &OwnedFd, at: usize, flags: EventFlags) {
        // A failure shows as a connection that stalls, which every load driver reports.
        let _ = epoll::modify(epoll, &self.stream, EventData::new_u64(at as u64), flags);
    }
}

/// What a message names with four digits.
const MOST_TOPICS: usize = 9_999;

const LISTENER: u64 = u64::MAX;
