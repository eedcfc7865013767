//! The rooms that a socket is in: its seats in the hub.

use super::{CONNECTED, CONNECTING, Socket};
use crate::relay::hub::{Member, Resume, Subscription, Topic};
use crate::socketio::server::counters::add;
use crate::socketio::transport::Outgoing;
use bytestring::ByteString;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Socket {
    /// Goes into a room; nothing happens when it is in it.
    ///
    /// Nothing happens either when it is in as many as [`max_rooms`](crate::socketio::server::SocketIoConfig::max_rooms) says, or when
    /// the name has more than 1,024 octets: [`unjoined`](crate::socketio::server::SocketIoStats::unjoined) counts that.
    pub fn join(&self, room: impl Into<ByteString>) {
        let room = room.into();
        if room.is_empty() || &*room == self.id() {
            return;
        }
        let core = &self.0.space.core;
        if room.len() > LONGEST {
            add(&core.counters.unjoined);
            return;
        }
        let most = core.config.max_rooms;
        let topic = self.0.space.topic_of(&room);
        let mut state = self.lock();
        let has_joined = match self.0.status.load(Ordering::Acquire) {
            CONNECTING if !state.wanted.contains(&room) => {
                let has_room = state.wanted.len() < most;
                if has_room {
                    state.wanted.push(room.clone());
                }
                has_room
            }
            CONNECTED if !state.seats.iter().any(|seat| *seat.topic() == topic) => {
                // The last seat is the namespace's.
                let rooms = state.seats.len().saturating_sub(1);
                let has_room = rooms < most;
                if has_room {
                    let seat = self.sit(&topic);
                    state.seats.insert(rooms, seat);
                }
                has_room
            }
            _ => return,
        };
        drop(state);
        if !has_joined {
            add(&core.counters.unjoined);
        } else if let Some(admin) = core.admin.get()
            && self.is_connected()
        {
            admin.joined(self, &room);
        }
    }

    /// Leaves a room. What was sent to it before still comes.
    pub fn leave(&self, room: &str) {
        let topic = self.0.space.topic_of(room);
        let seat = {
            let mut state = self.lock();
            state.wanted.retain(|wanted| wanted != room);
            let place = state.seats.iter().position(|seat| *seat.topic() == topic);
            place.filter(|_| !room.is_empty()).map(|at| {
                // The last seat stays the namespace's.
                let last = state.seats.len().saturating_sub(2).max(at);
                state.seats.swap(at, last);
                state.seats.remove(last)
            })
        };
        if let Some(seat) = seat {
            self.0.group.flush();
            self.0.space.core.hub.unsubscribe(seat);
            if let Some(admin) = self.0.space.core.admin.get() {
                admin.left(self, room);
            }
        }
    }

    /// The rooms that it is in, its id among them. Handlers of its disconnect have those that it was in, until they wait for something.
    pub fn rooms(&self) -> Vec<ByteString> {
        let mut rooms = vec![self.id().into()];
        let state = self.lock();
        rooms.extend(state.wanted.iter().cloned());
        let seats = state.seats.iter();
        rooms.extend(seats.filter_map(|seat| {
            let room = self.0.space.room_of(seat.topic())?;
            (!room.is_empty()).then(|| room.into())
        }));
        rooms
    }

    /// It is connected from now on: what is sent to the namespace and to its rooms comes. `false` when it was
    /// disconnected before.
    pub(in crate::socketio::server) fn connect(&self) -> bool {
        let mut state = self.lock();
        // Every change of the status is made under this lock.
        if self.0.status.load(Ordering::Acquire) != CONNECTING {
            return false;
        }
        self.0.status.store(CONNECTED, Ordering::Release);
        let rooms = std::mem::take(&mut state.wanted);
        state.seats.reserve_exact(rooms.len() + 1);
        let topics = rooms.iter().map(|room| self.0.space.topic_of(room));
        for topic in topics.chain([self.0.space.topic.clone()]) {
            let seat = self.sit(&topic);
            state.seats.push(seat);
        }
        true
    }

    fn sit(&self, topic: &Topic) -> Subscription<Outgoing> {
        let member: Arc<dyn Member<Outgoing>> = self.0.clone();
        let hub = &self.0.space.core.hub;
        hub.subscribe(topic, &self.0.group, member, 0, Resume::Live, 0)
            .0
    }
}

/// The most octets of a room's name.
const LONGEST: usize = 1024;
