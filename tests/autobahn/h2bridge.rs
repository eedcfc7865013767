//! Lets the Autobahn test suite, which knows HTTP/1.1 alone, judge WebSockets over HTTP/2: `autobahn_h2bridge 127.0.0.1:8080`
//! prints `listening on ADDR` and takes its opening handshakes there. Each becomes an extended CONNECT (RFC 8441) on an HTTP/2
//! connection of its own to the given server, made by the `h2` crate, and the octets of both sides are carried as they are.
//!
//! ```text
//!   suite --101--> bridge --CONNECT, :protocol websocket--> server
//!         <------- octets, FIN = END_STREAM, reset = CANCEL ------>
//! ```
//!
//! The bridge keeps to h2's windows of 64 KiB, so that large messages wait for room.

use bytes::{Bytes, BytesMut};
use h2::client::SendRequest;
use h2::ext::Protocol;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request, StatusCode};
use std::error::Error;
use std::future::poll_fn;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use wireline::ws::handshake::accept_key;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let (Some(server), None) = (words.next(), words.next()) else {
        eprintln!("usage: autobahn_h2bridge HOST:PORT");
        return ExitCode::from(2);
    };
    match listen(server.into()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn listen(server: Arc<str>) -> Outcome<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (suite, _) = listener.accept().await?;
        let server = server.clone();
        tokio::spawn(async move {
            if let Err(error) = bridge(suite, &server).await {
                eprintln!("{error}");
            }
        });
    }
}

async fn bridge(mut suite: TcpStream, server: &str) -> Outcome<()> {
    suite.set_nodelay(true)?;
    let mut came = BytesMut::new();
    let opening = loop {
        if let Some(end) = came.windows(4).position(|octets| octets == b"\r\n\r\n") {
            break Opening::read(&came.split_to(end + 4))?;
        }
        if came.len() > LARGEST_HEAD || suite.read_buf(&mut came).await? == 0 {
            return Ok(());
        }
    };

    let mut client = connect(server).await?;
    let (request, key) = opening.into_request(server)?;
    let (response, send) = client.send_request(request, false)?;
    let (head, recv) = response.await?.into_parts();
    if head.status != StatusCode::OK {
        let refusal = format!("HTTP/1.1 {}\r\nContent-Length: 0\r\n\r\n", head.status);
        return Ok(suite.write_all(refusal.as_bytes()).await?);
    }
    suite.write_all(&answer(&key, &head.headers)).await?;

    let (from, to) = suite.into_split();
    let up = tokio::spawn(upwards(from, send, came.freeze()));
    let down = downwards(recv, to).await;
    // Nobody listens any more.
    up.abort();
    down
}

/// What the suite asks for, as far as it is not HTTP/1.1's own.
struct Opening {
    target: String,
    key: Vec<u8>,
    fields: Vec<(String, String)>,
}

impl Opening {
    fn read(head: &[u8]) -> Outcome<Self> {
        let text = std::str::from_utf8(head)?;
        let mut lines = text.lines();
        let target = lines.next().and_then(|line| line.split(' ').nth(1));
        let mut opening = Self {
            target: target.ok_or("a request line without a target")?.to_owned(),
            key: Vec::new(),
            fields: Vec::new(),
        };
        for line in lines {
            let Some((name, value)) = line.split_once(':') else {
                continue;
            };
            let (name, value) = (name.to_ascii_lowercase(), value.trim());
            match name.as_str() {
                "sec-websocket-key" => opening.key = value.as_bytes().to_vec(),
                // RFC 8441 §5: the authority is the server's, and the others do not exist.
                "host" | "connection" | "upgrade" => {}
                _ => opening.fields.push((name, value.to_owned())),
            }
        }
        Ok(opening)
    }

    fn into_request(self, server: &str) -> Outcome<(Request<()>, Vec<u8>)> {
        let request = Request::connect(format!("http://{server}{}", self.target))
            .extension(Protocol::from_static("websocket"));
        let request = self
            .fields
            .into_iter()
            .fold(request, |request, (name, value)| {
                request.header(name, value)
            });
        Ok((request.body(())?, self.key))
    }
}

/// A connection whose server has said that it takes extended CONNECT.
async fn connect(server: &str) -> Outcome<SendRequest<Bytes>> {
    let stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    let (client, connection) = h2::client::handshake(stream).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            eprintln!("the connection to the server: {error}");
        }
    });
    let client = client.ready().await?;
    let allowed = async {
        while !client.is_extended_connect_protocol_enabled() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_secs(5), allowed)
        .await
        .map_err(|_| "no SETTINGS_ENABLE_CONNECT_PROTOCOL came")?;
    Ok(client)
}

/// The answer that the suite expects, with what the server agreed to.
fn answer(key: &[u8], fields: &HeaderMap) -> Vec<u8> {
    let mut head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n",
        accept_key(key)
    )
    .into_bytes();
    for (name, value) in fields {
        head.extend_from_slice(
            &[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat(),
        );
    }
    head.extend_from_slice(b"\r\n");
    head
}

async fn downwards(mut recv: RecvStream, mut suite: OwnedWriteHalf) -> Outcome<()> {
    while let Some(data) = recv.data().await {
        let data = data?;
        suite.write_all(&data).await?;
        // Only now, so that a suite that does not read stops the server.
        recv.flow_control().release_capacity(data.len())?;
    }
    Ok(suite.shutdown().await?)
}

async fn upwards(mut suite: OwnedReadHalf, mut send: SendStream<Bytes>, came: Bytes) {
    let mut data = came;
    loop {
        while !data.is_empty() {
            send.reserve_capacity(data.len());
            match poll_fn(|cx| send.poll_capacity(cx)).await {
                Some(Ok(room)) => {
                    let piece = data.split_to(room.min(data.len()));
                    if send.send_data(piece, false).is_err() {
                        return;
                    }
                }
                _ => return,
            }
        }
        let mut buf = BytesMut::with_capacity(READ);
        match suite.read_buf(&mut buf).await {
            Ok(0) => {
                // A stream that was reset has nothing more to end.
                let _ = send.send_data(Bytes::new(), true);
                return;
            }
            Ok(_) => data = buf.freeze(),
            Err(_) => return send.send_reset(Reason::CANCEL),
        }
    }
}

/// More than the suite ever sends.
const LARGEST_HEAD: usize = 64 * 1024;

const READ: usize = 64 * 1024;
