//! The field lines as an encoder takes them.

use crate::wire::fields::{Field, FieldLine};
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue};

/// See [`Headers::lines`].
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
