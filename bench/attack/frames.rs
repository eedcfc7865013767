//! HTTP/2 frame by frame, with no rule that could not be broken.

use crate::target::{Target, within};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::Instant;

/// A client's side of a connection.
pub(crate) struct Peer {
    read: BufReader<OwnedReadHalf>,
    write: OwnedWriteHalf,
}

/// A frame as it came.
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// How a connection ended, and what came before.
#[derive(Debug, Default)]
pub(crate) struct End {
    /// The code of the last GOAWAY, and its last stream.
    pub(crate) code: Option<u32>,
    pub(crate) last: u32,
    pub(crate) resets: usize,
    pub(crate) responses: usize,
    pub(crate) seconds: f64,
}

impl Peer {
    /// A connection with the preface, these settings and an acknowledgement of the server's sent.
    pub(crate) async fn open(
        target: &Target,
        number: usize,
        settings: &[(u16, u32)],
    ) -> io::Result<Self> {
        let mut peer = Self::silent(target.connect_from(number).await?);
        peer.send(&opening(settings)).await?;
        Ok(peer)
    }

    /// A connection on which nothing was said.
    pub(crate) fn silent(stream: TcpStream) -> Self {
        let (read, write) = stream.into_split();
        Self {
            read: BufReader::new(read),
            write,
        }
    }

