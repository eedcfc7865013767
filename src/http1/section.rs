//! Field lines, one after the other, until the empty line: header sections and trailer sections.

use crate::http1::error::Error;
use crate::wire::fields::{Field, Span};
use crate::wire::grammar;

/// A resumable parser of one section. It keeps its place inside the line, so that an octet is looked
/// at once however the section arrives.
#[derive(Debug, Default)]
pub(crate) struct SectionParser {
    /// Where the section began in the buffer.
    start: usize,
    /// Where scanning goes on.
    at: usize,
    /// The first octet of the current line.
    line: usize,
    /// The colon of the current line; 0 while the name is being read (a name is never at 0 octets).
    colon: usize,
}

/// The ceilings of one section.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SectionLimits {
    pub(crate) octets: usize,
    pub(crate) fields: usize,
}

impl SectionParser {
    /// A parser for the section that begins at `start`.
    #[inline]
    pub(crate) const fn at(start: usize) -> Self {
        Self { start, at: start, line: start, colon: 0 }
    }

    /// Reads on. `Ok(Some(end))` is the index after the empty line, `Ok(None)` asks for more octets.
    ///
    /// Names are lower-cased in place. A limit is refused as soon as it is passed, so that the answer
    /// does not depend on how the section was cut into reads.
    #[inline]
    pub(crate) fn parse(&mut self, buf: &mut [u8], fields: &mut Vec<Field>, limits: SectionLimits) -> Result<Option<usize>, Error> {
        loop {
            if self.colon == 0 {
                let end = grammar::lower_token(buf, self.at);
                self.at = end;
                if end - self.start > limits.octets {
                    return Err(Error::SectionTooLarge);
                }
                match buf.get(end) {
                    None => return Ok(None),
                    Some(b':') if end > self.line => {}
                    Some(b'\r') if end == self.line => {
                        return match buf.get(end + 1) {
                            None => Ok(None),
                            Some(b'\n') => Ok(Some(end + 2)),
                            Some(_) => Err(Error::LineEnd),
                        };
                    }
                    Some(b'\n') if end == self.line => return Err(Error::LineEnd),
                    Some(_) => return Err(Error::FieldName),
                }
                if fields.len() == limits.fields {
                    return Err(Error::SectionTooLarge);
                }
                self.colon = end;
                self.at = end + 1;
            }
            let end = grammar::skip_field_value(buf, self.at);
            self.at = end;
            if end - self.start > limits.octets {
                return Err(Error::SectionTooLarge);
            }
            match buf.get(end..) {
                Some([b'\r', b'\n', ..]) => {}
                None | Some([] | [b'\r']) => return Ok(None),
                Some([b'\r' | b'\n', ..]) => return Err(Error::LineEnd),
                Some(_) => return Err(Error::FieldValue),
            }
            if end + 2 - self.start > limits.octets {
                return Err(Error::SectionTooLarge);
            }
            let (from, to) = grammar::trim(buf, self.colon + 1, end);
            let (Some(name), Some(value)) = (Span::new(self.line, self.colon), Span::new(from, to)) else {
                return Err(Error::SectionTooLarge);
            };
            fields.push(Field::new(name, value));
            self.at = end + 2;
            self.line = end + 2;
            self.colon = 0;
        }
    }
}

#[cfg(test)]
impl SectionParser {
    pub(crate) fn place(&self) -> usize {
        self.at
    }
}
