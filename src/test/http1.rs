//! HTTP/1.1 with the service under test: a connection for each request.

use crate::http1::chunked::{ChunkedDecoder, Piece as Chunk};
use crate::resource::io::memory::MemoryStream;
use crate::service::body::Body;
use crate::service::feed::Fed;
use crate::service::headers::Headers;
use crate::test::TestClient;
use crate::test::wire::{Boxed, Exchange, Head, Outgoing, Piece, Receive, Wire};
use crate::wire::limits::Limits;
use crate::wire::number;
use bytes::BytesMut;
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use std::future::poll_fn;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf};

pub(super) struct Http1;

impl Wire for Http1 {
    fn begin<'a>(
        &'a self,
        client: &'a TestClient,
        request: Outgoing,
    ) -> Boxed<'a, io::Result<Exchange>> {
        Box::pin(async move {
            let (reader, mut writer) = tokio::io::split(client.connect());
            let reply = Reply {
                reader,
                buf: BytesMut::new(),
                interim: Vec::new(),
                is_head: request.method == Method::HEAD,
                framing: Framing::Length(0),
            };
            let head = encode_head(&request);
            let sending = async move {
                // How it went shows in the response.
                let _ = write(&mut writer, head, request.body).await;
            };
            Ok(Exchange::new(sending, reply))
        })
    }

    fn upgradable<'a>(&'a self, client: &'a TestClient) -> Boxed<'a, io::Result<MemoryStream>> {
        Box::pin(async { Ok(client.connect()) })
    }
}

fn encode_head(request: &Outgoing) -> Vec<u8> {
    let mut head = format!("{} {} HTTP/1.1\r\n", request.method, request.target).into_bytes();
    if !request.has(&HOST) {
        head.extend_from_slice(b"host: localhost\r\n");
    }
    if !request.has(&CONTENT_LENGTH) && !request.has(&TRANSFER_ENCODING) {
        match request.body.len() {
            Some(0) => {}
            Some(length) => {
                head.extend_from_slice(format!("content-length: {length}\r\n").as_bytes());
            }
            None => head.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        }
    }
    for (name, value) in &request.fields {
        line(&mut head, name.as_str(), value.as_bytes());
    }
    head.extend_from_slice(b"\r\n");
    head
}

fn line(section: &mut Vec<u8>, name: &str, value: &[u8]) {
    section.extend_from_slice(&[name.as_bytes(), b": ", value, b"\r\n"].concat());
}

/// Sends a request. Content whose length is not known is sent in chunks, its trailer section behind them.
async fn write(
    writer: &mut (impl AsyncWrite + Unpin),
    head: Vec<u8>,
    mut body: Body,
) -> io::Result<()> {
    let chunked = body.len().is_none();
    writer.write_all(&head).await?;
    let mut end = b"0\r\n".to_vec();
    while let Some(piece) = poll_fn(|cx| body.poll_piece(cx)).await {
        match piece {
            Ok(Fed::Chunk(chunk)) if chunked => {
                let size = format!("{:x}\r\n", chunk.len());
                writer.write_all(size.as_bytes()).await?;
                writer.write_all(&chunk).await?;
                writer.write_all(b"\r\n").await?;
            }
            Ok(Fed::Chunk(chunk)) => writer.write_all(&chunk).await?,
            Ok(Fed::Trailers(section)) => {
                for (name, value) in section.iter() {
                    line(&mut end, name, value.as_bytes());
                }
            }
            // The service sees content that is cut short.
            Err(_) => return writer.shutdown().await,
        }
    }
    if chunked {
        end.extend_from_slice(b"\r\n");
        writer.write_all(&end).await?;
    }
    Ok(())
}

/// A response as it comes.
struct Reply {
    reader: ReadHalf<MemoryStream>,
    buf: BytesMut,
    interim: Vec<StatusCode>,
    is_head: bool,
    framing: Framing,
}

/// How content ends.
enum Framing {
    /// This many octets are still to come.
    Length(u64),
    Chunked(Box<ChunkedDecoder>),
    Close,
}

impl Receive for Reply {
    fn head(&mut self) -> Boxed<'_, io::Result<Head>> {
        Box::pin(async {
            loop {
                let (status, headers) = head(&mut self.reader, &mut self.buf).await?;
                if status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS {
                    self.interim.push(status);
                    continue;
                }
                self.framing = framing(status, &headers, self.is_head)?;
                return Ok(Head {
                    status,
                    headers,
                    interim: std::mem::take(&mut self.interim),
                });
            }
        })
    }

    fn piece(&mut self) -> Boxed<'_, io::Result<Piece>> {
        Box::pin(async {
            match &mut self.framing {
                Framing::Length(0) => Ok(Piece::End(Headers::new())),
                Framing::Length(left) => {
                    if self.buf.is_empty() {
                        more(&mut self.reader, &mut self.buf).await?;
                    }
                    let most = usize::try_from(*left).unwrap_or(usize::MAX);
                    let data = self.buf.split_to(self.buf.len().min(most)).freeze();
                    *left -= data.len() as u64;
                    Ok(Piece::Data(data))
                }
                Framing::Chunked(decoder) => loop {
                    let limits = Limits {
                        chunk: u64::MAX,
                        chunk_overhead: u64::MAX,
                        ..Limits::default()
                    };
                    match decoder
                        .decode(&mut self.buf, &limits)
                        .map_err(io::Error::other)?
                    {
                        Some(Chunk::Data(data)) => return Ok(Piece::Data(data)),
                        Some(Chunk::End(section)) => {
                            let mut trailers = Headers::new();
                            for line in section.iter() {
                                let (name, value) = field(line.name(), line.value())?;
                                trailers.append(name, value);
                            }
                            self.framing = Framing::Length(0);
                            return Ok(Piece::End(trailers));
                        }
                        None => more(&mut self.reader, &mut self.buf).await?,
                    }
                },
                Framing::Close => {
                    if self.buf.is_empty() && self.reader.read_buf(&mut self.buf).await? == 0 {
                        return Ok(Piece::End(Headers::new()));
                    }
                    Ok(Piece::Data(self.buf.split().freeze()))
                }
            }
        })
    }
}

/// How the content of a final response ends (RFC 9112 §6.3).
fn framing(status: StatusCode, headers: &Headers, is_head: bool) -> io::Result<Framing> {
    let without = is_head
        || status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED;
    if without {
        return Ok(Framing::Length(0));
    }
    if headers.contains(TRANSFER_ENCODING) {
        return Ok(Framing::Chunked(Box::new(ChunkedDecoder::new(MOST))));
    }
    match headers.get(CONTENT_LENGTH) {
        Some(length) => number::decimal(length.as_bytes())
            .map(Framing::Length)
            .ok_or_else(|| malformed("content-length")),
        None => Ok(Framing::Close),
    }
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
