//! Small reads and writes by the standard library.

use crate::resource::io::socket::Tried;
use bytes::BytesMut;
use std::io;
use tokio::net::{TcpStream, UnixStream};

/// A socket that is tried with little.
pub(super) trait Small {
    /// Reads what there is; `None` when there is nothing.
    fn read_small(&self, buf: &mut BytesMut) -> Option<io::Result<usize>>;

    /// Writes what the socket takes at once, as tokio's `try_write`.
    fn send_small(&self, octets: &[u8]) -> io::Result<usize>;
}

macro_rules! socket {
    ($($stream:ty),*) => {$(
        #[allow(clippy::inline_always, reason = "as in `Io`")]
        impl Small for $stream {
            #[inline(always)]
            fn read_small(&self, buf: &mut BytesMut) -> Option<io::Result<usize>> {
                self.read_at_once(buf)
            }

            #[inline(always)]
            fn send_small(&self, octets: &[u8]) -> io::Result<usize> {
                self.try_write(octets)
            }
        }
    )*};
}

socket!(TcpStream, UnixStream);
