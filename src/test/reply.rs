//! What came back: a response as a client reads it.

use crate::http1::chunked::{ChunkedDecoder, Piece};
use crate::service::headers::Headers;
use crate::wire::limits::Limits;
use crate::wire::number;
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue, StatusCode};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

/// A response that came whole.
#[derive(Debug)]
#[non_exhaustive]
pub struct TestResponse {
    /// The status of the final response.
    pub status: StatusCode,
    /// Its header section.
    pub headers: Headers,
    /// Its trailer section; empty when there was none.
    pub trailers: Headers,
    /// The statuses of the interim responses before it.
    pub interim: Vec<StatusCode>,
    content: Bytes,
}

impl TestResponse {
    /// The first value of a field, when it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The content.
    pub const fn bytes(&self) -> &Bytes {
        &self.content
    }

    /// The content as text.
    ///
    /// # Panics
    ///
    /// When it is not UTF-8.
    #[track_caller]
    pub fn text(&self) -> &str {
        match std::str::from_utf8(&self.content) {
            Ok(text) => text,
            Err(error) => panic!("the content is no text: {error}"),
        }
    }
}

/// Reads one final response and the interim ones before it.
pub(super) async fn read(
    reader: &mut (impl AsyncRead + Unpin),
    is_head: bool,
) -> io::Result<TestResponse> {
    let mut buf = BytesMut::new();
    let mut interim = Vec::new();
    let (status, headers) = loop {
        let (status, headers) = head(reader, &mut buf).await?;
        if !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS {
            break (status, headers);
        }
        interim.push(status);
    };
    let (mut content, mut trailers) = (BytesMut::new(), Headers::new());
    let without = is_head
        || status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED;
    if !without && headers.contains(TRANSFER_ENCODING) {
        let limits = Limits {
            chunk: u64::MAX,
            chunk_overhead: u64::MAX,
            ..Limits::default()
        };
        let mut decoder = ChunkedDecoder::new(MOST);
        loop {
            match decoder
                .decode(&mut buf, &limits)
                .map_err(io::Error::other)?
            {
                Some(Piece::Data(data)) => content.extend_from_slice(&data),
                Some(Piece::End(section)) => {
                    for line in section.iter() {
                        let (name, value) = field(line.name(), line.value())?;
                        trailers.append(name, value);
                    }
                    break;
                }
                None => more(reader, &mut buf).await?,
            }
        }
    } else if let Some(length) = headers.get(CONTENT_LENGTH).filter(|_| !without) {
        let length =
            number::decimal(length.as_bytes()).and_then(|length| usize::try_from(length).ok());
        let length = length.ok_or_else(|| malformed("content-length"))?;
        while buf.len() < length {
            more(reader, &mut buf).await?;
        }
        content = buf.split_to(length);
    } else if !without {
        while reader.read_buf(&mut buf).await? > 0 {}
        content = buf;
    }
    Ok(TestResponse {
        status,
        headers,
        trailers,
        interim,
        content: content.freeze(),
    })
}

async fn head(
    reader: &mut (impl AsyncRead + Unpin),
    buf: &mut BytesMut,
) -> io::Result<(StatusCode, Headers)> {
    let end = loop {
        match buf.windows(4).position(|window| window == b"\r\n\r\n") {
            Some(end) => break end,
            None => more(reader, buf).await?,
        }
    };
    let block = buf.split_to(end + 4);
    let mut lines = block[..end]
        .split(|octet| *octet == b'\n')
        .map(<[u8]>::trim_ascii);
    let line = lines.next().unwrap_or_default();
    let status = line
        .strip_prefix(b"HTTP/1.1 ")
        .and_then(|rest| StatusCode::from_bytes(rest.get(..3)?).ok());
    let mut headers = Headers::new();
    for line in lines {
        let colon = line
            .iter()
            .position(|octet| *octet == b':')
            .ok_or_else(|| malformed("field line"))?;
        let (name, value) = field(&line[..colon], line[colon + 1..].trim_ascii())?;
        headers.append(name, value);
    }
    Ok((status.ok_or_else(|| malformed("status line"))?, headers))
}

async fn more(reader: &mut (impl AsyncRead + Unpin), buf: &mut BytesMut) -> io::Result<()> {
    match reader.read_buf(buf).await? {
        0 => Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the connection ended before the response did",
        )),
        _ => Ok(()),
    }
}

fn field(name: &[u8], value: &[u8]) -> io::Result<(HeaderName, HeaderValue)> {
    let name = HeaderName::from_bytes(name).map_err(io::Error::other)?;
    Ok((
        name,
        HeaderValue::from_bytes(value).map_err(io::Error::other)?,
    ))
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("malformed {what}"))
}

/// The most octets of a chunked response that a test client takes.
const MOST: u64 = 1024 * 1024 * 1024;
