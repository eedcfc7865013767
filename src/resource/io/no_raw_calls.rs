//! Small reads and writes by the standard library.

use crate::resource::io::socket::{Small, Tried};
use bytes::BytesMut;
use std::io;
use std::mem::MaybeUninit;
use tokio::net::{TcpStream, UnixStream};

macro_rules! socket {
    ($($stream:ty),*) => {$(
        #[allow(clippy::inline_always, reason = "as in `Io`")]
        impl Small for $stream {
            #[inline(always)]
            fn read_small(&self, buf: &mut BytesMut) -> Option<io::Result<usize>> {
                self.read_at_once(buf)
            }

            /// Without a buffer that is filled before it is read into there is no such read.
            #[inline(always)]
            fn read_few<'a>(&self, _: &'a mut [MaybeUninit<u8>]) -> Option<io::Result<&'a mut [u8]>> {
                None
            }

            #[inline(always)]
            fn send_small(&self, octets: &[u8]) -> io::Result<usize> {
                self.try_write(octets)
            }
        }
    )*};
}

socket!(TcpStream, UnixStream);