    pub(crate) async fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        within(self.write.write_all(octets)).await
    }

    /// The next frame, within ten seconds; `None` at the end.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Frame>> {
        within(next(&mut self.read)).await
    }

    /// The next frame of one of these kinds that is no acknowledgement, or the end, which is an error.
    pub(crate) async fn next_of(&mut self, kinds: &[u8]) -> io::Result<Frame> {
        loop {
            match self.next().await? {
                Some(frame) if kinds.contains(&frame.kind) => return Ok(frame),
                Some(_) => {}
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
    }

    /// The octets that come, whatever they are, to the end.
    pub(crate) async fn octets(&mut self) -> Vec<u8> {
        let mut octets = Vec::new();
        // A reset is an end.
        let _ = within(self.read.read_to_end(&mut octets)).await;
        octets
    }

    /// Sends octets so many times, reading meanwhile or only then, and waits for the end.
    pub(crate) async fn flood(self, octets: &[u8], times: usize, reads: bool) -> io::Result<End> {
        let begun = Instant::now();
        let Self {
            mut read,
            mut write,
        } = self;
        let sending = async {
            for _ in 0..times {
                if write.write_all(octets).await.is_err() {
                    break;
                }
            }
        };
        let everything = async {
            if reads {
                let (_, end) = tokio::join!(sending, to_the_end(&mut read));
                end
            } else {
                sending.await;
                to_the_end(&mut read).await
            }
        };
        let mut end = within(async { Ok(everything.await) }).await?;
        end.seconds = begun.elapsed().as_secs_f64();
        Ok(end)
    }

    /// Sends octets again and again, with a pause, until the connection has ended or `most` has passed. Gives how
    /// often they were sent, too.
    pub(crate) async fn pace(
        self,
        mut octets: impl FnMut(u32) -> Vec<u8>,
        pause: Duration,
        most: Duration,
    ) -> io::Result<(End, u32)> {
        let begun = Instant::now();
        let Self {
            mut read,
            mut write,
        } = self;
        let mut sent = 0;
        let sending = async {
            loop {
                if write.write_all(&octets(sent)).await.is_err() {
                    // What the server has said is still to be read.
                    std::future::pending::<()>().await;
                }
                sent += 1;
                tokio::time::sleep(pause).await;
            }
        };
        let end = tokio::select! {
            end = to_the_end(&mut read) => Some(end),
            () = sending => None,
            () = tokio::time::sleep(most) => None,
        };
        let mut end = end.ok_or(io::ErrorKind::TimedOut)?;
        end.seconds = begun.elapsed().as_secs_f64();
        Ok((end, sent))
    }

    /// Whether a PING is answered.
    pub(crate) async fn is_alive(&mut self) -> io::Result<bool> {
        self.send(&frame(PING, 0, 0, b"aliveyet")).await?;
        while let Some(frame) = self.next().await? {
            if frame.kind == PING && frame.payload == b"aliveyet" {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

async fn next(read: &mut BufReader<OwnedReadHalf>) -> io::Result<Option<Frame>> {
    let mut head = [0; 9];
    if let Err(error) = read.read_exact(&mut head).await {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => Ok(None),
            _ => Err(error),
        };
    }
    let [a, b, c, kind, flags, d, e, f, g] = head;
    let len = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
    let mut payload = vec![0; len];
    read.read_exact(&mut payload).await?;
    Ok(Some(Frame {
        kind,
        flags,
        stream: u32::from_be_bytes([d & 0x7f, e, f, g]),
        payload,
    }))
}

async fn to_the_end(read: &mut BufReader<OwnedReadHalf>) -> End {
    let mut end = End::default();
    while let Ok(Some(frame)) = next(read).await {
        match frame.kind {
            GOAWAY => {
                end.last = frame.number(0) & 0x7fff_ffff;
                end.code = Some(frame.number(4));
            }
            RST_STREAM => end.resets += 1,
            HEADERS => end.responses += 1,
            _ => {}
        }
    }
    end
}

impl Frame {
    /// Four octets of the payload; 0 where they are not.
    pub(crate) fn number(&self, at: usize) -> u32 {
        let octets = self.payload.get(at..at + 4);
        octets
            .and_then(|octets| octets.try_into().ok())
            .map_or(0, u32::from_be_bytes)
    }

    /// The status of a response, where HPACK's static table has it (RFC 7541 A); else 0.
    pub(crate) fn status(&self) -> u16 {
        // Changes of the table's size may stand before it.
        match self.payload.iter().find(|octet| **octet >= 0x80) {
            Some(0x88) => 200,
            Some(0x8b) => 304,
            Some(0x8c) => 400,
            Some(0x8d) => 404,
            Some(0x8e) => 500,
            _ => 0,
        }
    }

    /// The octets of content in it.
    pub(crate) fn content(&self) -> u32 {
        match self.kind {
            DATA => u32::try_from(self.payload.len()).unwrap_or(0),
            _ => 0,
        }
    }

    pub(crate) fn ends_stream(&self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }
}

/// One request with a connection of its own; gives no error when the answer is 200 and whole.
pub(crate) async fn ask(stream: TcpStream) -> io::Result<()> {
    let mut peer = Peer::silent(stream);
    let head = frame(
        HEADERS,
        END_HEADERS | END_STREAM,
        1,
        &request("GET", "/plaintext"),
    );
    peer.send(&[opening(&[]), head].concat()).await?;
    let (mut status, mut content) = (0, Vec::new());
    loop {
        let frame = peer.next_of(&[HEADERS, DATA, RST_STREAM, GOAWAY]).await?;
        match frame.kind {
            HEADERS => status = frame.status(),
            DATA => content.extend_from_slice(&frame.payload),
            kind => {
                return Err(io::Error::other(format!("a frame of kind {kind}")));
            }
        }
        if frame.ends_stream() {
            break;
        }
    }
    if status == 200 && content == b"Hello, World!" {
        Ok(())
    } else {
        Err(io::Error::other(format!(
            "status {status}, {} octets",
            content.len()
        )))
    }
}

/// The preface, settings, and an acknowledgement of settings that have not come.
pub(crate) fn opening(settings: &[(u16, u32)]) -> Vec<u8> {
    let payload: Vec<u8> = settings
        .iter()
        .flat_map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat())
        .collect();
    [
        PREFACE,
        &frame(SETTINGS, 0, 0, &payload),
        &frame(SETTINGS, ACK, 0, &[]),
    ]
    .concat()
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The stream of a client's request number so and so.
pub(crate) const fn stream(number: u32) -> u32 {
    2 * number + 1
}

/// A field as a literal that is neither indexed nor compressed (RFC 7541 §6.2.3).
pub(crate) fn field(name: &str, value: &str) -> Vec<u8> {
    let mut octets = vec![0x10];
    for text in [name, value] {
        integer(&mut octets, 0, 127, text.len());
        octets.extend_from_slice(text.as_bytes());
    }
    octets
}

/// RFC 7541 §5.1, with the largest value of the prefix.
pub(crate) fn integer(octets: &mut Vec<u8>, first: u8, most: u8, value: usize) {
    let Some(mut left) = value.checked_sub(most.into()) else {
        octets.push(first | u8::try_from(value).unwrap_or(most));
        return;
    };
    octets.push(first | most);
    while left >= 128 {
        octets.push(0x80 | u8::try_from(left % 128).unwrap_or(0));
        left /= 128;
    }
    octets.push(u8::try_from(left).unwrap_or(0));
}

/// The pseudo-header fields of a request.
pub(crate) fn request(method: &str, path: &str) -> Vec<u8> {
    [
        field(":method", method),
        field(":scheme", "http"),
        field(":authority", "localhost"),
        field(":path", path),
    ]
    .concat()
}

/// A GET without content.
pub(crate) fn get(number: u32, path: &str) -> Vec<u8> {
    frame(
        HEADERS,
        END_HEADERS | END_STREAM,
        stream(number),
        &request("GET", path),
    )
}

/// A POST whose content does not end.
pub(crate) fn post(number: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream(number), &request("POST", path))
}

pub(crate) fn window(stream: u32, more: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &more.to_be_bytes())
}

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;
/// RFC 9218 §7.1.
pub(crate) const PRIORITY_UPDATE: u8 = 16;

pub(crate) const ACK: u8 = 0x1;
pub(crate) const END_STREAM: u8 = 0x1;
pub(crate) const END_HEADERS: u8 = 0x4;
pub(crate) const PADDED: u8 = 0x8;
pub(crate) const HAS_PRIORITY: u8 = 0x20;

/// SETTINGS_INITIAL_WINDOW_SIZE.
pub(crate) const INITIAL_WINDOW: u16 = 4;

pub(crate) const PROTOCOL_ERROR: u32 = 1;
pub(crate) const FRAME_SIZE_ERROR: u32 = 6;
pub(crate) const CANCEL: u32 = 8;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;
