//! Field lines that many responses share, written once: an encoder copies them in one go.

use crate::wire::fields::{self, FieldLine};
use http::{HeaderName, HeaderValue};

/// Field lines for many responses, and the octets that they are on HTTP/1.1.
///
/// ```
/// use wireline::wire::shared::SharedLines;
/// use http::{HeaderValue, header};
///
/// let nosniff = HeaderValue::from_static("nosniff");
/// let lines = SharedLines::new(vec![(header::X_CONTENT_TYPE_OPTIONS, nosniff)]);
/// assert_eq!(lines.unwrap().octets(), b"x-content-type-options: nosniff\r\n");
/// ```
#[derive(Clone, Debug)]
pub struct SharedLines {
    list: Vec<(HeaderName, HeaderValue)>,
    octets: Vec<u8>,
    /// A bit for each length that a name has.
    lengths: u64,
}

impl SharedLines {
    /// These lines. `None` when one is among them about which whoever writes a head has to think: framing, the
    /// connection, `Content-Type`, `Date` and `Server`.
    ///
    /// ```
    /// use wireline::wire::shared::SharedLines;
    /// use http::{HeaderValue, header};
    ///
    /// let close = HeaderValue::from_static("close");
    /// assert!(SharedLines::new(vec![(header::CONNECTION, close)]).is_none());
    /// ```
    pub fn new(list: Vec<(HeaderName, HeaderValue)>) -> Option<Self> {
        let mut octets = Vec::new();
        let mut lengths = 0;
        for (name, value) in &list {
            let line = FieldLine::new(name, value);
            if fields::is_of_head(line.name()) {
                return None;
            }
            line.write(&mut octets);
            lengths |= length_bit(line.name().len());
        }
        Some(Self {
            list,
            octets,
            lengths,
        })
    }

    /// The lines as they are written, each with its CRLF.
    #[inline]
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// The lines one by one.
    #[inline]
    pub fn list(&self) -> &[(HeaderName, HeaderValue)] {
        &self.list
    }

    /// Whether a line of that name is among them.
    #[inline]
    pub(crate) fn has(&self, name: &HeaderName) -> bool {
        self.may_have(name.as_str().len()) && self.list.iter().any(|(known, _)| known == name)
    }

    /// Whether a name of that length is among them: most lookups are decided by it.
    #[inline]
    pub(crate) const fn may_have(&self, name_len: usize) -> bool {
        self.lengths & length_bit(name_len) != 0
    }
}

const fn length_bit(len: usize) -> u64 {
    1 << if len < 63 { len } else { 63 }
}
