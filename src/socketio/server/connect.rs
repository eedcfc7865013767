//! Who may be in a namespace.

use super::call::{Call, SharedParts};
use super::error::ConnectError;
use super::id::SocketId;
use super::recovery::Restored;
use super::socket::Socket;
use super::space::Space;
use crate::socketio::packet::Args;
use crate::socketio::transport::Session;
use bytestring::ByteString;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::sync::Arc;

/// A socket that may be connected.
pub(super) struct Admission {
    pub(super) socket: Socket,
    /// What its client is told.
    pub(super) hello: Value,
    pub(super) restored: Option<Restored>,
}

/// Decides.
pub(super) async fn admission(
    space: Arc<Space>,
    session: Session,
    auth: Option<ByteString>,
    client: Option<IpAddr>,
    parts: Option<SharedParts>,
) -> Result<Admission, ConnectError> {
    let auth = match auth {
        None => json!({}),
        Some(auth) => serde_json::from_str(&auth).map_err(|_| "malformed authentication")?,
    };
    let table = space.terms.now();
    let mut restored = restored(&space, &auth);
    let private_id = auth.get("pid").and_then(Value::as_str).map(Box::from);
    let skips = space
        .recovery()
        .is_some_and(|recovery| recovery.config().skip_middleware);
    let auth = match (&mut restored, &table.authenticate) {
        (Some(restored), _) if skips => std::mem::take(&mut restored.auth),
        (_, Some(authenticate)) => authenticate(auth, client).await?,
        (_, None) => auth,
    };
    let id = match &restored {
        Some(restored) => restored.id,
        None => SocketId::random().ok_or("no randomness")?,
    };
    let socket = Socket::new(id, session, &space, table.clone(), restored.is_some());
    socket.set_auth(auth);
    if skips && let Some(restored) = &mut restored {
        // Whoever would have set it is not asked.
        socket.set_extensions(restored.extensions.take());
    }
    if let Some(restored) = &mut restored {
        let rooms = std::mem::take(&mut restored.rooms);
        rooms.iter().for_each(|room| socket.join(room.clone()));
        restored.rooms = rooms;
    }
    if restored.is_none() || !skips {
        for handler in &table.on_connect {
            let call = Call {
                parts: parts.clone(),
                ..socket.call(ByteString::from_static("connection"), Args::default())
            };
            handler.handle(call).await?;
        }
    }
    let mut hello = json!({"sid": socket.id()});
    if space.is_recoverable()
        && let Some(mut ticket) = space.ticket()
    {
        // By this a client knows that it was recovered.
        if restored.is_some()
            && let Some(private_id) = private_id
        {
            ticket.private_id = private_id;
        }
        hello["pid"] = Value::from(&*ticket.private_id);
        socket.set_ticket(ticket);
    }
    Ok(Admission {
        socket,
        hello,
        restored,
    })
}

/// Who comes back with what the client says to connect.
fn restored(space: &Space, auth: &Value) -> Option<Restored> {
    let recovery = space.recovery()?;
    let private_id = auth.get("pid")?.as_str()?;
    let offset = auth.get("offset").and_then(Value::as_str);
    recovery.restore(private_id, offset)
}
