//! HTTP/1.1 and WebSocket octet by octet, with no rule that could not be broken.

use crate::Context;
use crate::crowd::{self, told};
use crate::outcome::Outcome;
use crate::target::within;
use bytes::Bytes;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;
use wireline::wire::number;

/// A client's side of a connection.
pub(crate) struct Talk {
    pub(crate) stream: TcpStream,
    unread: Vec<u8>,
}

/// A response that is here whole.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The status line and the fields, in lower case.
    pub(crate) head: String,
    pub(crate) content: Vec<u8>,
}

/// A request, and what it may be answered with.
pub(crate) struct Case {
    /// What it is called in a complaint.
    what: String,
    head: String,
    content: Bytes,
    statuses: &'static [u16],
}

impl Case {
    /// A GET with these fields.
    pub(crate) fn get(
        what: impl Into<String>,
        path: &str,
        fields: &str,
        statuses: &'static [u16],
    ) -> Self {
        Self {
            what: what.into(),
            head: get(path, fields),
            content: Bytes::new(),
            statuses,
        }
    }

    /// A POST of this content.
    pub(crate) fn post(
        what: impl Into<String>,
        path: &str,
        fields: &str,
        content: Bytes,
        statuses: &'static [u16],
    ) -> Self {
        Self {
            what: what.into(),
            head: post(path, content.len(), fields),
            content,
            statuses,
        }
    }
}

/// One case on each connection; those that are answered as they may be are `counted`.
pub(crate) async fn each_case(
    context: &Arc<Context>,
    counted: &'static str,
    case: impl Fn(usize) -> Case,
) -> Outcome {
    crowd::each(context, |context, number| {
        let case = case(number);
        told(number, async move {
            let mut outcome = Outcome::default();
            let mut talk = Talk::open(&context, number).await?;
            talk.case(&case, counted, &mut outcome).await?;
            Ok(outcome)
        })
    })
    .await
}

/// How a connection ended.
pub(crate) struct Ended {
    /// What came before.
    pub(crate) octets: Vec<u8>,
    pub(crate) seconds: f64,
}

impl Ended {
    /// The status of the first response in it; 0 if there was none.
    pub(crate) fn status(&self) -> u16 {
        status(&self.octets)
    }
}

impl Talk {
    /// A connection of the attacker's.
    pub(crate) async fn open(context: &Context, number: usize) -> io::Result<Self> {
        Ok(Self::over(context.target.connect_from(number).await?))
    }

    /// One with the smallest receive buffer that there is.
    pub(crate) async fn narrow(context: &Context, number: usize) -> io::Result<Self> {
        let stream = context.target.connect_taking(number, Some(4096)).await?;
        Ok(Self::over(stream))
    }

    pub(crate) const fn over(stream: TcpStream) -> Self {
        Self {
            stream,
            unread: Vec::new(),
        }
    }

    /// After the opening handshake of a WebSocket.
    pub(crate) async fn upgraded(context: &Context, number: usize, path: &str) -> io::Result<Self> {
        Self::open(context, number).await?.upgrade(path, "").await
    }

    /// The opening handshake, with these fields besides.
    pub(crate) async fn upgrade(mut self, path: &str, fields: &str) -> io::Result<Self> {
        self.send(upgrade(path, fields).as_bytes()).await?;
        let answer = self.answer().await?;
        match answer.status {
            101 => Ok(self),
            status => Err(io::Error::other(format!("not upgraded, but {status}"))),
        }
    }

