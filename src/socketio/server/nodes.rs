//! The server among others: what is asked of them, and what they ask of it.

use super::SocketIo;
use super::ack::after;
use super::broadcast::Broadcast;
use super::error::EmitError;
use super::log;
use super::namespace::Namespace;
use super::socket::{Socket, check_event};
use super::space::{Core, Target};
use super::spaces::Spaces;
use crate::socketio::adapter::{
    self, Adapter, Answers, Event, Flags, Local, RemoteSocket, Replies,
};
use crate::socketio::packet::{Args, Packet, ToArgs};
use bytestring::ByteString;
use serde_json::{Value, json};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::timeout_at;

impl SocketIo {
    /// Has the server be one with others from now on: what is sent to rooms reaches their sockets, too. A server has one adapter, and
    /// the first one stays; whether it is this one. Without one it is alone, and everything stays in memory.
    ///
    /// ```
    /// use wireline::relay::backplane::memory::MemoryBackplane;
    /// use wireline::socketio::adapter::BackplaneAdapter;
    /// use wireline::socketio::server::SocketIo;
    ///
    /// let backplane = MemoryBackplane::new();
    /// let servers = [0, 1].map(|_| {
    ///     let io = SocketIo::new();
    ///     io.set_adapter(BackplaneAdapter::new(backplane.clone()));
    ///     io
    /// });
    /// assert_eq!(servers[0].adapter().map(|adapter| adapter.name()), Some("memory"));
    /// ```
    pub fn set_adapter(&self, adapter: impl Adapter) -> bool {
        let (mut is_new, spaces) = (false, self.spaces());
        let adapter = spaces.core.adapter.get_or_init(|| {
            is_new = true;
            Arc::new(adapter)
        });
        if is_new {
            let spaces: Weak<Spaces> = Arc::downgrade(spaces);
            adapter.start(spaces);
            for space in self.spaces().all() {
                adapter.take(&space.name);
            }
        }
        is_new
    }

    /// What the server speaks to others with; nothing for one that is alone.
    pub fn adapter(&self) -> Option<&Arc<dyn Adapter>> {
        self.spaces().core.adapter.get()
    }
}

impl Namespace {
    /// The rooms that somebody is in, on whatever node. One may be named by several.
    ///
    /// Cancel safe.
    pub async fn all_rooms(&self) -> Answers<ByteString> {
        let others = self.space.core.adapter.get();
        let asked = others.map(|others| others.rooms(&self.space.name));
        with_others(self.rooms(), asked).await
    }

    /// Sends an event to the other servers themselves, where [`on_server_event`](Self::on_server_event) takes it.
    ///
    /// # Errors
    ///
    /// [`EmitError`] says why it is not sent.
    pub fn server_side_emit(&self, event: &str, data: impl ToArgs) -> Result<(), EmitError> {
        let event = self.server_event(event, data)?;
        if let Some(others) = self.space.core.adapter.get() {
            others.emit(&self.space.name, &event);
        }
        Ok(())
    }

    /// Sends an event to the other servers themselves, and waits for their answers. A server that has no handler for it has none.
    ///
    /// Giving it up while the others are waited for undoes nothing: they have the event, and their answers are not heard.
    ///
    /// # Errors
    ///
    /// [`EmitError`] says why it is not sent. That somebody has not answered is no error: see [`Answers::missing`].
    ///
    /// ```
    /// use wireline::socketio::server::{EmitError, SocketIo};
    ///
    /// async fn load(io: &SocketIo) -> Result<u64, EmitError> {
    ///     let answers = io.server_side_emit_with_ack("load?", ()).await?;
    ///     Ok(answers.answers.iter().filter_map(|args| args.to::<u64>().ok()).sum())
    /// }
    /// ```
    pub async fn server_side_emit_with_ack(
        &self,
        event: &str,
        data: impl ToArgs,
    ) -> Result<Answers<Args>, EmitError> {
        let event = self.server_event(event, data)?;
        let others = self.space.core.adapter.get();
        let asked = others.map(|others| others.emit_with_ack(&self.space.name, &event));
        Ok(with_others(Vec::new(), asked).await)
    }

    fn server_event(&self, event: &str, data: impl ToArgs) -> Result<Event, EmitError> {
        check_event(event)?;
        Ok(Event {
            name: event.into(),
            args: data.to_args()?,
        })
    }
}

impl Broadcast {
    /// The sockets, on whatever node. Through [`Namespace::to`] with its id as a room, more can be done with one.
    ///
    /// Cancel safe.
    ///
    /// ```
    /// use wireline::socketio::server::SocketIo;
    ///
    /// async fn names(io: &SocketIo) -> Vec<String> {
    ///     let sockets = io.to("room").fetch_sockets().await;
    ///     if !sockets.is_complete() {
    ///         println!("{} nodes have not answered", sockets.missing);
    ///     }
    ///     sockets.answers.iter().map(|socket| socket.data["name"].to_string()).collect()
    /// }
    /// ```
    pub async fn fetch_sockets(&self) -> Answers<RemoteSocket> {
        let here = self.sockets().iter().map(Socket::details).collect();
        let asked = self
            .others()
            .map(|(others, target)| others.sockets(&target));
        with_others(here, asked).await
    }
}

impl Socket {
    /// Keeps what [`Broadcast::fetch_sockets`] shows as its data, on every node.
    pub fn set_data(&self, data: impl Into<Value>) {
        self.insert(Shown(data.into()));
    }

    /// What was kept with [`set_data`](Self::set_data).
    pub fn data(&self) -> Value {
        self.get::<Shown>().map(|shown| shown.0).unwrap_or_default()
    }

