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
