//! The field lines as an encoder takes them.

use super::{Headers, Repr};
use crate::wire::fields::{Field, FieldLine};
use crate::wire::paved::PavedLines;
use crate::wire::shared::SharedLines;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue};

/// See [`Headers::own_lines`].
pub(crate) enum Lines<'a> {
    Wire(
        &'a [u8],
        std::slice::Iter<'a, Field>,
        std::slice::Iter<'a, (HeaderName, HeaderValue)>,
    ),
    Map(http::header::Iter<'a, HeaderValue>),
    Paved(
        Option<&'a HeaderValue>,
        &'a [u8],
        std::slice::Iter<'a, Field>,
    ),
    List(
        Option<&'a HeaderValue>,
        std::slice::Iter<'a, (HeaderName, HeaderValue)>,
    ),
}

impl<'a> Iterator for Lines<'a> {
    type Item = FieldLine<'a>;

    #[inline]
    fn next(&mut self) -> Option<FieldLine<'a>> {
        match self {
            Lines::List(first, rest) => match first.take() {
                Some(value) => Some(FieldLine::new(&CONTENT_TYPE, value)),
                None => rest.next().map(|(name, value)| FieldLine::new(name, value)),
            },
            Lines::Wire(block, fields, added) => match fields.next() {
                Some(field) => Some(FieldLine::of_block(*field, block)),
                None => added
                    .next()
                    .map(|(name, value)| FieldLine::new(name, value)),
            },
            Lines::Paved(first, block, fields) => match first.take() {
                Some(value) => Some(FieldLine::new(&CONTENT_TYPE, value)),
                None => fields
                    .next()
                    .map(|field| FieldLine::of_block(*field, block)),
            },
            Lines::Map(map) => map.next().map(|(name, value)| FieldLine::new(name, value)),
        }
    }
}

impl Headers {
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
}
