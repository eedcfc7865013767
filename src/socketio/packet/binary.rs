//! Octets among the arguments of an event: they travel beside the JSON, which has a placeholder in their place.

use bytes::Bytes;
use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

/// Octets, as an argument of an event or anywhere in one: an `ArrayBuffer`, a `Buffer` or a `Blob` for JavaScript.
///
/// In events it becomes an attachment. Anywhere else it is what serde calls bytes.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use wireline::socketio::packet::{Args, Binary};
///
/// #[derive(Serialize, Deserialize, PartialEq, Debug)]
/// struct Image {
///     name: String,
///     octets: Binary,
/// }
///
/// let image = Image { name: "dot".to_owned(), octets: Binary::from(&b"\x00\x01"[..]) };
/// let args = Args::new(&image).unwrap();
/// assert_eq!(args.json(), r#"{"name":"dot","octets":{"_placeholder":true,"num":0}}"#);
/// assert_eq!(args.attachments().len(), 1);
/// assert_eq!(args.to::<Image>().unwrap(), image);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Binary(pub Bytes);

impl From<Bytes> for Binary {
    fn from(octets: Bytes) -> Self {
        Self(octets)
    }
}

impl From<Vec<u8>> for Binary {
    fn from(octets: Vec<u8>) -> Self {
        Self(octets.into())
    }
}

impl From<&[u8]> for Binary {
    fn from(octets: &[u8]) -> Self {
        Self(Bytes::copy_from_slice(octets))
    }
}

impl std::ops::Deref for Binary {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Serialize for Binary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match keep(&self.0) {
            Some(num) => {
                let mut placeholder = serializer.serialize_struct("Placeholder", 2)?;
                placeholder.serialize_field(PLACEHOLDER, &true)?;
                placeholder.serialize_field(NUM, &num)?;
                placeholder.end()
            }
            None => serializer.serialize_bytes(&self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Binary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Octets)
    }
}

struct Octets;

impl<'de> Visitor<'de> for Octets {
    type Value = Binary;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("octets")
    }

    fn visit_bytes<E: serde::de::Error>(self, octets: &[u8]) -> Result<Binary, E> {
        Ok(octets.into())
    }

    fn visit_byte_buf<E: serde::de::Error>(self, octets: Vec<u8>) -> Result<Binary, E> {
        Ok(octets.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Binary, A::Error> {
        let mut octets = Vec::new();
        while let Some(octet) = seq.next_element()? {
            octets.push(octet);
        }
        Ok(octets.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Binary, A::Error> {
        let (mut is_placeholder, mut place) = (false, None);
        while let Some(key) = map.next_key::<Key>()? {
            match key {
                Key::Placeholder => is_placeholder = map.next_value()?,
                Key::Num => place = Some(map.next_value::<usize>()?),
                Key::Other => {
                    map.next_value::<serde::de::IgnoredAny>()?;
                }
            }
        }
        let kept = place.filter(|_| is_placeholder).and_then(kept);
        kept.map(Binary)
            .ok_or_else(|| A::Error::custom("no attachment"))
    }
}

#[derive(Deserialize)]
#[serde(field_identifier)]
enum Key {
    #[serde(rename = "_placeholder")]
    Placeholder,
    #[serde(rename = "num")]
    Num,
    #[serde(other)]
    Other,
}

pub(super) const PLACEHOLDER: &str = "_placeholder";
pub(super) const NUM: &str = "num";

/// The attachments of what is being written or read.
enum Attachments {
    Writing(Vec<Bytes>),
    Reading(Arc<[Bytes]>),
}

thread_local! {
    static NOW: RefCell<Option<Attachments>> = const { RefCell::new(None) };
}

/// Runs `write`, and gives the octets that it met beside what it made.
pub(super) fn writing<T>(write: impl FnOnce() -> T) -> (T, Vec<Bytes>) {
    let scope = Scope::enter(Attachments::Writing(Vec::new()));
    let made = write();
    let octets = match scope.leave() {
        Some(Attachments::Writing(octets)) => octets,
        _ => Vec::new(),
    };
    (made, octets)
}

/// Runs `read`, which finds these attachments where there are placeholders.
pub(super) fn reading<T>(attachments: &Arc<[Bytes]>, read: impl FnOnce() -> T) -> T {
    let _scope = Scope::enter(Attachments::Reading(attachments.clone()));
    read()
}

/// Keeps octets beside what is being written; gives their place there.
fn keep(octets: &Bytes) -> Option<usize> {
    NOW.with_borrow_mut(|now| match now {
        Some(Attachments::Writing(all)) => {
            all.push(octets.clone());
            Some(all.len() - 1)
        }
        _ => None,
    })
}

fn kept(place: usize) -> Option<Bytes> {
    NOW.with_borrow(|now| match now {
        Some(Attachments::Reading(all)) => all.get(place).cloned(),
        _ => None,
    })
}

/// Puts back what was there before, also after a panic.
struct Scope {
    before: Option<Option<Attachments>>,
}

impl Scope {
    fn enter(attachments: Attachments) -> Self {
        Self {
            before: Some(NOW.replace(Some(attachments))),
        }
    }

    fn leave(mut self) -> Option<Attachments> {
        NOW.replace(self.before.take().flatten())
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        if let Some(before) = self.before.take() {
            NOW.set(before);
        }
    }
}
