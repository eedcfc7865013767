//! The header section as handlers see it.

mod conversion;
mod edit;
mod fill;
mod lines;
mod name;
#[cfg(feature = "app")]
mod pave;
mod recycled;
mod value;

pub(crate) use self::name::field;
pub use self::name::{AsName, InvalidField};
pub use self::value::FieldValue;

use crate::wire::fields::Field;
use crate::wire::paved::PavedLines;
use crate::wire::shared::SharedLines;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::fmt;
use std::sync::Arc;

/// Field lines, with the methods that users of [`http::HeaderMap`] know.
///
/// Several representations stand behind them, because turning one into another costs more than a whole
/// small request: a request of HTTP/1.1 stays the block of bytes that came, with a table of offsets;
/// a response is a content type and perhaps a short list; what came as a `HeaderMap` (HTTP/2, tower)
/// stays one.
///
/// Names are compared without regard to case and given in lower case. [`get`](Self::get) gives a
/// [`FieldValue`], a view that derefs to neither string nor `HeaderValue`: it reads as bytes, compares
/// with `&str`, and becomes a `HeaderValue` where one is needed.
///
/// ```
/// use wireline::service::headers::Headers;
/// use http::{HeaderValue, header};
///
/// let mut headers = Headers::new();
/// headers.insert(header::ETAG, HeaderValue::from_static("\"v1\""));
/// headers.append(header::VARY, HeaderValue::from_static("accept"));
/// assert!(headers.get("ETag").is_some_and(|value| value == "\"v1\""));
/// assert_eq!(headers.len(), 2);
/// ```
#[derive(Clone, Default)]
pub struct Headers {
    repr: Repr,
}

#[derive(Clone)]
enum Repr {
    Wire(Box<Wire>),
    Map(Box<HeaderMap>),
    /// A content type and nothing else: what most responses have. Moved and dropped in a few instructions.
    Type(HeaderValue),
    /// The same with what an application adds to it.
    #[allow(dead_code, reason = "only `App` makes them, and it is optional")]
    Paved {
        content_type: HeaderValue,
        lines: PavedLines,
    },
    List {
        content_type: Option<HeaderValue>,
        /// What it shares with other responses. No name of these is in `rest` from before they came.
        shared: Option<Arc<SharedLines>>,
        rest: Vec<(HeaderName, HeaderValue)>,
    },
}

/// A block as it came, its field table, and what was added since.
#[derive(Clone, Default)]
struct Wire {
    block: Vec<u8>,
    fields: Vec<Field>,
    added: Vec<(HeaderName, HeaderValue)>,
}

impl Default for Repr {
    fn default() -> Self {
        Self::List {
            content_type: None,
            shared: None,
            rest: Vec::new(),
        }
    }
}

impl Headers {
    /// No field lines.
    pub fn new() -> Self {
        Self::default()
    }

    /// A content type and nothing else.
    #[inline]
    pub(crate) const fn of_type(content_type: HeaderValue) -> Self {
        Self {
            repr: Repr::Type(content_type),
        }
    }

