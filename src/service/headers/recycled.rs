//! The memory of field lines, which goes round: a connection reads one request after the other.

use super::{Headers, Repr, Wire};
use crate::wire::fields::Field;
use http::HeaderMap;

impl Headers {
    /// The field lines of a block that a parser accepted. Both are swapped with what was here, so that
    /// their memory goes round.
    #[inline]
    pub(crate) fn set_wire(&mut self, new_block: &mut Vec<u8>, new_fields: &mut Vec<Field>) {
        if let Repr::Wire(wire) = &mut self.repr {
            std::mem::swap(&mut wire.block, new_block);
            std::mem::swap(&mut wire.fields, new_fields);
        } else {
            let (block, fields) = (std::mem::take(new_block), std::mem::take(new_fields));
            self.repr = Repr::Wire(Box::new(Wire {
                block,
                fields,
                added: Vec::new(),
            }));
        }
    }

    /// The field lines of a map, which goes where an earlier one was, so that its place goes round.
    #[inline]
    pub(crate) fn set_map(&mut self, new: HeaderMap) {
        if let Repr::Map(map) = &mut self.repr {
            **map = new;
        } else {
            self.repr = Repr::Map(Box::new(new));
        }
    }

    /// The block that the field lines came in, request line and all; empty when they did not come so.
    #[inline]
    pub(crate) fn block(&self) -> &[u8] {
        match &self.repr {
            Repr::Wire(wire) => &wire.block,
            _ => &[],
        }
    }

    /// Forgets the field lines and keeps the memory of a block and a table of usual size, or a map's place.
    #[inline]
    pub(crate) fn release(&mut self) {
        match &mut self.repr {
            Repr::Wire(wire) if wire.block.capacity() <= KEPT_BLOCK => {
                wire.block.clear();
                wire.fields.clear();
                if !wire.added.is_empty() {
                    wire.added.clear();
                }
            }
            Repr::Map(map) => **map = HeaderMap::new(),
            other => *other = Repr::Wire(Box::default()),
        }
    }
}

/// A recycled block larger than this is given up: it came from an unusual head.
const KEPT_BLOCK: usize = 2048;
