//! The chunked transfer coding, received (RFC 9112 §7.1).

use crate::http1::error::Error;
use crate::http1::section::{SectionLimits, SectionParser};
use crate::wire::fields::{Field, FieldLine, may_trail};
use crate::wire::limits::Limits;
use crate::wire::{grammar, number};
use bytes::{Buf, Bytes, BytesMut};

/// A trailer section that was accepted: a block and its field table, without the fields that must not
/// stand in one.
///
/// ```
/// use bytes::BytesMut;
/// use wireline::http1::connection::{Connection, Event};
/// use wireline::http1::limits::Limits;
///
/// let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
/// let mut buf = BytesMut::from(format!("{head}0\r\nDigest: abc\r\nHost: b\r\n\r\n").as_str());
/// let (mut connection, limits) = (Connection::default(), Limits::default());
/// connection.receive(&mut buf, &limits)?;
/// let Some(Event::EndOfMessage(trailers)) = connection.receive(&mut buf, &limits)? else {
///     panic!("there was no content")
/// };
/// // A host in a trailer section is what smuggling is made of.
/// let names: Vec<_> = trailers.iter().map(|line| line.name().to_vec()).collect();
/// assert_eq!(names, [b"digest"]);
/// # Ok::<(), wireline::http1::error::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Trailers {
    block: Bytes,
    fields: Vec<Field>,
}

impl Trailers {
    /// The field lines in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = FieldLine<'_>> {
        self.fields
            .iter()
            .map(|field| FieldLine::of_block(*field, &self.block))
    }

    /// Whether there is no field line.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }
}

/// What a body decoder took from the buffer.
#[derive(Debug)]
pub(crate) enum Piece {
    Data(Bytes),
    End(Trailers),
}

/// A resumable decoder of one chunked body.
///
/// ```text
/// Size -> (Bws) -> (Extension) -> SizeLf -> Data -> DataCr -> DataLf -> Size ...
///                                 SizeLf -> Trailers, when the size was 0
/// ```
#[derive(Debug)]
pub(crate) struct ChunkedDecoder {
    state: State,
    size: u64,
    digits: u8,
    /// Octets in the extension of this chunk, and of all.
    extension: usize,
    extensions: usize,
    /// Framing and payload so far, whose proportion has a limit.
    framing: u64,
    payload: u64,
    limit: u64,
}

#[derive(Debug)]
enum State {
    Size,
    Bws,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    Trailers(Box<(SectionParser, Vec<Field>)>),
}

impl ChunkedDecoder {
    /// A decoder that refuses more than `limit` octets of payload.
    pub(crate) const fn new(limit: u64) -> Self {
        Self {
            state: State::Size,
            size: 0,
            digits: 0,
            extension: 0,
            extensions: 0,
            framing: 0,
            payload: 0,
            limit,
        }
    }

    /// Changes the limit of the payload, which is known once the route is.
    pub(crate) const fn set_limit(&mut self, limit: u64) {
        self.limit = limit;
    }

    /// Takes the next piece off the front of `buf`. `Ok(None)` asks for more.
    pub(crate) fn decode(
        &mut self,
        buf: &mut BytesMut,
        limits: &Limits,
    ) -> Result<Option<Piece>, Error> {
        loop {
            match &mut self.state {
                State::Data => {
                    if buf.is_empty() {
                        return Ok(None);
                    }
                    let take =
                        usize::try_from(self.size).map_or(buf.len(), |size| size.min(buf.len()));
                    self.size -= take as u64;
                    self.payload += take as u64;
                    if self.size == 0 {
                        self.state = State::DataCr;
                    }
                    return Ok(Some(Piece::Data(buf.split_to(take).freeze())));
                }
                State::Trailers(place) => {
                    let (parser, fields) = &mut **place;
                    let bounds = SectionLimits {
                        octets: limits.trailer_section,
                        fields: limits.trailer_fields,
                    };
                    let Some(end) = parser.parse(buf, fields, bounds)? else {
                        return Ok(None);
                    };
                    let block = buf.split_to(end).freeze();
                    let mut fields = std::mem::take(fields);
                    fields.retain(|field| may_trail(field.name(&block)));
                    return Ok(Some(Piece::End(Trailers { block, fields })));
                }
                _ => {
                    let mut taken = 0;
                    for octet in buf.iter() {
                        taken += 1;
                        if self.line(*octet, limits)? {
                            break;
                        }
                    }
                    buf.advance(taken);
                    self.framing += taken as u64;
                    if !matches!(self.state, State::Data | State::Trailers(_)) {
                        return Ok(None);
                    }
                    // A body sent octet by octet costs six times its payload; a flood of it is refused. Looked
                    // at only where a line has ended, so that the verdict does not depend on the reads.
                    if self.framing > FREE_FRAMING
                        && self.framing / limits.chunk_overhead.max(1) > self.payload
                    {
                        return Err(Error::ChunkOverhead);
                    }
                }
            }
        }
    }

    /// One octet of a chunk's framing; `true` when data or trailers follow.
    fn line(&mut self, octet: u8, limits: &Limits) -> Result<bool, Error> {
        match self.state {
            State::Size => match (number::hex_digit(octet), octet) {
                (Some(_), _) if self.digits == MAX_HEX_DIGITS => return Err(Error::Chunk),
                (Some(digit), _) => {
                    self.size = self.size << 4 | u64::from(digit);
                    self.digits += 1;
                }
                (None, _) if self.digits == 0 => return Err(Error::Chunk),
                (None, b'\r') => self.state = State::SizeLf,
                (None, b';') => self.state = State::Extension,
                // RFC 9112 §7.1.1: bad white space before an extension has to be understood; before
                // anything else it is an error.
                (None, b' ' | b'\t') => self.state = State::Bws,
                (None, b'\n') => return Err(Error::LineEnd),
                (None, _) => return Err(Error::Chunk),
            },
            State::Bws => match octet {
                b' ' | b'\t' => self.count_extension(limits)?,
                b';' => self.state = State::Extension,
                _ => return Err(Error::Chunk),
            },
            State::Extension => match octet {
                b'\r' => self.state = State::SizeLf,
                octet if grammar::is_field_value(octet) => self.count_extension(limits)?,
                _ => return Err(Error::ChunkExtension),
            },
            State::SizeLf => {
                if octet != b'\n' {
                    return Err(Error::LineEnd);
                }
                if self.size > limits.chunk {
                    return Err(Error::ChunkTooLarge);
                }
                if self.payload.saturating_add(self.size) > self.limit {
                    return Err(Error::ContentTooLarge);
                }
                self.state = if self.size == 0 {
                    State::Trailers(Box::default())
                } else {
                    State::Data
                };
                self.digits = 0;
                self.extension = 0;
                return Ok(true);
            }
            State::DataCr if octet == b'\r' => self.state = State::DataLf,
            State::DataLf if octet == b'\n' => self.state = State::Size,
            // RFC 9112 §7.1: the CRLF after the data is checked, not skipped.
            State::DataCr | State::DataLf => return Err(Error::Chunk),
            State::Data | State::Trailers(_) => return Ok(true),
        }
        Ok(false)
    }

    fn count_extension(&mut self, limits: &Limits) -> Result<(), Error> {
        self.extension += 1;
        self.extensions += 1;
        if self.extension > limits.chunk_extension || self.extensions > limits.chunk_extensions {
            return Err(Error::ChunkExtension);
        }
        Ok(())
    }
}

const MAX_HEX_DIGITS: u8 = 16;

/// Framing below this is never held against a body.
const FREE_FRAMING: u64 = 64 * 1024;
