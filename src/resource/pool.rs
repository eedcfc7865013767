//! Read buffers, kept for each thread.

pub(crate) mod large;
#[cfg(feature = "websocket")]
pub(crate) mod wide;

use bytes::BytesMut;
use std::cell::RefCell;
use std::thread::LocalKey;

/// The size of a read buffer: one read rarely brings more, and a whole head at the default limits
/// nearly fits.
pub const READ_BUFFER: usize = 16 * 1024;

/// How many buffers a thread keeps: enough for a burst, 512 KiB at most.
const KEPT: usize = 32;

type Buffers = RefCell<Vec<BytesMut>>;

thread_local! {
    static BUFFERS: Buffers = const { RefCell::new(Vec::new()) };
}

/// Takes an empty buffer with room for [`READ_BUFFER`] octets.
///
/// ```
/// use wireline::resource::pool::{self, READ_BUFFER};
///
/// let mut buf = pool::take();
/// assert!(buf.is_empty() && buf.capacity() >= READ_BUFFER);
/// buf.extend_from_slice(b"what a read brings");
/// pool::give(buf);
/// ```
pub fn take() -> BytesMut {
    BUFFERS
        .with_borrow_mut(Vec::pop)
        .unwrap_or_else(|| BytesMut::with_capacity(READ_BUFFER))
}

/// Gives a buffer back. It is kept only when nobody holds a slice of it (one kept 16-byte slice pins
/// the whole block) and it did not grow.
///
/// ```
/// use wireline::resource::pool;
///
/// let buf = pool::take();
/// let place = buf.as_ptr();
/// pool::give(buf);
/// // The next one on this thread is the same.
/// assert_eq!(pool::take().as_ptr(), place);
/// ```
pub fn give(buf: BytesMut) {
    drop(keep(&BUFFERS, buf, READ_BUFFER, KEPT));
}

/// Keeps a buffer of `size` octets for the thread, unless it has `most` of them; gives back what is of another size, or shared.
#[inline(always)]
#[allow(clippy::inline_always, reason = "measured: 20 instructions a message")]
fn keep(
    buffers: &'static LocalKey<Buffers>,
    mut buf: BytesMut,
    size: usize,
    most: usize,
) -> Option<BytesMut> {
    buf.clear();
    if buf.capacity() <= size && buf.try_reclaim(size) && buf.capacity() <= 2 * size {
        buffers.with_borrow_mut(|kept| {
            if kept.len() < most {
                kept.push(buf);
            }
        });
        return None;
    }
    Some(buf)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_unless_a_slice_of_it_lives() {
        let mut buf = take();
        buf.extend_from_slice(b"kept");
        let pointer = buf.as_ptr();
        let slice = buf.split_to(4).freeze();
        give(buf);
        let other = take();
        assert_ne!(
            other.as_ptr(),
            pointer,
            "a pinned block was handed out again"
        );
        drop(slice);
        // A part of a block is the block again.
        let (pointer, mut part) = (other.as_ptr(), other);
        drop(part.split_off(3));
        assert_eq!(part.capacity(), 3);
        part.extend_from_slice(b"all");
        give(part);
        let other = take();
        assert_eq!((other.as_ptr(), other.len()), (pointer, 0));
        assert!(other.capacity() >= READ_BUFFER);
        let pointer = other.as_ptr();
        give(other);
        assert_eq!(take().as_ptr(), pointer);
    }
}
