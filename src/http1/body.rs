//! The decoder of a request body, by its framing.

use crate::http1::chunked::{ChunkedDecoder, Piece, Trailers};
use crate::http1::error::Error;
use crate::http1::framing::BodyFraming;
use crate::wire::limits::Limits;
use bytes::BytesMut;

/// Takes the content of one message off a buffer.
#[derive(Debug)]
pub(crate) enum BodyDecoder {
    /// Nothing is left: the message has ended.
    Ended,
    /// This many octets are left.
    Length(u64),
    /// Chunks.
    Chunked(ChunkedDecoder),
}

impl BodyDecoder {
    /// The decoder for a request's framing. A request is never close-delimited (RFC 9112 §6.3 (7)).
    pub(crate) const fn new(framing: BodyFraming) -> Self {
        match framing {
            BodyFraming::Empty | BodyFraming::CloseDelimited => Self::Ended,
            BodyFraming::Length(length) => Self::Length(length),
            BodyFraming::Chunked => Self::Chunked(ChunkedDecoder::new(u64::MAX)),
        }
    }

    /// Refuses more than `limit` octets of content from now on: at once where the length is declared.
    pub(crate) const fn set_limit(&mut self, limit: u64) -> Result<(), Error> {
        match self {
            Self::Length(length) if *length > limit => return Err(Error::ContentTooLarge),
            Self::Chunked(decoder) => decoder.set_limit(limit),
            _ => {}
        }
        Ok(())
    }

    /// The octets of content that are left, where that is known.
    pub(crate) const fn left(&self) -> Option<u64> {
        match self {
            Self::Ended => Some(0),
            Self::Length(left) => Some(*left),
            Self::Chunked(_) => None,
        }
    }

    /// Takes the next piece off the front of `buf`; `Ok(None)` asks for more.
    pub(crate) fn decode(
        &mut self,
        buf: &mut BytesMut,
        limits: &Limits,
    ) -> Result<Option<Piece>, Error> {
        let piece = match self {
            Self::Ended => return Ok(Some(Piece::End(Trailers::default()))),
            Self::Length(0) => Piece::End(Trailers::default()),
            Self::Length(left) => {
                if buf.is_empty() {
                    return Ok(None);
                }
                let take = usize::try_from(*left).map_or(buf.len(), |left| left.min(buf.len()));
                *left -= take as u64;
                Piece::Data(buf.split_to(take).freeze())
            }
            Self::Chunked(decoder) => match decoder.decode(buf, limits)? {
                Some(piece) => piece,
                None => return Ok(None),
            },
        };
        if matches!(piece, Piece::End(_)) {
            *self = Self::Ended;
        }
        Ok(Some(piece))
    }
}
