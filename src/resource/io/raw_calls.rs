//! Small reads and writes as the system call alone.
//!
//! The C library makes of each call a point where its thread may be cancelled: two atomic operations and 57 instructions, of which
//! nobody in Rust has any use.

use crate::resource::io::FEW;
use bytes::BytesMut;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use std::io;
use std::mem::MaybeUninit;
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

/// A socket that is tried with little.
pub(super) trait Small {
    /// Reads at most [`FEW`] octets of what there is; `None` when there is nothing. What `Tried` says of tokio's readiness holds here.
    fn read_small(&self, buf: &mut BytesMut) -> Option<io::Result<usize>>;

    /// Writes what the socket takes at once, as tokio's `try_write`.
    fn send_small(&self, octets: &[u8]) -> io::Result<usize>;
}

macro_rules! socket {
    ($($stream:ty),*) => {$(
        #[allow(clippy::inline_always, reason = "as in `Io`")]
        impl Small for $stream {
            /// Through the stack: safe code cannot say of the room of a `BytesMut` that it was filled, and to copy what is small costs less than
            /// the C library does.
            #[inline(always)]
            fn read_small(&self, buf: &mut BytesMut) -> Option<io::Result<usize>> {
                let mut room = [MaybeUninit::<u8>::uninit(); FEW];
                let few = FEW.min(buf.capacity() - buf.len());
                let mut read = None;
                let tried = self.try_io(Interest::READABLE, || {
                    let ((octets, _), len) = recv(self, &mut room[..few], RecvFlags::empty())?;
                    buf.extend_from_slice(octets);
                    read = Some(len);
                    if 0 < len && len < few {
                        return Err(io::ErrorKind::WouldBlock.into());
                    }
                    Ok(())
                });
                match (read, tried) {
                    (Some(len), _) => Some(Ok(len)),
                    (None, Err(error)) if error.kind() != io::ErrorKind::WouldBlock => {
                        Some(Err(error))
                    }
                    (None, _) => None,
                }
            }

            #[inline(always)]
            fn send_small(&self, octets: &[u8]) -> io::Result<usize> {
                self.try_io(Interest::WRITABLE, || {
                    Ok(send(self, octets, SendFlags::NOSIGNAL)?)
                })
            }
        }
    )*};
}

socket!(TcpStream, UnixStream);
