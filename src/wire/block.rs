//! Sixteen octets at a time: the comparisons that the scans of [`grammar`](crate::wire::grammar) are made of.
//!
//! Feature `simd` makes them vector instructions, through `wide`: those that every processor of the target
//! has. Without it they are plain loops.

pub(super) use imp::Block;

/// How many octets a block has.
pub(super) const SIZE: usize = 16;

#[cfg(feature = "simd")]
mod imp {
    use super::SIZE;
    use wide::u8x16;

    /// Sixteen octets; a comparison gives 0xff where it holds.
    #[derive(Clone, Copy)]
    pub(in crate::wire) struct Block(u8x16);

    impl Block {
        #[inline(always)]
        pub(in crate::wire) fn new(octets: &[u8; SIZE]) -> Self {
            Self(u8x16::new(*octets))
        }

        #[inline(always)]
        pub(in crate::wire) fn all(octet: u8) -> Self {
            Self(u8x16::splat(octet))
        }

        #[inline(always)]
        pub(in crate::wire) fn is(self, octet: u8) -> Self {
            Self(self.0.simd_eq(u8x16::splat(octet)))
        }

        /// Which octets are one of the `count` that begin with `first`.
        #[inline(always)]
        pub(in crate::wire) fn is_within(self, first: u8, count: u8) -> Self {
            let offset = self.0 - u8x16::splat(first);
            Self(offset.min(u8x16::splat(count - 1)).simd_eq(offset))
        }

        #[inline(always)]
        pub(in crate::wire) fn or(self, other: Self) -> Self {
            Self(self.0 | other.0)
        }

        #[inline(always)]
        pub(in crate::wire) fn and(self, other: Self) -> Self {
            Self(self.0 & other.0)
        }

        #[inline(always)]
        pub(in crate::wire) fn xor(self, other: Self) -> Self {
            Self(self.0 ^ other.0)
        }

        /// The highest bit of each octet, the first octet's lowest.
        #[inline(always)]
        pub(in crate::wire) fn bits(self) -> u32 {
            self.0.to_bitmask()
        }

        #[inline(always)]
        pub(in crate::wire) fn octets(self) -> [u8; SIZE] {
            self.0.to_array()
        }
    }
}

#[cfg(not(feature = "simd"))]
mod imp {
    use super::SIZE;

    /// Sixteen octets; a comparison gives 0xff where it holds.
    #[derive(Clone, Copy)]
    pub(in crate::wire) struct Block([u8; SIZE]);

    impl Block {
        #[inline(always)]
        pub(in crate::wire) fn new(octets: &[u8; SIZE]) -> Self {
            Self(*octets)
        }

        #[inline(always)]
        pub(in crate::wire) fn all(octet: u8) -> Self {
            Self([octet; SIZE])
        }

        #[inline(always)]
        pub(in crate::wire) fn is(self, octet: u8) -> Self {
            Self(self.0.map(|own| if own == octet { 0xff } else { 0 }))
        }

        /// Which octets are one of the `count` that begin with `first`.
        #[inline(always)]
        pub(in crate::wire) fn is_within(self, first: u8, count: u8) -> Self {
            Self(self.0.map(|own| {
                if own.wrapping_sub(first) < count {
                    0xff
                } else {
                    0
                }
            }))
        }

        #[inline(always)]
        pub(in crate::wire) fn or(self, other: Self) -> Self {
            self.zip(other, |own, other| own | other)
        }

        #[inline(always)]
        pub(in crate::wire) fn and(self, other: Self) -> Self {
            self.zip(other, |own, other| own & other)
        }

        #[inline(always)]
        pub(in crate::wire) fn xor(self, other: Self) -> Self {
            self.zip(other, |own, other| own ^ other)
        }

        /// The highest bit of each octet, the first octet's lowest.
        #[inline(always)]
        pub(in crate::wire) fn bits(self) -> u32 {
            (self.0.iter().enumerate()).fold(0, |bits, (place, octet)| {
                bits | u32::from(octet >> 7) << place
            })
        }

        #[inline(always)]
        pub(in crate::wire) fn octets(self) -> [u8; SIZE] {
            self.0
        }

        #[inline(always)]
        fn zip(mut self, other: Self, join: impl Fn(u8, u8) -> u8) -> Self {
            for (own, other) in self.0.iter_mut().zip(other.0) {
                *own = join(*own, other);
            }
            self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_octet_at_every_place() {
        for octet in 0..=255u8 {
            for place in 0..SIZE {
                let mut octets = [b'x'; SIZE];
                octets[place] = octet;
                let block = Block::new(&octets);
                assert_eq!(block.octets(), octets);
                let bits = |test: &dyn Fn(u8) -> bool| {
                    (0..SIZE).fold(0, |bits, place| {
                        bits | u32::from(test(octets[place])) << place
                    })
                };
                for other in [0, b'\t', b':', b'x', 0x7f, 0xff] {
                    assert_eq!(block.is(other).bits(), bits(&|own| own == other));
                }
                for (first, count) in [(0, 0x20), (b'a', 26), (b'0', 10), (0x7f, 129), (1, 255)] {
                    let within = |own: u8| own.wrapping_sub(first) < count;
                    assert_eq!(block.is_within(first, count).bits(), bits(&within));
                }
                let letters = block.is_within(b'a', 26);
                assert_eq!(
                    letters.xor(Block::all(0xff)).bits(),
                    !letters.bits() & 0xffff
                );
                assert_eq!(
                    letters.and(block.is(octet)).or(letters).bits(),
                    letters.bits()
                );
            }
        }
    }
}
