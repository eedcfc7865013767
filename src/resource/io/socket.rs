//! TCP and Unix sockets of tokio.

use crate::resource::io::{LONGEST_READ, Transport};
use bytes::{BufMut, BytesMut};
use std::future::Future;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use tokio::io::{AsyncReadExt, AsyncWrite, Interest};
use tokio::net::{TcpStream, UnixStream};

/// A socket that is tried before anything is said to tokio's scheduler.
pub(super) trait Tried {
    /// Reads what there is, within [`LONGEST_READ`]; `None` when there is nothing. As `read_buf` does, a short read clears tokio's readiness:
    /// the outer call, which was begun before it and is told that nothing is left, does that.
    fn read_at_once(&self, buf: &mut BytesMut) -> Option<io::Result<usize>>;
}

/// A socket that is tried with little.
pub(super) trait Small {
    /// Reads at most [`FEW`](crate::resource::io::FEW) octets of what there is; `None` when there is nothing. What `Tried` says of tokio's readiness holds here.
    fn read_small(&self, buf: &mut BytesMut) -> Option<io::Result<usize>>;

    /// The same for whoever needs no buffer; `None` also where that cannot be done.
    fn read_few<'a>(&self, room: &'a mut [MaybeUninit<u8>]) -> Option<io::Result<&'a mut [u8]>>;

    /// Writes what the socket takes at once, as tokio's `try_write`.
    fn send_small(&self, octets: &[u8]) -> io::Result<usize>;
}

/// What a read that was tried gave, which tokio has been told to be over when it was short.
#[inline(always)]
#[allow(clippy::inline_always, reason = "as in `Io`")]
pub(super) fn what_came<T>(read: Option<T>, tried: io::Result<()>) -> Option<io::Result<T>> {
    match (read, tried) {
        (Some(read), _) => Some(Ok(read)),
        (None, Err(error)) if error.kind() != io::ErrorKind::WouldBlock => Some(Err(error)),
        (None, _) => None,
    }
}

macro_rules! socket {
    ($($stream:ty),*) => {$(
        #[allow(clippy::inline_always, reason = "as in `Io`")]
        impl Tried for $stream {
            #[inline(always)]
            fn read_at_once(&self, buf: &mut BytesMut) -> Option<io::Result<usize>> {
                let room = LONGEST_READ.min(buf.capacity() - buf.len());
                let mut read = None;
                let tried = self.try_io(Interest::READABLE, || {
                    let len = self.try_read_buf(&mut (&mut *buf).limit(LONGEST_READ))?;
                    read = Some(len);
                    if 0 < len && len < room {
                        return Err(io::ErrorKind::WouldBlock.into());
                    }
                    Ok(())
                });
                what_came(read, tried)
            }
        }

        #[allow(clippy::inline_always, reason = "as in `Io`")]
        impl Transport for $stream {
            #[inline]
            fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.poll_read_ready(cx)
            }

            /// `read_buf` clears tokio's readiness on a short read, which `try_read` does not: that saves
            /// a second, failing system call for each request.
            #[inline(always)]
            fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>> {
                pin!(self.read_buf(buf)).poll(cx)
            }

            #[inline]
            fn poll_writev(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
                let written = match bufs {
                    [one] => Pin::new(self).poll_write(cx, one),
                    many => Pin::new(self).poll_write_vectored(cx, many),
                };
                match written {
                    Poll::Ready(Ok(0)) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    other => other,
                }
            }

            /// Sockets hold nothing back.
            #[inline]
            fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                AsyncWrite::poll_shutdown(Pin::new(self), cx)
            }

            /// A fresh look at the readiness: the error bit is set by a reset even while octets are unread.
            fn is_reset(&mut self, cx: &mut Context<'_>) -> bool {
                matches!(pin!(self.ready(Interest::ERROR)).poll(cx), Poll::Ready(Ok(ready)) if ready.is_error())
            }
        }
    )*};
}

socket!(TcpStream, UnixStream);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::io::FEW;
    use std::future::poll_fn;
    use std::task::Waker;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    fn is_readable(stream: &mut TcpStream) -> bool {
        let cx = &mut Context::from_waker(Waker::noop());
        Transport::poll_readable(stream, cx).is_ready()
    }

    /// Waits until there is something, then reads as whoever was woken does.
    async fn read(stream: &mut TcpStream, room: usize) -> usize {
        let mut buf = BytesMut::with_capacity(room);
        poll_fn(|cx| Transport::poll_readable(stream, cx))
            .await
            .unwrap();
        stream.read_at_once(&mut buf).unwrap().unwrap()
    }

    /// A connection and its peer.
    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (peer, accepted) = tokio::join!(
            TcpStream::connect(listener.local_addr().unwrap()),
            listener.accept()
        );
        (peer.unwrap(), accepted.unwrap().0)
    }

    #[tokio::test]
    async fn what_is_tried_leaves_the_readiness_as_a_read_does() {
        let (mut peer, mut stream) = pair().await;
        let mut buf = BytesMut::with_capacity(100);
        assert!(stream.read_at_once(&mut buf).is_none());
        // A short read took everything: nobody has to ask the kernel to know that.
        peer.write_all(b"hello").await.unwrap();
        assert_eq!(read(&mut stream, 100).await, 5);
        assert!(!is_readable(&mut stream));
        // One that fills its room may have left something.
        peer.write_all(b"hello").await.unwrap();
        assert_eq!(read(&mut stream, 5).await, 5);
        assert!(is_readable(&mut stream));
        assert!(stream.read_at_once(&mut buf).is_none());
        assert!(!is_readable(&mut stream));
        // The end stays.
        drop(peer);
        for _ in 0..2 {
            assert_eq!(read(&mut stream, 100).await, 0);
        }
    }

    #[tokio::test]
    async fn what_is_tried_with_little_leaves_what_is_more() {
        let (mut peer, mut stream) = pair().await;
        let mut buf = BytesMut::with_capacity(4 * FEW);
        assert!(stream.read_small(&mut buf).is_none());
        let sent: Vec<u8> = (0..=u8::MAX).cycle().take(FEW + 100).collect();
        assert_eq!(stream.send_small(b"").unwrap(), 0);
        peer.write_all(&sent).await.unwrap();
        while buf.len() < sent.len() {
            poll_fn(|cx| Transport::poll_readable(&mut stream, cx))
                .await
                .unwrap();
            if let Some(read) = stream.read_small(&mut buf) {
                assert!((1..=sent.len()).contains(&read.unwrap()));
            }
        }
        assert_eq!(buf, sent[..]);
        assert!(stream.read_small(&mut buf).is_none());
        assert!(!is_readable(&mut stream));
        // What goes the other way, and the end.
        assert_eq!(stream.send_small(b"hello").unwrap(), 5);
        let mut heard = [0; 5];
        peer.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"hello");
        drop(peer);
        poll_fn(|cx| Transport::poll_readable(&mut stream, cx))
            .await
            .unwrap();
        assert_eq!(stream.read_small(&mut buf).unwrap().unwrap(), 0);
    }

    #[tokio::test]
    async fn a_small_write_to_a_full_socket_or_a_closed_one_is_an_error_and_no_signal() {
        let (peer, stream) = pair().await;
        let octets = [0; 16 * 1024];
        let full = loop {
            if let Err(error) = stream.send_small(&octets) {
                break error;
            }
        };
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
        drop(peer);
        let ended = loop {
            stream.writable().await.unwrap();
            match stream.send_small(&octets) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => break error,
            }
        };
        assert!(
            matches!(
                ended.kind(),
                io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
            ),
            "{ended}"
        );
    }
}
