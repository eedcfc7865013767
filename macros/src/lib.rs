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
        #[proc_macro_attribute]
        pub fn $name(arguments: TokenStream, item: TokenStream) -> TokenStream {
            expand::route(Kind::Method(stringify!($name), stringify!($method)), arguments.into(), item.into()).into()
        }
    )*};
}

methods!(get GET, post POST, put PUT, patch PATCH, delete DELETE, head HEAD, options OPTIONS);

/// Marks a handler of requests with any method: `#[route(method = "PURGE", path = "/cache/{key}")]`.
#[proc_macro_attribute]
pub fn route(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::route(Kind::Route, arguments.into(), item.into()).into()
}

/// Marks a handler of WebSockets: `#[websocket("/ws")]`, or `#[websocket("/ws", terms = my_terms)]` with the function
/// that `Router::websocket_with` takes. Needs the feature `websocket`.
#[proc_macro_attribute]
pub fn websocket(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::route(Kind::WebSocket, arguments.into(), item.into()).into()
}

/// Marks a handler of what happens in topics: `#[relay("room:*")]` on an `async fn` of a `RelayEvent`, a `Relay` and extractors.
/// `RelayConfig::discover` adds it to a relay. Needs the feature `relay`.
#[proc_macro_attribute]
pub fn relay(arguments: TokenStream, item: TokenStream) -> TokenStream {
    relay::channel(arguments.into(), item.into()).into()
}

/// Opens a marked route to everybody where a layer asks for authentication. It stands above or below the attribute of
/// the route.
#[proc_macro_attribute]
pub fn public(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::public(arguments.into(), item.into()).into()
}
