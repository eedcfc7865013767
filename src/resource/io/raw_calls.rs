//! Small reads and writes as the system call alone.
//!
//! The C library makes of each call a point where its thread may be cancelled: two atomic operations and 57 instructions, of which
//! nobody in Rust has any use.

use crate::resource::io::FEW;
use crate::resource::io::socket::{Small, what_came};
use bytes::BytesMut;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use std::io;
use std::mem::MaybeUninit;
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

macro_rules! socket {
    ($($stream:ty),*) => {$(
        #[allow(clippy::inline_always, reason = "as in `Io`")]
        impl Small for $stream {
            /// Through the stack: safe code cannot say of the room of a `BytesMut` that it was filled, and to copy what is small costs less than
            /// the C library does.
            #[inline(always)]
            fn read_small(&self, buf: &mut BytesMut) -> Option<io::Result<usize>> {
                let few = FEW.min(buf.capacity() - buf.len());
                let mut room = [MaybeUninit::uninit(); FEW];
                let read = self.read_few(&mut room[..few])?;
                Some(read.map(|octets| {
                    buf.extend_from_slice(octets);
                    octets.len()
                }))
            }

            #[inline(always)]
            fn read_few<'a>(&self, room: &'a mut [MaybeUninit<u8>]) -> Option<io::Result<&'a mut [u8]>> {
                let few = room.len();
                let mut read = None;
                let tried = self.try_io(Interest::READABLE, || {
                    let ((octets, _), len) = recv(self, room, RecvFlags::empty())?;
                    read = Some(octets);
                    if 0 < len && len < few {
                        return Err(io::ErrorKind::WouldBlock.into());
                    }
                    Ok(())
                });
                what_came(read, tried)
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
