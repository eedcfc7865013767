//! Changing field lines.

use super::{AsName, Headers, InvalidField, Repr, field, find_shared};
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue};

impl Headers {
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

    /// Removes everything.
    pub fn clear(&mut self) {
        self.repr = Repr::default();
    }

    /// Makes a list, to which lines can be added, of what is none.
    #[inline]
    pub(super) fn widen(&mut self) {
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
}
