//! The attribute macros of wireline: use them through the crate `wireline`, feature `macros`.
//!
//! ```text
//!   #[get("/users/{id}")]     arguments   what stands in the parentheses, the path checked by the router's own parser
//!   async fn user(..) {..}    handler     the function: what can be said about it before types are known
//!                             expand      the function as it is, and an entry that `Router::discover` finds
//! ```
//!
//! The parser of patterns is the router's file itself, which `src/router` here links to, and so is the grammar of topics: one
//! grammar, and a package that stands alone, since packing follows the link.

mod arguments;
mod expand;
mod handler;
mod relay;
#[allow(
    dead_code,
    unreachable_pub,
    reason = "of the router's parser only the verdict is needed"
)]
mod router {
    pub(crate) mod pattern;
}

#[allow(
    dead_code,
    unreachable_pub,
    reason = "of a topic only the verdict is needed"
)]
mod topic;

use crate::arguments::Kind;
use proc_macro::TokenStream;

macro_rules! methods {
    ($($name:ident $method:ident),*) => {$(
        #[doc = concat!("Marks a handler of ", stringify!($method), " requests: `#[", stringify!($name), "(\"/users/{id}\")]` on an `async fn`.")]
        ///
        /// `Router::discover` adds it to a router. The path is one of the router's patterns, and checked where it is
        /// written. The function stays what it is.
        ///
        /// ```
        /// use wireline::Router;
        /// use wireline::extract::Path;
        ///
        #[doc = concat!("#[wireline::", stringify!($name), "(\"/users/{id}\")]")]
        /// async fn user(Path(id): Path<u64>) -> String {
        ///     format!("user {id}")
        /// }
        ///
        /// # fn main() {
        /// let routes = Router::new().discover_in(module_path!()).build().unwrap();
        /// assert_eq!(routes.patterns().collect::<Vec<_>>(), ["/users/{id}"]);
        /// # }
        /// ```
        #[proc_macro_attribute]
        pub fn $name(arguments: TokenStream, item: TokenStream) -> TokenStream {
            expand::route(Kind::Method(stringify!($name), stringify!($method)), arguments.into(), item.into()).into()
        }
    )*};
}

methods!(get GET, post POST, put PUT, patch PATCH, delete DELETE, head HEAD, options OPTIONS);

/// Marks a handler of requests with any method: `#[route(method = "PURGE", path = "/cache/{key}")]`. Case counts in a method
/// (RFC 9110 §9.1).
///
/// ```
/// use wireline::Router;
/// use wireline::extract::Path;
///
/// #[wireline::route(method = "PURGE", path = "/cache/{key}")]
/// async fn purge(Path(key): Path<String>) -> String {
///     format!("{key} is gone")
/// }
///
/// # fn main() {
/// let routes = Router::new().discover_in(module_path!()).build().unwrap();
/// assert_eq!(routes.patterns().collect::<Vec<_>>(), ["/cache/{key}"]);
/// # }
/// ```
#[proc_macro_attribute]
pub fn route(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::route(Kind::Route, arguments.into(), item.into()).into()
}

/// Marks a handler of WebSockets: `#[websocket("/ws")]`, or `#[websocket("/ws", terms = my_terms)]` with the function
/// that `Router::websocket_with` takes. Needs the feature `websocket`.
///
/// ```
/// use wireline::Router;
/// use wireline::ws::prelude::*;
///
/// fn terms(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
///     upgrade.subprotocols(Subprotocols::list(["v1.chat"]))
/// }
///
/// #[wireline::websocket("/echo", terms = terms)]
/// async fn echo(mut socket: WebSocket) {
///     while let Some(message) = socket.recv_msg().await {
///         let _ = socket.send(message).await;
///     }
/// }
///
/// # fn main() {
/// let routes = Router::new().discover_in(module_path!()).build().unwrap();
/// assert_eq!(routes.patterns().collect::<Vec<_>>(), ["/echo"]);
/// # }
/// ```
#[proc_macro_attribute]
pub fn websocket(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::route(Kind::WebSocket, arguments.into(), item.into()).into()
}

/// Marks a handler of what happens in topics: `#[relay("room:*")]` on an `async fn` of a `RelayEvent`, a `Relay` and extractors.
/// `RelayConfig::discover` adds it to a relay. Needs the feature `relay`.
///
/// ```
/// use wireline::Router;
/// use wireline::relay::{Relay, RelayConfig, RelayEvent};
///
/// #[wireline::relay("room:*")]
/// async fn room(event: RelayEvent, relay: Relay) {
///     if let RelayEvent::Join { topic, conn_id, .. } = event {
///         let _ = relay.track(topic, conn_id, "here");
///     }
/// }
///
/// # fn main() {
/// let config = RelayConfig::default().discover_in(module_path!());
/// assert!(Router::new().with_relay(config).build().is_ok());
/// # }
/// ```
#[proc_macro_attribute]
pub fn relay(arguments: TokenStream, item: TokenStream) -> TokenStream {
    relay::channel(arguments.into(), item.into()).into()
}

/// Opens a marked route to everybody where a layer asks for authentication. It stands above or below the attribute of
/// the route.
///
/// ```
/// use wireline::Router;
///
/// #[wireline::get("/health")]
/// #[wireline::public]
/// async fn health() -> &'static str {
///     "ok"
/// }
///
/// # fn main() {
/// let routes = Router::new().discover_in(module_path!()).build().unwrap();
/// assert_eq!(routes.patterns().collect::<Vec<_>>(), ["/health"]);
/// # }
/// ```
#[proc_macro_attribute]
pub fn public(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::public(arguments.into(), item.into()).into()
}
