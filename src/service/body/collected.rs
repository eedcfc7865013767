//! Content that is gathered from its chunks.

use bytes::Bytes;

/// All content in the making: a single chunk stays what it is.
#[derive(Default)]
pub(super) struct Collected {
    first: Bytes,
    all: Vec<u8>,
}

impl Collected {
    /// Adds a chunk of content whose whole length may be declared.
    pub(super) fn push(&mut self, chunk: Bytes, declared: Option<u64>) {
        if self.held() == 0 {
            self.first = chunk;
            return;
        }
        let first = std::mem::take(&mut self.first);
        let len = self.all.len() + first.len() + chunk.len();
        if len > self.all.capacity() {
            // In steps of what has come, never by the declared length alone, and never beyond it.
            let declared = declared.map_or(usize::MAX, |declared| {
                usize::try_from(declared).unwrap_or(usize::MAX)
            });
            let wanted = (len + len / 2).min(declared).max(len);
            self.all.reserve_exact(wanted - self.all.len());
        }
        self.all.extend_from_slice(&first);
        self.all.extend_from_slice(&chunk);
    }

    /// The octets that are allocated.
    pub(super) fn held(&self) -> usize {
        self.first.len() + self.all.capacity()
    }

    pub(super) fn into_bytes(mut self) -> Bytes {
        if self.all.is_empty() {
            return self.first;
        }
        self.all.shrink_to_fit();
        self.all.into()
    }
}
