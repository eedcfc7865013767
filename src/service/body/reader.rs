//! Content that is read as it is sent.

use crate::service::body::{Body, BodyError, Kind};
use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, ReadBuf};

impl Body {
    /// What a reader gives, up to its end: a pipe, a socket, what a process writes.
    ///
    /// It is read when the peer has taken what came before, 16 KiB at a time at the most: that is all that is held. A reader
    /// that fails ends the response early, and the peer sees it cut short. It is dropped with the response, so also when the
    /// client goes away. Readers of files block: take `files` for those.
    ///
    /// ```
    /// use wireline::service::body::Body;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let body = Body::from_reader(b"from a reader".as_slice());
    /// assert_eq!(body.collect().await.unwrap(), "from a reader");
    /// # });
    /// ```
    pub fn from_reader(reader: impl AsyncRead + Send + 'static) -> Self {
        Self::read(reader, None)
    }

    /// The same, where it is known how much comes: the response says its length. What the reader has beyond is not sent; when
    /// it has less, the peer sees the response cut short.
    ///
    /// ```
    /// use wireline::service::body::Body;
    ///
    /// let body = Body::from_reader_of(b"from a reader".as_slice(), 4);
    /// assert_eq!(body.len(), Some(4));
    /// ```
    pub fn from_reader_of(reader: impl AsyncRead + Send + 'static, octets: u64) -> Self {
        Self::read(reader, Some(octets))
    }

    fn read(reader: impl AsyncRead + Send + 'static, left: Option<u64>) -> Self {
        Self {
            kind: Kind::Foreign(Box::pin(Reader {
                reader: Box::pin(reader),
                room: BytesMut::new(),
                left,
                ended: false,
            })),
        }
    }
}

struct Reader<R> {
    reader: Pin<Box<R>>,
    /// What is not read into yet of the last allocation.
    room: BytesMut,
    /// How much is to come, where that is known.
    left: Option<u64>,
    ended: bool,
}

impl<R: AsyncRead> http_body::Body for Reader<R> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let me = &mut *self;
        if me.ended || me.left == Some(0) {
            return Poll::Ready(None);
        }
        if me.room.len() < LEAST {
            me.room = BytesMut::zeroed(PIECE);
        }
        let most = me.left.map_or(PIECE, |left| {
            usize::try_from(left).map_or(PIECE, |left| left.min(PIECE))
        });
        let end = me.room.len().min(most);
        let mut room = ReadBuf::new(&mut me.room[..end]);
        let read = ready!(me.reader.as_mut().poll_read(cx, &mut room));
        let count = room.filled().len();
        if let Err(error) = read {
            me.ended = true;
            return Poll::Ready(Some(Err(BodyError::Foreign(Box::new(error)))));
        }
        if count == 0 {
            me.ended = true;
            // Of what was promised something is missing.
            let cut = me.left.map(|_| Err(BodyError::Aborted));
            return Poll::Ready(cut);
        }
        if let Some(left) = &mut me.left {
            *left = left.saturating_sub(count as u64);
        }
        Poll::Ready(Some(Ok(Frame::data(me.room.split_to(count).freeze()))))
    }

    fn size_hint(&self) -> SizeHint {
        self.left
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// What is read at a time at the most.
const PIECE: usize = 16 * 1024;

/// With less room than this a read is not worth its call.
const LEAST: usize = 1024;
