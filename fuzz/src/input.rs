//! Takes values off an input, octet by octet: what is absent is 0, so that every input means something.

/// What is left of an input.
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl<'a> Input<'a> {
    /// The next octet.
    pub(crate) fn octet(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or_default()
    }

    /// The next octet as a number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::from(self.octet()) % bound
    }

    /// The next octet's lowest bit.
    pub(crate) fn flag(&mut self) -> bool {
        self.octet() & 1 == 1
    }

    /// Up to `len` octets.
    pub(crate) fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, left) = self.0.split_at(len.min(self.0.len()));
        self.0 = left;
        taken
    }

    /// As many octets as the next octet says, modulo `bound`.
    pub(crate) fn string(&mut self, bound: usize) -> &'a [u8] {
        let len = self.below(bound);
        self.take(len)
    }
}

/// Cuts `octets` into pieces whose lengths are those of `lengths`, over and over; 0 means 256.
pub(crate) fn pieces<'a>(octets: &'a [u8], lengths: &[u8]) -> Vec<&'a [u8]> {
    let mut input = Input(octets);
    let mut pieces = Vec::new();
    for length in lengths.iter().cycle() {
        if input.0.is_empty() {
            break;
        }
        pieces.push(input.take(if *length == 0 {
            256
        } else {
            usize::from(*length)
        }));
    }
    pieces
}
