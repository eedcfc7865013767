//! The field lines that every request of a client has.

use http::{HeaderName, HeaderValue};
use std::fmt;

/// What the caller has added, and whether all of it can be sent.
#[derive(Clone, Default)]
pub(crate) struct Fields {
    lines: Vec<(HeaderName, HeaderValue)>,
    /// The first that cannot be sent.
    unfit: Option<String>,
}

impl Fields {
    /// Adds a line, unless the client decides about fields of that name by itself.
    pub(crate) fn add<N, V>(&mut self, name: N, value: V, is_ours: fn(&HeaderName) -> bool)
    where
        N: TryInto<HeaderName>,
        V: TryInto<HeaderValue>,
    {
        match (name.try_into(), value.try_into()) {
            (Ok(name), Ok(value)) if !is_ours(&name) => self.lines.push((name, value)),
            (Ok(name), _) => self.refuse(name.as_str()),
            (Err(_), _) => self.refuse("a field name that is no token"),
        }
    }

    /// Something cannot be sent; the first one counts.
    pub(crate) fn refuse(&mut self, what: &str) {
        self.unfit.get_or_insert_with(|| what.to_owned());
    }

    /// What cannot be sent, if anything is.
    pub(crate) fn unfit(&self) -> Option<&str> {
        self.unfit.as_deref()
    }

    /// The lines, in the order in which they were added.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.lines.iter().map(|(name, value)| (name, value))
    }
}

impl fmt::Debug for Fields {
    /// Names alone: values may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.lines.iter().map(|(name, _)| name.as_str());
        f.debug_list().entries(names).finish()
    }
}