    /// The first value of a field.
    #[inline]
    pub fn get(&self, name: impl AsName) -> Option<FieldValue<'_>> {
        match &self.repr {
            Repr::Wire(wire) => (wire.fields.iter())
                .find(|field| name.is(field.name(&wire.block)))
                .map(|field| FieldValue::of_block(*field, &wire.block))
                .or_else(|| find(&wire.added, &name)),
            Repr::Map(map) => map
                .iter()
                .find(|(key, _)| name.is(key.as_str().as_bytes()))
                .map(|(_, value)| FieldValue::of(value)),
            Repr::Type(value) => name.is(b"content-type").then(|| FieldValue::of(value)),
            Repr::Paved {
                content_type,
                lines,
            } => {
                if name.is(b"content-type") {
                    return Some(FieldValue::of(content_type));
                }
                let block = lines.octets();
                (PavedLines::fields().iter())
                    .find(|field| name.is(field.name(block)))
                    .map(|field| FieldValue::of_block(*field, block))
            }
            Repr::List {
                content_type,
                shared,
                rest,
            } => match content_type {
                Some(value) if name.is(b"content-type") => Some(FieldValue::of(value)),
                _ => (shared.as_ref())
                    .and_then(|lines| find_shared(lines, &name))
                    .or_else(|| find(rest, &name)),
            },
        }
    }

    /// All values of a field, in order.
    pub fn get_all(&self, name: impl AsName) -> impl Iterator<Item = FieldValue<'_>> {
        self.octet_lines()
            .filter(move |(key, _)| name.is(key))
            .map(|(_, value)| value)
    }

    /// Whether there is such a field.
    pub fn contains(&self, name: impl AsName) -> bool {
        self.get(name).is_some()
    }

    /// All field lines, names in lower case. Lines of one name keep their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, FieldValue<'_>)> {
        self.octet_lines()
            .map(|(name, value)| (std::str::from_utf8(name).unwrap_or_default(), value))
    }

    fn octet_lines(&self) -> impl Iterator<Item = (&[u8], FieldValue<'_>)> {
        type Listed = [(HeaderName, HeaderValue)];
        let (none, mut also): (&Listed, &Listed) = (&[], &[]);
        let (block, fields, map, first, list) = match &self.repr {
            Repr::Wire(wire) => (
                Some(wire.block.as_slice()),
                wire.fields.as_slice(),
                None,
                None,
                wire.added.as_slice(),
            ),
            Repr::Map(map) => (None, [].as_slice(), Some(&**map), None, none),
            Repr::Type(value) => (None, [].as_slice(), None, Some(value), none),
            Repr::Paved {
                content_type,
                lines,
            } => (
                Some(lines.octets()),
                PavedLines::fields(),
                None,
                Some(content_type),
                none,
            ),
            Repr::List {
                content_type,
                shared,
                rest,
            } => {
                also = shared.as_ref().map_or(none, |lines| lines.list());
                (
                    None,
                    [].as_slice(),
                    None,
                    content_type.as_ref(),
                    rest.as_slice(),
                )
            }
        };
        let wire = block.into_iter().flat_map(move |block| {
            fields
                .iter()
                .map(move |field| (field.name(block), FieldValue::of_block(*field, block)))
        });
        let map = map
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.as_str().as_bytes(), FieldValue::of(value)));
        let first = first
            .into_iter()
            .map(|value| (CONTENT_TYPE_NAME, FieldValue::of(value)));
        let list = also
            .iter()
            .chain(list)
            .map(|(name, value)| (name.as_str().as_bytes(), FieldValue::of(value)));
        wire.chain(map).chain(first).chain(list)
    }

    /// The number of field lines.
    pub fn len(&self) -> usize {
        match &self.repr {
            Repr::Wire(wire) => wire.fields.len() + wire.added.len(),
            Repr::Map(map) => map.len(),
            Repr::Type(_) => 1,
            Repr::Paved { .. } => 1 + PavedLines::fields().len(),
            Repr::List {
                content_type,
                shared,
                rest,
            } => {
                let shared = shared.as_ref().map_or(0, |lines| lines.list().len());
                usize::from(content_type.is_some()) + shared + rest.len()
            }
        }
    }

    /// Whether there is no field line.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

fn find<'a>(list: &'a [(HeaderName, HeaderValue)], name: &impl AsName) -> Option<FieldValue<'a>> {
    list.iter()
        .find(|(key, _)| name.is(key.as_str().as_bytes()))
        .map(|(_, value)| FieldValue::of(value))
}

#[inline]
fn find_shared<'a>(lines: &'a SharedLines, name: &impl AsName) -> Option<FieldValue<'a>> {
    if lines.may_have(name.name_len()) {
        find(lines.list(), name)
    } else {
        None
    }
}

const CONTENT_TYPE_NAME: &[u8] = b"content-type";

#[cfg(test)]
mod tests;
