//! What an application adds to its responses.

use super::{Headers, Repr};
use crate::wire::paved::PavedLines;

impl Headers {
    /// Adds the lines of the paved path to a content type by itself. `false`, and nothing is changed, when
    /// there is anything else.
    #[inline]
    pub(crate) fn pave(&mut self, id: [u8; 16]) -> bool {
        if !matches!(self.repr, Repr::Type(_)) {
            return false;
        }
        if let Repr::Type(content_type) = std::mem::take(&mut self.repr) {
            self.repr = Repr::Paved {
                content_type,
                lines: PavedLines::new(id),
            };
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderValue};

    #[test]
    fn paved_lines_stand_beside_a_content_type_and_nothing_else() {
        let mut headers = Headers::of_type(HeaderValue::from_static("text/plain"));
        assert!(headers.pave([7; 16]));
        assert!(!headers.pave([7; 16]));
        let listed = |headers: &Headers| {
            let mut lines: Vec<String> = headers
                .iter()
                .map(|(name, value)| format!("{name}: {value:?}"))
                .collect();
            lines.sort();
            lines
        };
        let before = listed(&headers);
        assert_eq!(before.len(), headers.len());
        assert!(before.len() > 1);
        assert_eq!(listed(&Headers::from(HeaderMap::from(headers))), before);
        assert!(!Headers::new().pave([7; 16]));
    }
}
