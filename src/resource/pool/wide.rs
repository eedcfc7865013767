//! Wide read buffers, for peers that send much at once.

use super::Buffers;
use bytes::{Bytes, BytesMut};
use std::cell::RefCell;

/// The size of a wide read buffer: what a peer sends at once, or one message of 64 KiB with its head.
pub(crate) const WIDE: usize = 68 * 1024;

/// How many wide buffers a thread keeps: those of peers in the middle of large messages, 1 MiB or little more.
const KEPT: usize = 16;

/// What grew beyond this is kept elsewhere.
const _: () = assert!(super::large::SMALLEST == 2 * WIDE + 1);

thread_local! {
    static BUFFERS: Buffers = const { RefCell::new(Vec::new()) };
}

/// Takes an empty buffer with room for [`WIDE`] octets, for whoever holds it during a read only.
#[inline]
pub(crate) fn take() -> BytesMut {
    BUFFERS
        .with_borrow_mut(Vec::pop)
        .unwrap_or_else(|| BytesMut::with_capacity(WIDE))
}

/// Gives a wide buffer back, as [`give`](super::give) does.
pub(crate) fn give(buf: BytesMut) {
    drop(super::keep(&BUFFERS, buf, WIDE, KEPT));
}

/// Gives back what is left of a wide buffer's slices, if this is the last of them; gives what is left of another block, of which this
/// is the last as well.
pub(crate) fn give_last(slice: Bytes) -> Option<BytesMut> {
    let buf = slice.try_into_mut().ok()?;
    super::keep(&BUFFERS, buf, WIDE, KEPT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Buf;

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

    #[test]
    fn the_last_slice_of_a_wide_buffer_brings_it_back() {
        let mut buf = take();
        buf.resize(WIDE, 1);
        let pointer = buf.as_ptr();
        let (mut one, mut other) = (buf.split_to(WIDE - 10).freeze(), buf.freeze());
        for slice in [&mut one, &mut other] {
            slice.advance(slice.len());
        }
        assert!(give_last(one).is_none());
        assert!(give_last(other).is_none());
        let mut buf = take();
        assert_eq!((buf.as_ptr(), buf.len()), (pointer, 0));
        assert!(buf.capacity() >= WIDE);
        // Neither what is still shared, nor what was never a wide buffer.
        buf.resize(WIDE, 1);
        let slice = buf.freeze();
        assert!(give_last(slice.clone()).is_none());
        assert!(give_last(Bytes::from_static(b"static")).is_none());
        for len in [1000, 3 * WIDE] {
            let other = give_last(Bytes::from(vec![0; len]));
            assert_eq!(other.map(|buf| buf.capacity()), Some(len));
        }
        assert_ne!(take().as_ptr(), pointer);
        drop(slice);
    }
}
