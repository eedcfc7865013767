//! Memory of brotli's encoder that is used again for the next response.
//!
//! An encoder takes about two mebibytes in a handful of large blocks. Given back to the system and taken again for each
//! response, they cost as much time as compressing does: every page is faulted in anew. So an encoder that has done its
//! work leaves them here, and here they lie until the next one asks.

use brotli::enc::cluster::HistogramPair;
use brotli::enc::command::Command;
use brotli::enc::entropy_encode::HuffmanTree;
use brotli::enc::histogram::{ContextType, HistogramCommand, HistogramDistance, HistogramLiteral};
use brotli::enc::interface::StaticCommand;
use brotli::enc::util::floatX;
use brotli::enc::{
    Allocator, BrotliAlloc, PDF, SliceWrapper, SliceWrapperMut, ZopfliNode, s16, v8,
};

/// An array of an encoder's.
pub(super) struct Block<T>(Vec<T>);

impl<T> Default for Block<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> SliceWrapper<T> for Block<T> {
    fn slice(&self) -> &[T] {
        &self.0
    }
}

impl<T> SliceWrapperMut<T> for Block<T> {
    fn slice_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

/// Free blocks of one type.
type Shelf<T> = Vec<Vec<T>>;

/// How a block that had other content before is given out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Again {
    /// As a new one: an encoder relies on that, and nothing of one response is ever seen by the next.
    Cleared,
    /// As it is, for what holds no content and is written before it is read.
    AsItIs,
}

/// A block of `len`, out of the smallest one that is large enough.
fn take<T: Clone + Default>(
    shelf: &mut Shelf<T>,
    kept: &mut usize,
    len: usize,
    again: Again,
) -> Block<T> {
    let best = (0..shelf.len())
        .filter(|place| shelf[*place].capacity() >= len)
        .min_by_key(|place| shelf[*place].capacity())
        .filter(|_| len.saturating_mul(size_of::<T>()) >= LEAST);
    let Some(place) = best else {
        return Block(vec![T::default(); len]);
    };
    let mut block = shelf.swap_remove(place);
    *kept = kept.saturating_sub(octets(&block));
    if again == Again::Cleared {
        block.clear();
    }
    block.resize(len, T::default());
    Block(block)
}

/// Keeps a block, if it is a large one and there is room for it.
fn keep<T>(shelf: &mut Shelf<T>, kept: &mut usize, block: Vec<T>) {
    let octets = octets(&block);
    if octets >= LEAST && octets <= MOST.saturating_sub(*kept) {
        *kept += octets;
        shelf.push(block);
    }
}

fn octets<T>(block: &Vec<T>) -> usize {
    block.capacity() * size_of::<T>()
}

macro_rules! blocks {
    ($($shelf:ident: $kind:ty, $again:ident;)*) => {
        /// Where the blocks of one encoder come from, and where they go: [`MOST`] octets of them stay.
        #[derive(Default)]
        pub(super) struct Blocks {
            kept: usize,
            $($shelf: Shelf<$kind>,)*
        }

        $(impl Allocator<$kind> for Blocks {
            type AllocatedMemory = Block<$kind>;

            fn alloc_cell(&mut self, len: usize) -> Block<$kind> {
                take(&mut self.$shelf, &mut self.kept, len, Again::$again)
            }

            fn free_cell(&mut self, block: Block<$kind>) {
                keep(&mut self.$shelf, &mut self.kept, block.0);
            }
        })*

        impl BrotliAlloc for Blocks {}
    };
}

blocks! {
    u8s: u8, Cleared;
    u16s: u16, Cleared;
    i32s: i32, Cleared;
    u32s: u32, Cleared;
    u64s: u64, Cleared;
    commands: Command, AsItIs;
    floats: floatX, Cleared;
    v8s: v8, Cleared;
    s16s: s16, Cleared;
    pdfs: PDF, Cleared;
    static_commands: StaticCommand, Cleared;
    literal_histograms: HistogramLiteral, Cleared;
    command_histograms: HistogramCommand, Cleared;
    distance_histograms: HistogramDistance, Cleared;
    histogram_pairs: HistogramPair, Cleared;
    contexts: ContextType, Cleared;
    trees: HuffmanTree, Cleared;
    nodes: ZopfliNode, Cleared;
}

impl Blocks {
    /// The octets of all free blocks.
    #[cfg(test)]
    pub(super) const fn kept(&self) -> usize {
        self.kept
    }

    /// Where all free blocks lie.
    #[cfg(test)]
    pub(super) fn places(&self) -> Vec<usize> {
        let mut places: Vec<usize> = (self.u8s.iter().map(|block| block.as_ptr().addr()))
            .chain(self.u32s.iter().map(|block| block.as_ptr().addr()))
            .chain(self.commands.iter().map(|block| block.as_ptr().addr()))
            .collect();
        places.sort_unstable();
        places
    }
}

/// What is smaller is left to the allocator of the process, which has it at hand.
const LEAST: usize = 16 * 1024;

/// The most octets of free blocks: all that an encoder of the qualities up to 4 takes.
pub(super) const MOST: usize = 3 * 1024 * 1024;
