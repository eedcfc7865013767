//! Without the WebSocket client nobody asks for a bridge.

use crate::resource::io::memory::MemoryStream;
use bytes::Bytes;
use h2::client::SendRequest;
use std::io;

pub(super) async fn open(_: SendRequest<Bytes>) -> io::Result<MemoryStream> {
    Err(io::ErrorKind::Unsupported.into())
}
