//! A server without connections: sockets that are in rooms, and what was done to them, in words.

use bytestring::ByteString;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;
use tokio::sync::Notify;
use wireline::socketio::adapter::{Event, Local, RemoteSocket, Replies, Target};
use wireline::socketio::packet::{Args, ToArgs};

/// The rooms of each.
type Sockets = BTreeMap<String, BTreeSet<String>>;

#[derive(Default)]
pub(crate) struct Fake {
    sockets: Mutex<Sockets>,
    seen: Mutex<VecDeque<String>>,
    changed: Notify,
}

impl Fake {
    /// With these sockets, each in its own room and another one.
    pub(crate) fn new(sockets: &[(&str, &str)]) -> Arc<Self> {
        let fake = Self::default();
        for (id, room) in sockets {
            let rooms = [*id, *room].map(str::to_owned).into();
            fake.sockets.lock().unwrap().insert((*id).to_owned(), rooms);
        }
        Arc::new(fake)
    }

    pub(crate) fn local(self: &Arc<Self>) -> Weak<dyn Local> {
        let fake: Arc<dyn Local> = self.clone();
        Arc::downgrade(&fake)
    }

    /// What was done next.
    pub(crate) async fn next(&self) -> String {
        loop {
            let next = self.seen.lock().unwrap().pop_front();
            if let Some(next) = next {
                return next;
            }
            self.changed.notified().await;
        }
    }

    /// Forgets what was done.
    pub(crate) fn forget(&self) {
        self.seen.lock().unwrap().clear();
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        self.sockets().keys().cloned().collect()
    }

    pub(crate) fn rooms_of(&self, id: &str) -> Vec<String> {
        let sockets = self.sockets();
        sockets[id].iter().cloned().collect()
    }

    fn saw(&self, what: String) {
        self.seen.lock().unwrap().push_back(what);
        self.changed.notify_one();
    }

    fn sockets(&self) -> MutexGuard<'_, Sockets> {
        self.sockets.lock().unwrap()
    }
}

/// The ids of those who are meant.
fn chosen(sockets: &Sockets, who: &Target) -> Vec<String> {
    let is_in = |rooms: &BTreeSet<String>, some: &[ByteString]| {
        some.iter().any(|room| rooms.contains::<str>(room))
    };
    let chosen = sockets.iter().filter(|(_, rooms)| {
        (who.rooms.is_empty() || is_in(rooms, &who.rooms)) && !is_in(rooms, &who.except)
    });
    chosen.map(|(id, _)| id.clone()).collect()
}

impl Local for Fake {
    fn broadcast(&self, to: &Target, event: &Event) {
        let chosen = chosen(&self.sockets(), to);
        let octets: Vec<&[u8]> = event
            .args
            .attachments()
            .iter()
            .map(|octets| &**octets)
            .collect();
        let octets = if octets.is_empty() {
            String::new()
        } else {
            format!(" {octets:?}")
        };
        let flags = if to.flags.is_volatile {
            " volatile"
        } else {
            ""
        };
        let args = event.args.array();
        self.saw(format!(
            "{} {args}{octets} for {}{flags}",
            event.name,
            chosen.join(" ")
        ));
    }

    fn broadcast_with_acks(&self, to: &Target, event: &Event, wait: Duration, replies: Replies) {
        let chosen = chosen(&self.sockets(), to);
        replies.expect(chosen.len());
        for id in &chosen {
            replies.give(&Args::new((json!({"who": id}), "and more")).unwrap());
        }
        let args = event.args.array();
        self.saw(format!(
            "{} {args} for {}, to be answered in {wait:?}",
            event.name,
            chosen.join(" ")
        ));
    }

    fn join(&self, who: &Target, rooms: &[ByteString]) {
        let mut sockets = self.sockets();
        let chosen = chosen(&sockets, who);
        for id in &chosen {
            let own = sockets.get_mut(id).unwrap();
            own.extend(rooms.iter().map(ToString::to_string));
        }
        self.saw(format!("{} join {}", chosen.join(" "), rooms.join(" ")));
    }

    fn leave(&self, who: &Target, rooms: &[ByteString]) {
        let mut sockets = self.sockets();
        let chosen = chosen(&sockets, who);
        for id in &chosen {
            let own = sockets.get_mut(id).unwrap();
            own.retain(|room| rooms.iter().all(|left| left != room));
        }
        self.saw(format!("{} leave {}", chosen.join(" "), rooms.join(" ")));
    }

    fn disconnect(&self, who: &Target, close: bool) {
        let mut sockets = self.sockets();
        let chosen = chosen(&sockets, who);
        for id in &chosen {
            sockets.remove(id);
        }
        self.saw(format!(
            "{} disconnected, closed: {close}",
            chosen.join(" ")
        ));
    }

    fn sockets(&self, who: &Target) -> Vec<RemoteSocket> {
        let sockets = self.sockets();
        let chosen = chosen(&sockets, who);
        let socket = |id: String| RemoteSocket {
            rooms: sockets[&id]
                .iter()
                .map(|room| room.as_str().into())
                .collect(),
            handshake: json!({"auth": {"name": id}, "headers": {}}),
            data: json!({"name": id}),
            id: id.into(),
        };
        chosen.into_iter().map(socket).collect()
    }

    fn rooms(&self, _: &str) -> Vec<ByteString> {
        let sockets = self.sockets();
        let rooms: BTreeSet<&String> = sockets.values().flatten().collect();
        rooms.into_iter().map(|room| room.as_str().into()).collect()
    }

    fn emitted(&self, _: &str, event: &Event, replies: Option<Replies>) {
        let args = event.args.array();
        let waits = if replies.is_some() {
            ", which waits"
        } else {
            ""
        };
        self.saw(format!("server: {} {args}{waits}", event.name));
        if let (Some(replies), "greet") = (replies, &*event.name) {
            let who: String = event.args.to().unwrap();
            replies.answer(&args_of(format!("hello {who}")));
        }
    }
}

pub(crate) fn to(rooms: &[&str], except: &[&str]) -> Target {
    let names = |names: &[&str]| names.iter().map(|name| (*name).into()).collect();
    Target {
        namespace: "/".into(),
        rooms: names(rooms),
        except: names(except),
        ..Target::default()
    }
}

pub(crate) fn event(name: &str, args: impl ToArgs) -> Event {
    Event {
        name: name.into(),
        args: args_of(args),
    }
}

fn args_of(args: impl ToArgs) -> Args {
    Args::new(args).unwrap()
}
