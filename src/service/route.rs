//! What a router tells a request about its route.

use crate::wire::fields::Span;
use crate::wire::number::hex_digit;
use std::any::{Any, TypeId};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// The most parameters that a pattern may have.
pub const MAX_PARAMS: usize = 16;

/// The facts of one route, shared by its requests.
///
/// A router makes them when it is built; of a request in a handler they are what
/// [`Parts::matched_pattern`](crate::service::request::Parts::matched_pattern) and the extractors read.
///
/// ```
/// use wireline::service::route::RouteFacts;
///
/// let facts = RouteFacts { pattern: "/users/{id}".to_owned(), names: vec!["id".into()], ..RouteFacts::default() };
/// assert!(!facts.is_public && facts.max_body.is_none());
/// ```
#[derive(Clone, Debug, Default)]
pub struct RouteFacts {
    /// The pattern as it was written, with the prefixes of its groups.
    pub pattern: String,
    /// The names of its parameters, in order.
    pub names: Vec<Box<str>>,
    /// What `.state(T)` and `.extension(T)` of its routers left.
    pub state: StateMap,
    /// Whether it is open to everybody where authentication is asked for.
    pub is_public: bool,
    /// The most octets of content that it takes, when the router says so.
    pub max_body: Option<u64>,
}

/// Where a request's parameters lie in its path, and the facts of its route.
#[derive(Debug, Default)]
pub(crate) struct RouteInfo {
    facts: Option<Arc<RouteFacts>>,
    /// The endpoint's number in its router.
    endpoint: usize,
    spans: [Span; MAX_PARAMS],
    len: usize,
    /// The most octets of content that whoever reads it from the wire lets through.
    max_body: Option<u64>,
}

impl RouteInfo {
    /// Remembers the route, without parameters yet.
    #[inline]
    pub(crate) fn set(&mut self, facts: &Arc<RouteFacts>, endpoint: usize) {
        self.facts = Some(facts.clone());
        self.endpoint = endpoint;
        self.len = 0;
    }

    /// Adds the next parameter. No pattern has more than fit.
    #[inline]
    pub(crate) fn push(&mut self, span: Span) {
        if let Some(place) = self.spans.get_mut(self.len) {
            *place = span;
            self.len += 1;
        }
    }

    #[inline]
    pub(crate) fn clear(&mut self) {
        self.facts = None;
        self.len = 0;
        self.max_body = None;
    }

    /// Says how many octets of content may come: the route's limit, or else the server's.
    #[inline]
    pub(crate) const fn set_max_body(&mut self, octets: u64) {
        self.max_body = Some(octets);
    }

    /// See [`set_max_body`](Self::set_max_body); `None` for a request that did not come over a connection.
    #[allow(dead_code, reason = "only decompression asks, and it is optional")]
    pub(crate) const fn max_body(&self) -> Option<u64> {
        self.max_body
    }

    pub(crate) fn facts(&self) -> Option<&RouteFacts> {
        self.facts.as_deref()
    }

    /// The endpoint's number, when the request was routed.
    #[inline]
    pub(crate) fn endpoint(&self) -> Option<usize> {
        self.facts.as_ref().map(|_| self.endpoint)
    }

    /// Where the parameter of that name lies.
    pub(crate) fn span(&self, name: &str) -> Option<Span> {
        let place = self
            .facts
            .as_ref()?
            .names
            .iter()
            .position(|known| **known == *name)?;
        self.spans[..self.len].get(place).copied()
    }

    /// All parameters, in the pattern's order.
    pub(crate) fn params(&self) -> impl ExactSizeIterator<Item = (&str, Span)> {
        let names = self
            .facts
            .as_ref()
            .map(|facts| facts.names.as_slice())
            .unwrap_or_default();
        names
            .iter()
            .map(|name| &**name)
            .zip(self.spans[..self.len].iter().copied())
    }
}

/// Values by type.
///
/// ```
/// use wireline::service::route::StateMap;
///
/// let mut state = StateMap::default();
/// state.insert("a text");
/// state.insert(7_u32);
/// state.insert(8_u32);
/// assert_eq!(state.get::<u32>(), Some(&8));
/// assert_eq!(state.get::<u64>(), None);
/// ```
#[derive(Clone, Default)]
pub struct StateMap(Vec<(TypeId, &'static str, Arc<dyn Any + Send + Sync>)>);

impl StateMap {
    /// Puts a value in, in place of one of the same type.
    pub fn insert<T: Send + Sync + 'static>(&mut self, value: T) {
        self.0.retain(|(id, ..)| *id != TypeId::of::<T>());
        self.0.push((
            TypeId::of::<T>(),
            std::any::type_name::<T>(),
            Arc::new(value),
        ));
    }

    /// The value of a type.
    pub fn get<T: 'static>(&self) -> Option<&T> {
        self.0
            .iter()
            .find(|(id, ..)| *id == TypeId::of::<T>())
            .and_then(|(.., value)| value.downcast_ref())
    }

    /// Adds what `outer` has and this does not.
    pub(crate) fn inherit(&mut self, outer: &Self) {
        for entry in &outer.0 {
            if !self.0.iter().any(|(id, ..)| *id == entry.0) {
                self.0.push(entry.clone());
            }
        }
    }
}

impl fmt::Debug for StateMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(_, name, _)| name))
            .finish()
    }
}

/// Decodes percent-encoded octets once. `None` for an invalid escape and for octets that are no UTF-8.
///
/// ```
/// use wireline::service::route::decode;
///
/// assert_eq!(decode(b"caf%C3%A9").as_deref(), Some("café"));
/// assert_eq!(decode(b"100%"), None);
/// assert_eq!(decode(b"%ff"), None);
/// ```
pub fn decode(text: &[u8]) -> Option<Cow<'_, str>> {
    if !text.contains(&b'%') {
        return std::str::from_utf8(text).ok().map(Cow::Borrowed);
    }
    let mut octets = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(octet) = text.get(at) {
        if *octet == b'%' {
            let (high, low) = (
                hex_digit(*text.get(at + 1)?)?,
                hex_digit(*text.get(at + 2)?)?,
            );
            octets.push(high << 4 | low);
            at += 3;
        } else {
            octets.push(*octet);
            at += 1;
        }
    }
    String::from_utf8(octets).ok().map(Cow::Owned)
}
