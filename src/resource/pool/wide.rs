//! Wide read buffers, for peers that send much at once.

use super::Buffers;
use bytes::BytesMut;
use std::cell::RefCell;

/// The size of a wide read buffer: what a peer sends at once, or one message of 64 KiB with its head.
pub(crate) const WIDE: usize = 68 * 1024;

/// How many wide buffers a thread keeps: those of peers in the middle of large messages, 1 MiB or little more.
const KEPT: usize = 16;

thread_local! {
    static BUFFERS: Buffers = const { RefCell::new(Vec::new()) };
}

/// Takes an empty buffer with room for [`WIDE`] octets, for whoever holds it during a read only.
pub(crate) fn take() -> BytesMut {
    BUFFERS
        .with_borrow_mut(Vec::pop)
        .unwrap_or_else(|| BytesMut::with_capacity(WIDE))
}

/// Gives a wide buffer back, as [`give`](super::give) does.
pub(crate) fn give(buf: BytesMut) {
    super::keep(&BUFFERS, buf, WIDE, KEPT);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wide_buffer_comes_back_whole() {
        let mut buf = take();
        assert_eq!(buf.capacity(), WIDE);
        let pointer = buf.as_ptr();
        buf.resize(WIDE - 10, 1);
        drop(buf.split_to(WIDE - 20).freeze());
        give(buf);
        let mut buf = take();
        assert_eq!((buf.as_ptr(), buf.len()), (pointer, 0));
        assert!(buf.capacity() >= WIDE);
        buf.resize(4, 1);
        let slice = buf.split_to(4).freeze();
        give(buf);
        assert_ne!(take().as_ptr(), pointer);
        drop(slice);
    }
}
