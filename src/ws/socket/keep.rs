//! A client's socket.

use crate::resource::io::Io;
use crate::ws::close::CloseCode;
use crate::ws::connection::Connection;
use crate::ws::socket::config::Config;
use crate::ws::socket::core::Shared;
use crate::ws::socket::home::Home;
use crate::ws::socket::{WebSocket, drive};
use std::future::ready;
use std::sync::Arc;

impl WebSocket {
    /// The socket of a client, with a task that keeps it, which is spawned here and ends with the connection.
    /// Once nobody holds the socket, it is closed with 1000.
    pub(crate) fn keep(
        io: Io,
        read_ahead: &[u8],
        connection: Connection,
        protocol: Option<String>,
        config: Arc<Config>,
    ) -> Self {
        let shared = Shared::new(io, read_ahead, Home::own(), connection, config, protocol);
        let socket = Self::new(shared.clone());
        tokio::spawn(drive::drive(shared, Box::pin(ready(CloseCode::NORMAL))));
        socket
    }
}
