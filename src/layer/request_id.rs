//! A fresh id for each request (S125): a random UUID, from a buffer of random octets that each thread
//! fills a kibibyte at a time.

use crate::service::request::{Parts, Request};
use crate::service::response::Response;
use http::{HeaderName, HeaderValue};
use std::cell::RefCell;
use std::fmt;
use uuid::Uuid;

/// The id of a request: a UUID of version 4.
///
/// On the paved path ([`App`](crate::app::App)) every request has one, and every response says it in
/// `X-Request-ID`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(Uuid);

impl RequestId {
    /// A new random id.
    pub(crate) fn random() -> Self {
        RANDOM.with_borrow_mut(|random| {
            Self(uuid::Builder::from_random_bytes(random.take()).into_uuid())
        })
    }

    /// The id of a request, if it was given one.
    pub fn of(parts: &Parts) -> Option<Self> {
        parts.id().map(|id| Self(Uuid::from_bytes(id)))
    }

    /// The id as a UUID.
    pub const fn as_uuid(self) -> Uuid {
        self.0
    }

    pub(crate) fn give_to(self, request: &mut Request) {
        request.parts_mut().set_id(*self.0.as_bytes());
    }

    /// Says the id, and `nosniff`, in a response that has a content type and nothing else.
    #[inline]
    pub(crate) fn pave(self, response: &mut Response) -> bool {
        response.headers_mut().pave(*self.0.as_bytes())
    }

    /// Says the id in a response.
    pub(crate) fn tell(self, response: &mut Response) {
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        let text = self.0.as_hyphenated().encode_lower(&mut text);
        if let Ok(value) = HeaderValue::from_bytes(text.as_bytes()) {
            response.headers_mut().insert(X_REQUEST_ID, value);
        }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Random octets in stock: one system call for 64 ids.
struct Random {
    octets: [u8; 1024],
    at: usize,
}

impl Random {
    fn take(&mut self) -> [u8; 16] {
        if self.at + 16 > self.octets.len() {
            // Without randomness from the system there is no id worth having; an id of zeros is seen at once.
            if getrandom::fill(&mut self.octets).is_err() {
                return [0; 16];
            }
            self.at = 0;
        }
        let taken = self
            .octets
            .get(self.at..)
            .and_then(|rest| rest.first_chunk::<16>())
            .copied()
            .unwrap_or_default();
        self.at += 16;
        taken
    }
}

thread_local! {
    static RANDOM: RefCell<Random> = const { RefCell::new(Random { octets: [0; 1024], at: 1024 }) };
}

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_are_version_4() {
        let ids: Vec<RequestId> = (0..200).map(|_| RequestId::random()).collect();
        for (place, id) in ids.iter().enumerate() {
            assert_eq!(id.as_uuid().get_version_num(), 4);
            assert!(!ids[..place].contains(id));
        }
    }
}
