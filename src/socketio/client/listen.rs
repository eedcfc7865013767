//! What a namespace tells its handlers.

use crate::socketio::client::core::emit::Emit;
use crate::socketio::client::error::{ConnectError, DisconnectReason};
use crate::socketio::client::handle::SocketIoClient;
use crate::socketio::client::handler::EventHandler;
use crate::socketio::client::handlers::HandlerId;
use crate::socketio::packet::Args;

/// Its handlers, which can be added and removed at any time.
impl SocketIoClient {
    /// Adds a handler of an event. There may be several; each runs, and the first answer counts. They start in the order of the
    /// events; one that waits holds up no other.
    pub fn on<P, H: EventHandler<P>>(&self, event: &str, handler: H) -> HandlerId {
        self.handlers().on(event, handler, false)
    }

    /// Adds a handler that is removed when the next event of this name has come, whether or not that carries what it takes.
    ///
    /// ```no_run
    /// use wireline::socketio::client::{Data, SocketIoClient};
    ///
    /// # fn run(client: &SocketIoClient) {
    /// client.once("ready", async |Data(version): Data<String>| println!("{version}"));
    /// # }
    /// ```
    pub fn once<P, H: EventHandler<P>>(&self, event: &str, handler: H) -> HandlerId {
        self.handlers().on(event, handler, true)
    }

    /// Adds a handler of every event; it starts before those of the event's own.
    pub fn on_any<P, H: EventHandler<P>>(&self, handler: H) -> HandlerId {
        self.handlers().on_any(handler)
    }

    /// Calls a function for every event that is sent in this namespace, or waits from now on to be sent: whoever sends it calls it, so it
    /// must be quick. What is dropped or refused is not told, nor are answers; what is sent [again](crate::socketio::client::EmitWithAck::retries)
    /// is told again.
    ///
    /// ```no_run
    /// use wireline::socketio::client::SocketIoClient;
    ///
    /// # fn run(client: &SocketIoClient) {
    /// let id = client.on_any_outgoing(|event, args| println!("{event} {}", args.json()));
    /// assert!(client.remove(id));
    /// # }
    /// ```
    pub fn on_any_outgoing(
        &self,
        function: impl Fn(&str, &Args) + Send + Sync + 'static,
    ) -> HandlerId {
        self.handlers().on_any_outgoing(function)
    }

    /// Adds a function that runs after every connection of the namespace, the first one too if it is not there yet.
    pub fn on_connect<F, Fut>(&self, run: F)
    where
        F: Fn(Self) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.handlers().on_connect(run);
    }

    /// Adds a function that runs when the namespace is refused, or there is no connection.
    pub fn on_connect_error<F, Fut>(&self, run: F)
    where
        F: Fn(Self, ConnectError) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.handlers().on_connect_error(run);
    }

    /// Adds a function that runs when the namespace is disconnected, with the reason.
    pub fn on_disconnect<F, Fut>(&self, run: F)
    where
        F: Fn(Self, DisconnectReason) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.handlers().on_disconnect(run);
    }

    /// Removes the handlers of an event, those that would run once among them.
    pub fn off(&self, event: &str) {
        self.handlers().off(event);
    }

    /// Removes the handlers of every event that [`on_any`](Self::on_any) has added.
    pub fn off_any(&self) {
        self.handlers().off_any();
    }

    /// Removes the functions that [`on_any_outgoing`](Self::on_any_outgoing) has added.
    pub fn off_any_outgoing(&self) {
        self.handlers().off_any_outgoing();
    }

    /// Removes one handler, and says whether it was there.
    ///
    /// ```no_run
    /// use wireline::socketio::client::SocketIoClient;
    ///
    /// # fn run(client: &SocketIoClient) {
    /// let id = client.on("news", async || println!("news"));
    /// assert!(client.remove(id) && !client.remove(id));
    /// # }
    /// ```
    pub fn remove(&self, id: HandlerId) -> bool {
        self.handlers().remove(id)
    }

    /// Tells of an event once it was taken.
    pub(super) fn outgoing(&self, emit: &Emit) -> impl FnOnce() + use<> {
        let functions = self.handlers().of_outgoing();
        // Nobody wants to know as a rule, and then nothing is kept.
        let event = (!functions.is_empty()).then(|| (emit.name.clone(), emit.args.clone()));
        move || {
            if let Some((name, args)) = event {
                functions.iter().for_each(|function| function(&name, &args));
            }
        }
    }
}
