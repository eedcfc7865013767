//! What a namespace is made with.

use crate::socketio::client::core::SignIn;
use crate::socketio::client::error::{ConnectError, DialError};
use crate::socketio::client::handle::{Handle, Root, SocketIoClient};
use crate::socketio::client::handlers::Handlers;
use crate::socketio::client::shared::Seat;
use crate::socketio::client::{Asking, BoxError, Status};
use serde::Serialize;
use serde_json::{Map, Value};
use std::fmt;
use std::sync::Arc;
use tokio::sync::{oneshot, watch};

/// Another namespace of a client, before it is connected; see [`SocketIoClient::of`].
///
/// ```no_run
/// use wireline::socketio::client::{Data, SocketIoClient};
///
/// # async fn run(client: SocketIoClient) -> Result<(), Box<dyn std::error::Error>> {
/// let admin = client
///     .of("/admin")
///     .auth(&serde_json::json!({ "token": "5a1e" }))
///     .on("alert", async |Data(text): Data<String>| println!("{text}"))
///     .connect()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct NamespaceBuilder {
    root: Arc<Root>,
    name: String,
    namespace: Namespace,
}

impl NamespaceBuilder {
    pub(super) fn new(root: Arc<Root>, name: &str) -> Self {
        Self {
            root,
            name: name.to_owned(),
            namespace: Namespace::default(),
        }
    }

    /// Connects the namespace, and waits until it is, or is not.
    ///
    /// Dropping the future gives it up.
    ///
    /// # Errors
    ///
    /// [`ConnectError`], [`ConnectError::Taken`] for one when the client has a handle to the namespace.
    pub async fn connect(self) -> Result<SocketIoClient, ConnectError> {
        self.namespace.connect(&self.root, self.name).await
    }

    /// Gives the handle at once. The namespace is connected as soon as it can be.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect), of what can be told at once.
    pub fn start(self) -> Result<SocketIoClient, ConnectError> {
        self.namespace.start(&self.root, self.name)
    }

    pub(super) const fn namespace_mut(&mut self) -> &mut Namespace {
        &mut self.namespace
    }

    pub(super) fn handlers(&self) -> &Handlers {
        self.namespace.handlers()
    }
}

impl fmt::Debug for NamespaceBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamespaceBuilder")
            .field("name", &self.name)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

/// What a namespace signs in with, and its handlers.
#[derive(Default)]
pub(super) struct Namespace {
    auth: Auth,
    handlers: Arc<Handlers>,
}

enum Auth {
    With(Result<Map<String, Value>, String>),
    Asked(Asking),
}

impl Default for Auth {
    fn default() -> Self {
        Self::With(Ok(Map::new()))
    }
}

impl Namespace {
    pub(super) fn auth<A: Serialize + ?Sized>(&mut self, auth: &A) {
        self.auth = Auth::With(object(auth));
    }

    pub(super) fn auth_with<F, Fut, A, E>(&mut self, callback: F)
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<A, E>> + Send + 'static,
        A: Serialize,
        E: Into<BoxError>,
    {
        self.auth = Auth::Asked(Arc::new(move || {
            let asked = callback();
            Box::pin(async move {
                let auth = asked.await.map_err(|error| error.into().to_string())?;
                object(&auth)
            })
        }));
    }

    pub(super) fn handlers(&self) -> &Handlers {
        &self.handlers
    }

    pub(super) async fn connect(
        self,
        root: &Arc<Root>,
        name: String,
    ) -> Result<SocketIoClient, ConnectError> {
        let (opener, opened) = oneshot::channel();
        let client = self.begin(root, name, Some(opener))?;
        opened.await.unwrap_or(Err(ConnectError::Ended))?;
        Ok(client)
    }

    pub(super) fn start(
        self,
        root: &Arc<Root>,
        name: String,
    ) -> Result<SocketIoClient, ConnectError> {
        self.begin(root, name, None)
    }

    fn begin(
        self,
        root: &Arc<Root>,
        name: String,
        opener: Option<oneshot::Sender<Result<(), ConnectError>>>,
    ) -> Result<SocketIoClient, ConnectError> {
        let unfit = |reason: String| ConnectError::Dial(Arc::new(DialError::Unfit(reason)));
        let name = if name.is_empty() {
            "/".to_owned()
        } else {
            name
        };
        // A packet ends its namespace with a comma, and begins it with a slash.
        if !name.starts_with('/') || name.contains([',', '?']) {
            return Err(unfit(format!("{name:?} is no name of a namespace")));
        }
        let (sign_in, asking) = match self.auth {
            Auth::With(with) => (SignIn::With(with.map_err(unfit)?), None),
            Auth::Asked(asking) => (SignIn::Asked, Some(asking)),
        };
        let (status, watched) = watch::channel(Status::Connecting);
        root.with(|state, now| {
            let id = (state.core.add(name.as_str().into(), sign_in)).ok_or(ConnectError::Taken)?;
            let handle = Handle::new(root.clone(), id, name, self.handlers.clone(), watched);
            let handle = Arc::new(handle);
            let seat = Seat {
                handle: Arc::downgrade(&handle),
                handlers: self.handlers,
                asking,
                status,
                sid: None,
                recovered: false,
                openers: opener.into_iter().collect(),
                no_auth: None,
            };
            state.spaces.insert(id, seat);
            state.core.open(now, id);
            Ok(SocketIoClient::new(handle))
        })
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What it signs in with is a secret.
        f.debug_struct("Namespace")
            .field("handlers", &self.handlers)
            .finish_non_exhaustive()
    }
}

fn object<A: Serialize + ?Sized>(auth: &A) -> Result<Map<String, Value>, String> {
    match serde_json::to_value(auth) {
        Ok(Value::Object(auth)) => Ok(auth),
        Ok(Value::Null) => Ok(Map::new()),
        Ok(_) => Err("what to sign in with is no JSON object".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
