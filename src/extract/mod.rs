//! The arguments of handlers: each file here is one kind of value that a handler may ask a request for.
//!
//! ```text
//!   Request ── Parts ── FromRequestParts ──> Path Query State Extension Headers TypedHeader ConnInfo Method
//!      │                                     Uri OriginalUri Version MatchedPath RawQuery ClientAddr ClientIp
//!      │                                     LastEventId
//!      └────── Body ──── FromRequest ──────> Json Form Multipart Bytes String Body BodyStream, or the whole Request
//! ```
//!
//! All arguments but the last come from the head ([`FromRequestParts`]); the last may take the content
//! ([`FromRequest`]). They are taken in order, and the first that is not to be had answers in the
//! handler's place with its rejection: a type of its own with a status, a sentence for the client, and
//! conversions to [`IntoResponse`] and [`Error`].
//!
//! | the client's fault | the programmer's fault |
//! |---|---|
//! | 400 malformed, 408 too slow, 413 too large, 415 not JSON, 422 JSON of another shape | refused by `Router::build` where the route alone tells; 500 where only a request does |
//!
//! A 500 tells the client nothing of the program; what is wrong is an event of the feature `tracing`, at
//! level ERROR, and the text of the rejection.
//!
//! `Option<T>` is `None` when the request has no such value at all; a value that is there and malformed
//! is still refused ([`OptionalFromRequestParts`], [`OptionalFromRequest`]). `Result<T, T::Rejection>`
//! hands every rejection to the handler. `Valid<T>` checks a value that was read.
//!
//! ```
//! use wireline::extract::{Json, Path, PathRejection, State};
//! use wireline::router::Router;
//!
//! #[derive(Clone)]
//! struct Shelf(&'static str);
//!
//! #[derive(serde::Deserialize)]
//! struct Book {
//!     title: String,
//! }
//!
//! async fn put(State(shelf): State<Shelf>, Path(place): Path<u32>, Json(book): Json<Book>) -> String {
//!     format!("{} stands at {place} on {}", book.title, shelf.0)
//! }
//!
//! async fn look(place: Result<Path<u32>, PathRejection>) -> String {
//!     place.map_or_else(|rejection| format!("nowhere: {rejection}"), |Path(place)| format!("at {place}"))
//! }
//!
//! let shelf = Router::new().put("/shelf/{place}", put).get("/shelf/{place}", look).state(Shelf("the left"));
//! assert!(shelf.build().is_ok());
//! ```
//!
//! [`FromRequestParts`]: crate::service::handler::FromRequestParts
//! [`FromRequest`]: crate::service::handler::FromRequest
//! [`IntoResponse`]: crate::service::response::IntoResponse
//! [`Error`]: crate::service::error::Error

mod body;
mod body_stream;
mod bytes;
#[cfg(feature = "jwt")]
mod claims;
mod client_addr;
mod client_ip;
mod conn_info;
mod current_user;
mod extension;
#[cfg(feature = "form")]
mod form;
mod headers;
#[cfg(feature = "json")]
mod json;
mod last_event_id;
mod matched_path;
mod method;
#[cfg(feature = "tracing")]
mod mistake;
#[cfg(feature = "multipart")]
mod multipart;
#[cfg(not(feature = "tracing"))]
mod no_mistake;
mod original_uri;
mod params;
mod path;
#[cfg(feature = "form")]
mod query;
mod raw_query;
mod rejection;
mod result;
mod state;
mod string;
mod tls_info;
mod typed_header;
mod uri;
mod valid;
mod version;

#[cfg(not(feature = "tracing"))]
use self::no_mistake as mistake;

#[cfg(feature = "jwt")]
pub use self::claims::{Claims, ClaimsRejection};
pub use self::client_ip::{ClientIp, ClientIpRejection};
pub use self::extension::{Extension, ExtensionRejection};
#[cfg(feature = "form")]
pub use self::form::{Form, FormRejection};
#[cfg(feature = "json")]
pub use self::json::{Json, JsonRejection};
pub use self::last_event_id::{LastEventId, LastEventIdRejection};
pub use self::matched_path::{MatchedPath, MatchedPathRejection};
#[cfg(feature = "multipart")]
pub use self::multipart::{
    Field, Multipart, MultipartError, MultipartLimits, MultipartRejection, TempFile,
};
pub use self::original_uri::OriginalUri;
pub use self::path::{Path, PathRejection};
#[cfg(feature = "form")]
pub use self::query::{Query, QueryRejection};
pub use self::raw_query::RawQuery;
pub use self::state::{State, StateRejection};
pub use self::tls_info::TlsInfoRejection;
pub use self::typed_header::{Header, TypedHeader, TypedHeaderRejection};
pub use self::uri::UriRejection;
pub use self::valid::{Inner, Objections, Valid, ValidRejection, Validate};
pub use crate::resource::addr::ConnInfo;
pub use crate::resource::tls_info::TlsInfo;
pub use crate::service::body::BodyStream;
pub use crate::service::client_addr::ClientAddr;
#[cfg(feature = "cookies")]
pub use crate::service::cookie::Cookies;
pub use crate::service::headers::Headers;
pub use crate::service::optional::{OptionalFromRequest, OptionalFromRequestParts};
pub use crate::service::user::CurrentUser;

/// The fields that [`TypedHeader`] can read.
pub mod header {
    pub use crate::extract::typed_header::{
        Accepts, Authorization, ContentLength, ContentType, Host, Origin, UserAgent,
    };
    pub use crate::service::media_type::MediaType;
}
