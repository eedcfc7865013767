//! The answer to a request that opens a WebSocket: a response head, and the content of a refusal.

use crate::http1::client::{ResponseEvent, ResponseHead, ResponseReader};
use crate::http1::error::Error;
use crate::resource::io::Io;
use crate::ws::client::error::ConnectError;
use bytes::BytesMut;
use std::io;
use tokio::io::AsyncReadExt;

/// Reads the head of the final response, or of 101. What follows it stays in `buf`.
///
/// Cancel safe, in that nothing but this handshake is lost.
pub(super) async fn head(
    io: &mut Io,
    buf: &mut BytesMut,
    reader: &mut ResponseReader,
) -> Result<ResponseHead, ConnectError> {
    loop {
        match reader.receive(buf).map_err(malformed)? {
            Some(ResponseEvent::Head(head)) => return Ok(head),
            // It begins with a head.
            Some(_) => {}
            None => more(io, buf).await?,
        }
    }
}

/// Reads the content of a refusal into `content`: the first 4 KiB of it, and no more.
pub(super) async fn content(
    io: &mut Io,
    buf: &mut BytesMut,
    reader: &mut ResponseReader,
    content: &mut Vec<u8>,
) -> Result<(), ConnectError> {
    while content.len() < CONTENT {
        match reader.receive(buf).map_err(malformed)? {
            Some(ResponseEvent::Data(data)) => {
                let room = data.len().min(CONTENT - content.len());
                content.extend_from_slice(data.get(..room).unwrap_or_default());
            }
            Some(ResponseEvent::Head(_)) => {}
            Some(ResponseEvent::End(_)) => return Ok(()),
            None => more(io, buf).await?,
        }
    }
    Ok(())
}

fn malformed(error: Error) -> ConnectError {
    ConnectError::Malformed(error.reason())
}

async fn more(io: &mut Io, buf: &mut BytesMut) -> Result<(), ConnectError> {
    buf.reserve(ROOM);
    match io.read_buf(buf).await? {
        0 => Err(ConnectError::Io(io::ErrorKind::UnexpectedEof.into())),
        _ => Ok(()),
    }
}

/// The content of a refusal that is kept.
const CONTENT: usize = 4096;

const ROOM: usize = 1024;
