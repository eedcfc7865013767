//! What a socket tells its handlers: those of its namespace, and its own.

use super::Socket;
use crate::socketio::packet::Args;
use crate::socketio::server::handler::{Erased, EventHandler};
use crate::socketio::server::table::{self, Listeners};
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Socket {
    /// Calls a handler for each event of this name from now on, besides those of the namespace. Those of the namespace cost a socket
    /// nothing.
    pub fn on<Parts: 'static>(&self, event: &str, handler: impl EventHandler<Parts>) {
        self.listen(|listeners| {
            let handlers = listeners.events.entry(event.into()).or_default();
            handlers.push(Arc::new(Erased::new(handler)));
        });
    }

    /// Calls a handler for every event from now on.
    pub fn on_any<Parts: 'static>(&self, handler: impl EventHandler<Parts>) {
        self.listen(|listeners| listeners.any.push(Arc::new(Erased::new(handler))));
    }

    /// Calls a function for every event that is sent to this socket alone from now on. It must be quick.
    pub fn on_any_outgoing(&self, function: impl Fn(&str, &Args) + Send + Sync + 'static) {
        self.listen(|listeners| listeners.outgoing.push(Arc::new(function)));
    }

    /// Calls a handler when the socket is no longer connected.
    ///
    /// ```
    /// use wireline::socketio::server::{DisconnectReason, Socket, SocketIo};
    ///
    /// let io = SocketIo::new();
    /// io.on_connection(async |socket: Socket| {
    ///     socket.on_disconnect(async |socket: Socket, reason: DisconnectReason| {
    ///         println!("{} has gone: {reason}", socket.id());
    ///     });
    /// });
    /// ```
    pub fn on_disconnect<Parts: 'static>(&self, handler: impl EventHandler<Parts>) {
        self.listen(|listeners| listeners.disconnect.push(Arc::new(Erased::new(handler))));
    }

    /// Takes away the handlers of this socket for an event.
    pub fn off(&self, event: &str) {
        if let Some(listeners) = &mut self.lock().listeners {
            listeners.events.remove(event);
        }
    }

    fn listen(&self, add: impl FnOnce(&mut Listeners)) {
        add(self.lock().listeners.get_or_insert_default());
        self.0.has_listeners.store(true, Ordering::Release);
    }
}

/// What the rest of the server does with them.
impl Socket {
    /// What is to be called for an event: the namespace's handlers, then its own.
    pub(in crate::socketio::server) fn handlers(&self, name: &str) -> Vec<Arc<Erased>> {
        let table = &self.0.table;
        let mut handlers: Vec<_> = table::of_event(&table.any, &table.events, name)
            .cloned()
            .collect();
        if self.0.has_listeners.load(Ordering::Acquire)
            && let Some(own) = &self.lock().listeners
        {
            handlers.extend(table::of_event(&own.any, &own.events, name).cloned());
        }
        handlers
    }

    /// What is to be called at its end. Its own handlers are given up: they may hold the socket.
    pub(in crate::socketio::server) fn take_disconnect_handlers(&self) -> Vec<Arc<Erased>> {
        let mut handlers = self.0.table.disconnect.clone();
        if let Some(own) = self.lock().listeners.take() {
            handlers.extend(own.disconnect);
        }
        handlers
    }

    /// Tells of an event that goes out.
    pub(in crate::socketio::server) fn tell_outgoing(&self, event: &str, args: &Args) {
        if let Some(admin) = self.0.space.core.admin.get() {
            admin.sent(self, event, args);
        }
        if !self.0.has_listeners.load(Ordering::Acquire) {
            return;
        }
        let outgoing = match &self.lock().listeners {
            Some(listeners) => listeners.outgoing.clone(),
            None => return,
        };
        for function in outgoing {
            function(event, args);
        }
    }
}