    fn details(&self) -> RemoteSocket {
        RemoteSocket {
            id: self.id().into(),
            rooms: self.rooms(),
            handshake: json!({"headers": {}, "query": {}, "auth": self.auth()}),
            data: match self.data() {
                Value::Null => json!({}),
                data => data,
            },
        }
    }
}

#[derive(Clone)]
struct Shown(Value);

async fn with_others<T>(here: Vec<T>, asked: Option<adapter::Asked<T>>) -> Answers<T> {
    let mut answers = match asked {
        Some(asked) => asked.await,
        None => Answers::default(),
    };
    answers.answers.splice(0..0, here);
    answers
}

impl Core {
    /// A namespace is there.
    pub(super) fn take(&self, namespace: &str) {
        if let Some(adapter) = self.adapter.get() {
            adapter.take(namespace);
        }
    }

    /// It is not there any more.
    pub(super) fn give_up(&self, namespace: &str) {
        if let Some(adapter) = self.adapter.get() {
            adapter.give_up(namespace);
        }
    }
}

impl Target {
    /// The same for others.
    pub(super) fn of(&self, namespace: &ByteString) -> adapter::Target {
        adapter::Target {
            namespace: namespace.clone(),
            rooms: self.rooms.clone(),
            except: self.except.clone(),
            flags: Flags {
                is_volatile: self.is_volatile,
                compress: self.is_plain.then_some(false),
            },
        }
    }
}

impl From<&adapter::Target> for Target {
    fn from(target: &adapter::Target) -> Self {
        Self {
            rooms: target.rooms.clone(),
            except: target.except.clone(),
            is_volatile: target.flags.is_volatile,
            is_plain: target.flags.compress == Some(false),
        }
    }
}

/// What others ask.
impl Local for Spaces {
    fn broadcast(&self, to: &adapter::Target, event: &Event) {
        if let Some(space) = self.get(&to.namespace) {
            let (name, args) = (event.name.clone(), event.args.clone());
            let packet = Packet::event(space.name.clone(), None, name, args);
            space.broadcast(&to.into(), packet);
        }
    }

    fn broadcast_with_acks(
        &self,
        to: &adapter::Target,
        event: &Event,
        wait: Duration,
        replies: Replies,
    ) {
        let Some(space) = self.get(&to.namespace) else {
            return replies.expect(0);
        };
        let (sockets, refused, id, mut answers) =
            space.broadcast_with_acks(&to.into(), &event.name, &event.args);
        replies.expect(sockets.len() + refused.len());
        if sockets.is_empty() {
            return;
        }
        let until = after(wait);
        tokio::spawn(async move {
            for _ in &sockets {
                match timeout_at(until, answers.recv()).await {
                    Ok(Some((_, args))) => replies.give(&args),
                    Ok(None) | Err(_) => break,
                }
            }
            for socket in &sockets {
                socket.forget_waiter(id);
            }
        });
    }

    fn join(&self, who: &adapter::Target, rooms: &[ByteString]) {
        if let Some(space) = self.get(&who.namespace) {
            space.join(&who.into(), rooms);
        }
    }

    fn leave(&self, who: &adapter::Target, rooms: &[ByteString]) {
        if let Some(space) = self.get(&who.namespace) {
            space.leave(&who.into(), rooms);
        }
    }

    fn disconnect(&self, who: &adapter::Target, close: bool) {
        if let Some(space) = self.get(&who.namespace) {
            space.disconnect(&who.into(), close);
        }
    }

    fn sockets(&self, who: &adapter::Target) -> Vec<RemoteSocket> {
        let space = self.get(&who.namespace);
        let sockets = space.map(|space| space.choose(&who.into()));
        sockets.iter().flatten().map(Socket::details).collect()
    }

    fn rooms(&self, namespace: &str) -> Vec<ByteString> {
        let space = self.get(namespace);
        space.map(|space| space.rooms()).unwrap_or_default()
    }

    fn emitted(&self, namespace: &str, event: &Event, replies: Option<Replies>) {
        let table = self.get(namespace).map(|space| space.terms.now());
        let handler = table.and_then(|table| table.server_events.get(&*event.name).cloned());
        let Some(handler) = handler else {
            return;
        };
        let args = event.args.clone();
        // Its panic is its task's.
        tokio::spawn(async move {
            match (handler(args).await, replies) {
                (Ok(Some(answer)), Some(replies)) => replies.answer(&answer),
                (Ok(_), _) => {}
                (Err(error), _) => log::server_event_failed(&error),
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn without_an_adapter_everything_stays_here() {
        let io = SocketIo::new();
        assert!(io.adapter().is_none());
        io.emit("a", ()).unwrap();
        let sockets = io.to("r").fetch_sockets().await;
        assert!(sockets.is_complete() && sockets.nodes == 0 && sockets.answers.is_empty());
        assert!(io.all_rooms().await.answers.is_empty());
        io.server_side_emit("a", ()).unwrap();
        let answers = io.server_side_emit_with_ack("a", ()).await.unwrap();
        assert!(answers.is_complete() && answers.answers.is_empty());
        let reserved = io.server_side_emit("disconnect", ());
        assert_eq!(
            reserved.unwrap_err().to_string(),
            EmitError::Reserved.to_string()
        );
    }

    #[test]
    fn the_first_adapter_stays() {
        use crate::socketio::adapter::MemoryAdapter;
        let io = SocketIo::new();
        assert!(io.set_adapter(MemoryAdapter));
        assert!(!io.set_adapter(MemoryAdapter));
    }
}
