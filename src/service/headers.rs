//! The header section as handlers see it.

mod fill;
mod lines;
mod name;
#[cfg(feature = "app")]
mod pave;
mod value;

pub(crate) use self::lines::Lines;
pub(crate) use self::name::field;
pub use self::name::{AsName, InvalidField};
pub use self::value::FieldValue;

use crate::wire::fields::Field;
use crate::wire::paved::PavedLines;
use crate::wire::shared::SharedLines;
use http::header::CONTENT_TYPE;
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

    /// Makes a list, to which lines can be added, of what is none.
    #[inline]
    fn widen(&mut self) {
        if matches!(self.repr, Repr::Type(_) | Repr::Paved { .. }) {
            self.widen_slowly();
        }
    }

    fn widen_slowly(&mut self) {
        let (content_type, rest) = match std::mem::take(&mut self.repr) {
            Repr::Type(content_type) => (content_type, Vec::new()),
            Repr::Paved {
                content_type,
                lines,
            } => {
                let rest = lines.lines().filter_map(|line| {
                    let name = HeaderName::from_bytes(line.name()).ok()?;
                    Some((name, HeaderValue::from_bytes(line.value()).ok()?))
                });
                (content_type, rest.collect())
            }
            other => {
                self.repr = other;
                return;
            }
        };
        self.repr = Repr::List {
            content_type: Some(content_type),
            shared: None,
            rest,
        };
    }

    /// Makes the lines shared with other responses ones of its own if one of them has this name: it is about to change.
    #[inline]
    fn own(&mut self, name: &impl AsName) {
        if let Repr::List { shared, rest, .. } = &mut self.repr
            && let Some(lines) = shared
            && find_shared(lines, name).is_some()
        {
            rest.splice(..0, lines.list().iter().cloned());
            *shared = None;
        }
    }

    /// The field lines of a block that a parser accepted. Both are swapped with what was here, so that
    /// their memory goes round.
    #[inline]
    pub(crate) fn set_wire(&mut self, new_block: &mut Vec<u8>, new_fields: &mut Vec<Field>) {
        if let Repr::Wire(wire) = &mut self.repr {
            std::mem::swap(&mut wire.block, new_block);
            std::mem::swap(&mut wire.fields, new_fields);
        } else {
            let (block, fields) = (std::mem::take(new_block), std::mem::take(new_fields));
            self.repr = Repr::Wire(Box::new(Wire {
                block,
                fields,
                added: Vec::new(),
            }));
        }
    }

    /// The field lines of a map, which goes where an earlier one was, so that its place goes round.
    #[inline]
    pub(crate) fn set_map(&mut self, new: HeaderMap) {
        if let Repr::Map(map) = &mut self.repr {
            **map = new;
        } else {
            self.repr = Repr::Map(Box::new(new));
        }
    }

    /// The block that the field lines came in, request line and all; empty when they did not come so.
    #[inline]
    pub(crate) fn block(&self) -> &[u8] {
        match &self.repr {
            Repr::Wire(wire) => &wire.block,
            _ => &[],
        }
    }

    /// Forgets the field lines and keeps the memory of a block and a table of usual size, or a map's place.
    #[inline]
    pub(crate) fn release(&mut self) {
        match &mut self.repr {
            Repr::Wire(wire) if wire.block.capacity() <= KEPT_BLOCK => {
                wire.block.clear();
                wire.fields.clear();
                if !wire.added.is_empty() {
                    wire.added.clear();
                }
            }
            Repr::Map(map) => **map = HeaderMap::new(),
            other => *other = Repr::Wire(Box::default()),
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

    /// Sets a field to one value, in place of all it had; gives the first of those.
    pub fn insert(&mut self, name: HeaderName, value: HeaderValue) -> Option<HeaderValue> {
        if name == CONTENT_TYPE {
            match &mut self.repr {
                Repr::Type(content_type) | Repr::Paved { content_type, .. } => {
                    return Some(std::mem::replace(content_type, value));
                }
                Repr::List {
                    content_type: None,
                    shared: None,
                    rest,
                } if rest.is_empty() => {
                    self.repr = Repr::Type(value);
                    return None;
                }
                _ => {}
            }
        }
        self.widen();
        self.own(&name);
        if let Repr::Map(map) = &mut self.repr {
            return map.insert(name, value);
        }
        if let Repr::List {
            content_type, rest, ..
        } = &mut self.repr
        {
            if name == CONTENT_TYPE {
                rest.retain(|(key, _)| *key != name);
                return content_type.replace(value);
            }
            if rest.iter().all(|(key, _)| *key != name) {
                rest.push((name, value));
                return None;
            }
        }
        let before = if self.contains(&name) {
            self.remove(&name)
        } else {
            None
        };
        self.append(name, value);
        before
    }

    /// Adds a field line, whatever lines of that name there are.
    pub fn append(&mut self, name: HeaderName, value: HeaderValue) {
        self.widen();
        match &mut self.repr {
            // Not after it was widened.
            Repr::Type(_) | Repr::Paved { .. } => {}
            Repr::Wire(wire) => wire.added.push((name, value)),
            Repr::Map(map) => drop(map.append(name, value)),
            Repr::List {
                content_type: content_type @ None,
                ..
            } if name == CONTENT_TYPE => *content_type = Some(value),
            Repr::List { rest, .. } => rest.push((name, value)),
        }
    }

    /// Sets a field from whatever turns into a name and a value.
    ///
    /// # Errors
    ///
    /// [`InvalidField`] when the name is no token or the value has control octets: nothing is changed.
    ///
    /// ```
    /// let mut headers = wireline::service::headers::Headers::new();
    /// assert!(headers.try_insert("x-colour", "blue").is_ok());
    /// assert!(headers.try_insert("x-colour", "blue\r\nset-cookie: stolen").is_err());
    /// ```
    pub fn try_insert<N, V>(
        &mut self,
        name: N,
        value: V,
    ) -> Result<Option<HeaderValue>, InvalidField>
    where
        N: TryInto<HeaderName>,
        V: TryInto<HeaderValue>,
    {
        let (name, value) = field(name, value)?;
        Ok(self.insert(name, value))
    }

    /// Removes all lines of a field; gives the first value.
    pub fn remove(&mut self, name: impl AsName) -> Option<HeaderValue> {
        let first = self.get(&name).map(|value| value.to_value());
        self.widen();
        self.own(&name);
        match &mut self.repr {
            Repr::Type(_) | Repr::Paved { .. } => {}
            Repr::Wire(wire) => {
                wire.fields
                    .retain(|field| !name.is(field.name(&wire.block)));
                wire.added
                    .retain(|(key, _)| !name.is(key.as_str().as_bytes()));
            }
            Repr::Map(map) => {
                let key = map
                    .keys()
                    .find(|key| name.is(key.as_str().as_bytes()))
                    .cloned();
                key.and_then(|key| map.remove(key));
            }
            Repr::List {
                content_type, rest, ..
            } => {
                if name.is(b"content-type") {
                    *content_type = None;
                }
                rest.retain(|(key, _)| !name.is(key.as_str().as_bytes()));
            }
        }
        first
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

    /// The lines that it shares with other responses, for an encoder.
    #[inline]
    pub(crate) fn shared(&self) -> Option<&SharedLines> {
        match &self.repr {
            Repr::List { shared, .. } => shared.as_deref(),
            _ => None,
        }
    }

    /// All other field lines, for an encoder.
    #[inline]
    pub(crate) fn own_lines(&self) -> Lines<'_> {
        match &self.repr {
            Repr::Wire(wire) => Lines::Wire(&wire.block, wire.fields.iter(), wire.added.iter()),
            Repr::Map(map) => Lines::Map(map.iter()),
            Repr::Type(value) => Lines::List(Some(value), [].iter()),
            Repr::Paved {
                content_type,
                lines,
            } => Lines::Paved(
                Some(content_type),
                lines.octets(),
                PavedLines::fields().iter(),
            ),
            Repr::List {
                content_type, rest, ..
            } => Lines::List(content_type.as_ref(), rest.iter()),
        }
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

    /// The content type, when there is nothing else but perhaps the lines of the paved path.
    #[inline]
    pub(crate) const fn plain_type(&self) -> Option<(&HeaderValue, Option<&PavedLines>)> {
        match &self.repr {
            Repr::Type(content_type) => Some((content_type, None)),
            Repr::Paved {
                content_type,
                lines,
            } => Some((content_type, Some(lines))),
            _ => None,
        }
    }

    /// Removes everything.
    pub fn clear(&mut self) {
        self.repr = Repr::default();
    }
}

impl FromIterator<(HeaderName, HeaderValue)> for Headers {
    fn from_iter<I: IntoIterator<Item = (HeaderName, HeaderValue)>>(lines: I) -> Self {
        let mut headers = Self::new();
        headers.extend(lines);
        headers
    }
}

impl Extend<(HeaderName, HeaderValue)> for Headers {
    fn extend<I: IntoIterator<Item = (HeaderName, HeaderValue)>>(&mut self, lines: I) {
        for (name, value) in lines {
            self.append(name, value);
        }
    }
}

impl From<HeaderMap> for Headers {
    fn from(map: HeaderMap) -> Self {
        Self {
            repr: Repr::Map(Box::new(map)),
        }
    }
}

impl From<Headers> for HeaderMap {
    fn from(mut headers: Headers) -> Self {
        headers.widen();
        let mut map = Self::with_capacity(headers.len());
        let list = match headers.repr {
            Repr::Map(map) => return *map,
            // Not after it was widened.
            Repr::Type(_) | Repr::Paved { .. } => Vec::new(),
            Repr::Wire(wire) => {
                for field in &wire.fields {
                    // A name that a parser accepted is one.
                    if let Ok(name) = HeaderName::from_bytes(field.name(&wire.block)) {
                        map.append(name, FieldValue::of_block(*field, &wire.block).to_value());
                    }
                }
                wire.added
            }
            Repr::List {
                content_type,
                shared,
                rest,
            } => {
                if let Some(content_type) = content_type {
                    map.append(CONTENT_TYPE, content_type);
                }
                for (name, value) in shared.iter().flat_map(|lines| lines.list()) {
                    map.append(name, value.clone());
                }
                rest
            }
        };
        for (name, value) in list {
            map.append(name, value);
        }
        map
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

/// A recycled block larger than this is given up: it came from an unusual head.
const KEPT_BLOCK: usize = 2048;

const CONTENT_TYPE_NAME: &[u8] = b"content-type";

#[cfg(test)]
mod tests;
