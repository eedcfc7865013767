//! The client that the Autobahn fuzzing server judges: `autobahn_client ws://HOST:PORT AGENT`.
//!
//! It asks for the number of cases, sends back every message of each, and asks for the report. AGENT is the
//! name in the report and, as in examples/probe.rs, what is offered: `takeover` keeps the compression
//! contexts, `plain` does not compress, any other name offers the defaults.
//!
//! It stands on the sans-I/O core, with the least that moves octets.

use bytes::{Buf, BytesMut};
use std::error::Error;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use wireline::wire::number::decimal;
use wireline::ws::connection::{Connection, Event};
use wireline::ws::deflate;
use wireline::ws::handshake::client::{Opened, Request};
use wireline::ws::limits::Limits;
use wireline::ws::mask::MaskingKey;
use wireline::ws::message::Message;
use wireline::ws::out::Out;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let (Some(url), Some(agent)) = (words.next(), words.next()) else {
        return Err("usage: autobahn_client ws://HOST:PORT AGENT".into());
    };
    let server = Server {
        address: url
            .strip_prefix("ws://")
            .ok_or("the URL does not begin with ws://")?
            .to_owned(),
        deflate: offered(&agent),
    };

    let mut socket = server.open("/getCaseCount").await?;
    let count = match socket.receive().await? {
        Some(Message::Text(text)) => {
            decimal(text.as_bytes()).ok_or("that is no number of cases")?
        }
        other => return Err(format!("no number of cases, but {other:?}").into()),
    };
    socket.finish().await;

    for case in 1..=count {
        let socket = server
            .open(&format!("/runCase?case={case}&agent={agent}"))
            .await?;
        // The report judges how a case ended; here an end is an end.
        if timeout(LONGEST_CASE, socket.echo()).await.is_err() {
            eprintln!("case number {case} was not done after {LONGEST_CASE:?}");
        }
    }
    let socket = server
        .open(&format!("/updateReports?agent={agent}"))
        .await?;
    socket.finish().await;
    Ok(())
}

fn offered(agent: &str) -> Option<deflate::Config> {
    match agent {
        "plain" => None,
        "takeover" => Some(deflate::Config {
            send_window_bits: 15,
            receive_window_bits: 15,
            send_takeover: true,
            receive_takeover: true,
            ..deflate::Config::default()
        }),
        _ => Some(deflate::Config::default()),
    }
}

/// Where to connect, and what to offer.
struct Server {
    address: String,
    deflate: Option<deflate::Config>,
}

impl Server {
    async fn open(&self, target: &str) -> Result<Socket> {
        let mut stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        let mut request = Request::new(nonce());
        if let Some(config) = &self.deflate {
            request = request.deflate(config.clone());
        }
        let mut head = format!("GET {target} HTTP/1.1\r\nhost: {}\r\n", self.address);
        for (name, value) in request.fields() {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).await?;

        let mut read = BytesMut::new();
        let opened = loop {
            if let Some(opened) = confirmed(&request, &mut read)? {
                break opened;
            }
            if stream.read_buf(&mut read).await? == 0 || read.len() > LONGEST_HEAD {
                return Err("no answer to the opening handshake".into());
            }
        };
        Ok(Socket {
            stream,
            connection: Connection::client(Box::new(masking_keys()), opened.deflate.as_ref()),
            read,
            out: Out::default(),
            opened: Instant::now(),
        })
    }
}

/// Judges the answer once all of it is there, and removes it.
fn confirmed(request: &Request, read: &mut BytesMut) -> Result<Option<Opened>> {
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut answer = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(len) = answer.parse(read)? else {
        return Ok(None);
    };
    let status = http::StatusCode::from_u16(answer.code.unwrap_or_default())?;
    let fields = answer.headers.iter();
    let opened = request
        .confirm(
            status,
            fields.map(|field| (field.name.as_bytes(), field.value)),
        )
        .map_err(|mismatch| mismatch.to_string())?;
    read.advance(len);
    Ok(Some(opened))
}

struct Socket {
    stream: TcpStream,
    connection: Connection,
    read: BytesMut,
    out: Out,
    opened: Instant,
}

impl Socket {
    /// Sends back what comes until the server has had enough.
    async fn echo(mut self) -> Result<()> {
        while let Some(message) = self.receive().await? {
            if message.is_text() || message.is_binary() {
                // A Close may have come meanwhile.
                let _ = self.connection.send(message, &mut self.out);
            }
        }
        self.finish().await;
        Ok(())
    }

    /// The next message; `None` when the connection is over.
    async fn receive(&mut self) -> Result<Option<Message>> {
        let limits = Limits {
            frame: 17 << 20,
            message: 16 << 20,
            ..Limits::default()
        };
        loop {
            let millis = u64::try_from(self.opened.elapsed().as_millis())?;
            self.connection.set_time(millis);
            let event = self.connection.receive(&mut self.read, &limits);
            self.connection.send_pending(&mut self.out);
            match event {
                Ok(Some(Event::Message(message))) => return Ok(Some(message)),
                Ok(Some(Event::Fragment(_)) | None) => {}
                Err(error) => eprintln!("failed: {error}"),
            }
            self.flush().await?;
            if self.connection.is_over() {
                return Ok(None);
            }
            self.read.reserve(READ);
            if self.stream.read_buf(&mut self.read).await? == 0 {
                self.connection.receive_end();
                return Ok(None);
            }
        }
    }

    /// The closing handshake; then the server closes the connection first (RFC 6455 §7.1.1). The suite does
    /// it with a reset.
    async fn finish(mut self) {
        let _ = self.connection.send_close(None, &mut self.out);
        let end = async {
            self.flush().await?;
            while self.receive().await?.is_some() {}
            self.flush().await?;
            let mut rest = [0; 1024];
            while self.stream.read(&mut rest).await? > 0 {}
            Result::Ok(())
        };
        let _ = timeout(CLOSING, end).await;
    }

    async fn flush(&mut self) -> io::Result<()> {
        let octets = self.out.to_vec();
        self.out.reset();
        self.stream.write_all(&octets).await
    }
}

/// Keys that differ from frame to frame. They need not be secret here: nothing but a test stands between.
fn masking_keys() -> impl FnMut() -> MaskingKey + Send {
    let mut state = random();
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let [a, b, c, d, ..] = state.to_le_bytes();
        MaskingKey::new([a, b, c, d])
    }
}

fn nonce() -> [u8; 16] {
    let mut nonce = [0; 16];
    nonce[..8].copy_from_slice(&random().to_le_bytes());
    nonce[8..].copy_from_slice(&random().to_le_bytes());
    nonce
}

fn random() -> u64 {
    RandomState::new().hash_one(0) | 1
}

const READ: usize = 64 * 1024;
const LONGEST_HEAD: usize = 16 * 1024;
const LONGEST_CASE: Duration = Duration::from_secs(60);
const CLOSING: Duration = Duration::from_secs(2);
