//! What comes: messages to packets, and what each says about its namespace.

use crate::socketio::client::core::space::{Early, Standing};
use crate::socketio::client::core::{Core, Event, Left, Lost};
use crate::socketio::packet::{Body, Packet};
use bytes::Bytes;
use bytestring::ByteString;
use serde_json::{Map, Value};

impl Core {
    /// A message of text. An error is what no Socket.IO is: the connection is of no use.
    pub(crate) fn text(&mut self, text: ByteString) -> Result<(), Lost> {
        let packet = self.decoder.text(text).map_err(|_| Lost::Parse)?;
        packet.map_or(Ok(()), |packet| self.packet(packet))
    }

    /// A message of octets. As [`text`](Self::text).
    pub(crate) fn binary(&mut self, octets: Bytes) -> Result<(), Lost> {
        let packet = self.decoder.binary(octets).map_err(|_| Lost::Parse)?;
        packet.map_or(Ok(()), |packet| self.packet(packet))
    }

    fn packet(&mut self, packet: Packet) -> Result<(), Lost> {
        let found = self
            .spaces
            .iter()
            .find(|(_, space)| space.name == packet.namespace)
            .map(|(id, _)| *id);
        let Some(id) = found else {
            self.ignored += 1;
            return Ok(());
        };
        match packet.body {
            Body::Connect(welcome) => self.connected(id, welcome.as_deref()),
            Body::ConnectError(why) => {
                self.refused(id, &why);
                Ok(())
            }
            Body::Disconnect => {
                self.dismissed(id);
                Ok(())
            }
            Body::Event {
                name,
                id: ack,
                args,
            } => {
                self.event(id, Early { name, ack, args });
                Ok(())
            }
            Body::Ack { id: ack, args } => {
                let was_awaited = (self.spaces.get_mut(&id)).is_some_and(|space| space.settle(ack));
                if was_awaited {
                    self.answer(id, ack, Ok(args));
                } else {
                    self.ignored += 1;
                }
                Ok(())
            }
        }
    }

    fn event(&mut self, id: u32, event: Early) {
        match self.spaces.get_mut(&id) {
            Some(space) if matches!(space.standing, Standing::Connected) => {
                space.count(event.ack, &event.args);
                let Early { name, ack, args } = event;
                let event = Event::Message {
                    name,
                    id: ack,
                    args,
                };
                self.tell(id, event);
            }
            // What was missed comes before the word that the session was recovered.
            Some(space)
                if matches!(space.standing, Standing::Asked { .. })
                    && space.early_octets + event.octets() <= self.tuning.buffer_octets =>
            {
                space.early_octets += event.octets();
                space.early.push(event);
            }
            _ => self.ignored += 1,
        }
    }

    fn connected(&mut self, id: u32, welcome: Option<&str>) -> Result<(), Lost> {
        let Some(space) = self.spaces.get_mut(&id) else {
            return Ok(());
        };
        if !matches!(space.standing, Standing::Asked { .. }) {
            self.ignored += 1;
            return Ok(());
        }
        let welcome =
            welcome.and_then(|welcome| serde_json::from_str::<Map<String, Value>>(welcome).ok());
        let word = |name: &str| {
            let word = welcome.as_ref().and_then(|welcome| welcome.get(name));
            word.and_then(Value::as_str).map(ByteString::from)
        };
        let Some(sid) = word("sid") else {
            // Protocol 4 and before answer without an id.
            space.standing = Standing::Away;
            space.clear();
            self.fail_acks(id, true);
            let message = "the server speaks an older protocol than Socket.IO 5".to_owned();
            self.tell(
                id,
                Event::Refused {
                    message,
                    data: None,
                },
            );
            self.rest();
            return Ok(());
        };
        let recovered = space.welcome(word("pid"), word("offset"));
        let early = space.take_early();
        self.tell(id, Event::Connected { sid, recovered });
        for event in early {
            self.event(id, event);
        }
        self.flush(id);
        Ok(())
    }

    fn refused(&mut self, id: u32, why: &str) {
        let Some(space) = self.spaces.get_mut(&id) else {
            return;
        };
        if !matches!(space.standing, Standing::Asked { .. }) {
            self.ignored += 1;
            return;
        }
        space.standing = Standing::Away;
        space.clear();
        self.fail_acks(id, true);
        let (message, data) = match serde_json::from_str(why) {
            Ok(Value::Object(mut why)) => {
                let message = why.get("message").and_then(Value::as_str);
                (message.unwrap_or_default().to_owned(), why.remove("data"))
            }
            Ok(Value::String(message)) => (message, None),
            _ => (why.to_owned(), None),
        };
        self.tell(id, Event::Refused { message, data });
        self.rest();
    }

    /// The server has disconnected a namespace: it is not wanted any more.
    fn dismissed(&mut self, id: u32) {
        let Some(space) = self.spaces.get_mut(&id) else {
            return;
        };
        if !matches!(space.standing, Standing::Connected | Standing::Asked { .. }) {
            self.ignored += 1;
            return;
        }
        space.standing = Standing::Away;
        space.clear();
        self.fail_acks(id, true);
        self.tell(id, Event::Disconnected(Left::Server));
        self.rest();
    }
}