    pub(crate) async fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        within(self.stream.write_all(octets)).await
    }

    /// Sends what can be sent: an end of the connection before everything was taken is no error.
    pub(crate) async fn push(&mut self, octets: &[u8]) {
        let _ = self.send(octets).await;
    }

    /// One request and its response.
    pub(crate) async fn ask(&mut self, request: &str) -> io::Result<Answer> {
        self.send(request.as_bytes()).await?;
        self.answer().await
    }

    /// One case, whose answer counts as `counted` or is complained of. A server need not take all of its content.
    pub(crate) async fn case(
        &mut self,
        case: &Case,
        counted: &'static str,
        outcome: &mut Outcome,
    ) -> io::Result<Answer> {
        self.push(case.head.as_bytes()).await;
        self.push(&case.content).await;
        let answer = self.answer().await?;
        if case.statuses.contains(&answer.status) {
            outcome.count(counted);
        } else {
            let few = String::from_utf8_lossy(&answer.content[..answer.content.len().min(200)]);
            outcome.complain(format!("{}: {} {few:?}", case.what, answer.status));
        }
        Ok(answer)
    }

    /// The next response, with its content. It has a Content-Length, or is chunked, or ends with the connection.
    pub(crate) async fn answer(&mut self) -> io::Result<Answer> {
        let end = loop {
            if let Some(end) = self.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            self.more().await?;
        };
        let head = String::from_utf8_lossy(&self.unread[..end]).to_lowercase();
        let status = status(&self.unread);
        self.unread.drain(..end);
        let content = if status == 101 || status == 204 || status == 304 {
            Vec::new()
        } else if let Some(length) = field(&head, "content-length") {
            let length = number::decimal(length.as_bytes())
                .and_then(|length| usize::try_from(length).ok())
                .ok_or_else(|| io::Error::other("a Content-Length that is none"))?;
            self.octets(length).await?
        } else if field(&head, "transfer-encoding").is_some() {
            self.chunks().await?
        } else {
            while self.more().await.is_ok() {}
            std::mem::take(&mut self.unread)
        };
        Ok(Answer {
            status,
            head,
            content,
        })
    }

    async fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        loop {
            let end = loop {
                if let Some(end) = self.unread.windows(2).position(|two| two == b"\r\n") {
                    break end;
                }
                self.more().await?;
            };
            let line = String::from_utf8_lossy(&self.unread[..end]).into_owned();
            self.unread.drain(..end + 2);
            let digits = line.chars().map(|digit| digit.to_digit(16));
            let size = digits
                .collect::<Option<Vec<_>>>()
                .filter(|digits| (1..=8).contains(&digits.len()))
                .ok_or_else(|| io::Error::other(format!("a chunk of {line:?} octets")))?
                .into_iter()
                .fold(0, |size, digit| size << 4 | digit as usize);
            let chunk = self.octets(size + 2).await?;
            if size == 0 {
                return Ok(content);
            }
            content.extend_from_slice(&chunk[..size]);
        }
    }

    /// So many octets.
    async fn octets(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.unread.len() < length {
            self.more().await?;
        }
        Ok(self.unread.drain(..length).collect())
    }

    async fn more(&mut self) -> io::Result<()> {
        match within(self.stream.read_buf(&mut self.unread)).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// Reads until the connection ends, which has to be within `most`. A reset is an end.
    pub(crate) async fn rest(&mut self, most: Duration) -> io::Result<Ended> {
        let begun = Instant::now();
        // What has come stays when nobody waits any longer.
        let reading = async { while let Ok(1..) = self.stream.read_buf(&mut self.unread).await {} };
        tokio::time::timeout(most, reading).await?;
        Ok(Ended {
            octets: std::mem::take(&mut self.unread),
            seconds: begun.elapsed().as_secs_f64(),
        })
    }

    /// The next frame, its first octet and its payload; an end of the connection is an error.
    pub(crate) async fn frame(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let head = self.octets(2).await?;
        let length = match head[1] & 127 {
            126 => self.octets(2).await?,
            127 => self.octets(8).await?,
            short => vec![short],
        };
        let length = length
            .iter()
            .fold(0, |length, octet| length << 8 | usize::from(*octet));
        Ok((head[0], self.octets(length).await?))
    }

    /// The code of the Close that comes, however much comes before it, and the end of the connection behind it. `None` where the
    /// connection ends without.
    pub(crate) async fn closing(&mut self) -> io::Result<Option<u16>> {
        let code = loop {
            match self.frame().await {
                Ok((0x88, payload)) => {
                    break payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::TimedOut => return Err(error),
                Err(_) => return Ok(None),
            }
        };
        self.rest(Duration::from_secs(10)).await?;
        Ok(code)
    }
}

/// The status of a response that begins so.
fn status(octets: &[u8]) -> u16 {
    let digits = octets
        .strip_prefix(b"HTTP/1.1 ")
        .and_then(|rest| rest.get(..3));
    digits
        .and_then(number::decimal)
        .and_then(|status| u16::try_from(status).ok())
        .unwrap_or(0)
}

/// The value of a field of a head in lower case.
pub(crate) fn field<'head>(head: &'head str, name: &str) -> Option<&'head str> {
    head.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(str::trim)
}

/// An opening handshake.
pub(crate) fn upgrade(path: &str, fields: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{fields}\r\n"
    )
}

/// A frame as a client sends it, masked with zeros, its length in the shortest form.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = head(first, payload.len() as u64);
    frame.extend_from_slice(payload);
    frame
}

/// The head of a frame that says that so much follows.
pub(crate) fn head(first: u8, length: u64) -> Vec<u8> {
    let mut head = match (u8::try_from(length), u16::try_from(length)) {
        (Ok(length @ 0..126), _) => vec![first, 0x80 | length],
        (_, Ok(length)) => [&[first, 0xfe][..], &length.to_be_bytes()].concat(),
        _ => [&[first, 0xff][..], &length.to_be_bytes()].concat(),
    };
    head.extend_from_slice(&[0; 4]);
    head
}

/// A GET of a path.
pub(crate) fn get(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n")
}

/// A POST of so many octets, which are still to come.
pub(crate) fn post(path: &str, length: usize, fields: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n{fields}\r\n")
}
