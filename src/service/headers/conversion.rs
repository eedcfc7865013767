//! From other kinds of field lines, and to them.

use super::{FieldValue, Headers, Repr};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};

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
