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
        Self {
            start,
            at: start,
            line: start,
            colon: 0,
        }
    }

    /// Reads on. `Ok(Some(end))` is the index after the empty line, `Ok(None)` asks for more octets.
    ///
    /// Names are lower-cased in place. A limit is refused as soon as it is passed, so that the answer
    /// does not depend on how the section was cut into reads.
    #[inline]
    pub(crate) fn parse(
        &mut self,
        buf: &mut [u8],
        fields: &mut Vec<Field>,
        limits: SectionLimits,
    ) -> Result<Option<usize>, Error> {
        // The last line ends before this index, or the section is too large. Offsets have 16 bits.
        let most = (self.start + limits.octets).min(usize::from(u16::MAX));
        let (mut line, mut colon, mut at) = (self.line, self.colon, self.at);
        loop {
            if colon == 0 {
                match buf.get(at) {
                    Some(b'\r') if at == line => {}
                    _ => at = grammar::lower_token(buf, at),
                }
                match buf.get(at) {
                    Some(b':') if at > line => {}
                    Some(_) if at == line => {
                        (self.line, self.colon, self.at) = (line, 0, at);
                        return Self::end(buf, at);
                    }
                    Some(_) => return Err(within(at, most, Error::FieldName)),
                    None if at > most => return Err(Error::SectionTooLarge),
                    None => {
                        (self.line, self.colon, self.at) = (line, 0, at);
                        return Ok(None);
                    }
                }
                if fields.len() == limits.fields {
                    return Err(Error::SectionTooLarge);
                }
                colon = at;
                at += 1;
                // Nearly every value has one space before it.
                at += usize::from(buf.get(at) == Some(&b' '));
            }
            let end = grammar::skip_field_value(buf, at);
            match buf.get(end..) {
                Some([b'\r', b'\n', ..]) => {}
                None | Some([] | [b'\r']) if end <= most => {
                    (self.line, self.colon, self.at) = (line, colon, end);
                    return Ok(None);
                }
                None | Some([] | [b'\r']) => return Err(Error::SectionTooLarge),
                Some([b'\r' | b'\n', ..]) => return Err(within(end, most, Error::LineEnd)),
                Some(_) => return Err(within(end, most, Error::FieldValue)),
            }
            at = end + 2;
            if at > most {
                return Err(Error::SectionTooLarge);
            }
            let from = colon + 1 + usize::from(buf.get(colon + 1) == Some(&b' '));
            let (from, to) = if from < end && buf[from] > b' ' && buf[end - 1] > b' ' {
                (from, end)
            } else {
                grammar::trim(buf, from, end)
            };
            fields.push(Field::new(
                Span::within(line, colon),
                Span::within(from, to),
            ));
            (line, colon) = (at, 0);
        }
    }

    /// The empty line, or what stands in its place.
    #[inline]
    fn end(buf: &[u8], at: usize) -> Result<Option<usize>, Error> {
        match buf.get(at..) {
            Some([b'\r', b'\n', ..]) => Ok(Some(at + 2)),
            Some([b'\r']) => Ok(None),
            Some([b'\r' | b'\n', ..]) => Err(Error::LineEnd),
            _ => Err(Error::FieldName),
        }
    }
}

/// A fault behind the limit is the limit's: it must not matter whether the octets came in one read.
#[cold]
const fn within(at: usize, most: usize, error: Error) -> Error {
    if at > most {
        Error::SectionTooLarge
    } else {
        error
    }
}

#[cfg(test)]
impl SectionParser {
    pub(crate) fn place(&self) -> usize {
        self.at
    }
}
