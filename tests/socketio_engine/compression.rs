//! What is compressed, for whom, and what is not.

use crate::peer::{PATIENCE, Site, calm, message, number, send, serve, text};
use std::io::Write;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use wireline::socketio::server::{Socket, SocketIo, SocketIoConfig};
use wireline::socketio::transport::{EngineConfig, Outgoing};
use wireline::test::TestServer;
use wireline::wire::number::hex_digit;
use wireline::ws::client::Client;
use wireline::ws::deflate;
use wireline::{Router, Server};

fn compressing() -> EngineConfig {
    EngineConfig {
        compress_websockets: true,
        ..calm()
    }
}

/// A WebSocket whose frames are seen as they are.
struct Raw {
    stream: TcpStream,
    /// The extensions that were agreed on.
    extensions: Option<String>,
}

impl Raw {
    async fn open(site: &Site, offer: &str) -> Self {
        Self::open_at(site.addr(), "/engine.io/", offer).await
    }

    async fn open_at(addr: SocketAddr, path: &str, offer: &str) -> Self {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        let head = format!(
            "GET {path}?EIO=4&transport=websocket HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{offer}\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut octets = Vec::new();
        while !octets.ends_with(b"\r\n\r\n") {
            octets.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(octets).unwrap();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        let found = lines.find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-extensions"));
        let extensions = found.map(|(_, value)| value.to_owned());
        let mut raw = Self { stream, extensions };
        let (first, open) = raw.frame().await;
        assert_eq!((first, open[0]), (0x81, b'0'));
        raw
    }

    /// The first octet of a frame, and its payload.
    async fn frame(&mut self) -> (u8, Vec<u8>) {
        let reading = async {
            let first = self.stream.read_u8().await.unwrap();
            let len = match self.stream.read_u8().await.unwrap() {
                126 => u64::from(self.stream.read_u16().await.unwrap()),
                127 => self.stream.read_u64().await.unwrap(),
                len => len.into(),
            };
            let mut payload = vec![0; usize::try_from(len).unwrap()];
            self.stream.read_exact(&mut payload).await.unwrap();
            (first, payload)
        };
        timeout(PATIENCE, reading).await.unwrap()
    }

    /// Sends a short text, masked with zeros.
    async fn say(&mut self, text: &str) {
        let len = u8::try_from(text.len()).unwrap();
        let head = [0x81, 0x80 | len, 0, 0, 0, 0];
        let frame = [&head[..], text.as_bytes()].concat();
        self.stream.write_all(&frame).await.unwrap();
    }
}

const OFFER: &str = "sec-websocket-extensions: permessage-deflate; client_max_window_bits\r\n";
const COMPRESSED: u8 = 0xc1;
const PLAIN: u8 = 0x81;

#[tokio::test]
async fn websockets_get_long_messages_compressed_if_they_take_them_so() {
    let site = serve(compressing());
    let long = Outgoing::text(&"a".repeat(1023));
    let short = Outgoing::text(&"a".repeat(1022));
    let mut takes = Raw::open(&site, OFFER).await;
    let agreed = takes.extensions.clone().unwrap();
    assert!(agreed.starts_with("permessage-deflate"), "{agreed}");
    assert!(agreed.contains("server_no_context_takeover"), "{agreed}");
    let session = site.seen.sessions.lock().unwrap().last().cloned().unwrap();
    for _ in 0..2 {
        assert!(session.send(&long));
        let (first, payload) = takes.frame().await;
        assert_eq!(first, COMPRESSED);
        assert!(payload.len() < 50, "{}", payload.len());
        assert!(session.send(&short));
        let (first, payload) = takes.frame().await;
        assert_eq!((first, payload.len()), (PLAIN, 1023));
    }
    takes.say("4plain").await;
    let (first, payload) = takes.frame().await;
    assert_eq!((first, payload.len()), (PLAIN, 2001));
    // An attachment is judged for itself, and noise is left alone.
    let photo = Outgoing::with_attachments("51-[]", vec![vec![7; 5000].into()]);
    session.send(&photo);
    assert_eq!(takes.frame().await, (PLAIN, b"451-[]".to_vec()));
    let (first, payload) = takes.frame().await;
    assert_eq!(first, 0xc2);
    assert!(payload.len() < 100);
    let mut noise: Vec<u8> = Vec::new();
    let mut state = 1_u32;
    noise.resize_with(4000, || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    });
    session.send(&Outgoing::binary(&noise));
    assert_eq!(takes.frame().await, (0x82, noise));
    // Nobody else gets it so: who does not offer it, and who has room for less than it takes.
    for (offer, is_agreed) in [
        ("", false),
        (
            "sec-websocket-extensions: permessage-deflate; server_max_window_bits=9\r\n",
            true,
        ),
    ] {
        let mut other = Raw::open(&site, offer).await;
        assert_eq!(other.extensions.is_some(), is_agreed);
        let session = site.seen.sessions.lock().unwrap().last().cloned().unwrap();
        session.send(&long);
        let (first, payload) = other.frame().await;
        assert_eq!((first, payload.len()), (PLAIN, 1024));
    }
}

#[tokio::test]
async fn websockets_are_not_compressed_unless_that_is_asked_for() {
    let site = serve(calm());
    let mut raw = Raw::open(&site, OFFER).await;
    assert_eq!(raw.extensions, None);
    let session = site.seen.sessions.lock().unwrap().last().cloned().unwrap();
    session.send(&Outgoing::text(&"a".repeat(5000)));
    assert_eq!(raw.frame().await.0, PLAIN);
}

#[tokio::test]
async fn what_is_compressed_is_what_was_said() {
    let site = serve(compressing());
    let url = format!("ws://{}/engine.io/?EIO=4&transport=websocket", site.addr());
    let client = Client::new().deflate(deflate::Config::default());
    let mut socket = client.connect(&url).await.unwrap();
    text(&mut socket).await.unwrap();
    for len in [0, 1000, 1024, 5000, 300_000] {
        let said: String = "some text".chars().cycle().take(len).collect();
        socket.send_text(format!("4{said}")).await.unwrap();
        assert_eq!(text(&mut socket).await.unwrap(), format!("4{said}"));
        socket.send_binary(said.clone().into_bytes()).await.unwrap();
        let back = message(&mut socket).await.unwrap();
        assert_eq!(back.as_bytes(), said.as_bytes());
    }
    // What inflates beyond the bound ends the session.
    let mut socket = client.connect(&url).await.unwrap();
    let open = text(&mut socket).await.unwrap();
    let sid = open.split('"').nth(3).unwrap().to_owned();
    socket
        .send_text(format!("4{}", "a".repeat(1_000_001)))
        .await
        .unwrap();
    let reason = site.reason(&sid).await;
    assert_eq!(reason.as_str(), "payload too large");
}

#[tokio::test]
async fn a_session_that_goes_over_is_compressed_from_then_on() {
    let site = serve(compressing());
    let sid = site.open().await;
    let url = format!(
        "ws://{}/engine.io/?EIO=4&transport=websocket&sid={sid}",
        site.addr()
    );
    let client = Client::new().deflate(deflate::Config::default());
    let mut socket = client.connect(&url).await.unwrap();
    socket.send_text("2probe").await.unwrap();
    assert_eq!(text(&mut socket).await.unwrap(), "3probe");
    let long = "a".repeat(5000);
    site.session(&sid).send(&Outgoing::text(&long));
    socket.send_text("5").await.unwrap();
    socket.send_text("4then").await.unwrap();
    assert_eq!(text(&mut socket).await.unwrap(), format!("4{long}"));
    assert_eq!(text(&mut socket).await.unwrap(), "4then");
}

#[tokio::test]
async fn a_room_is_compressed_once_for_all_who_take_it_so() {
    let io = SocketIo::with_config(SocketIoConfig {
        engine: compressing(),
        ..SocketIoConfig::default()
    });
    io.on_connection(async |socket: Socket| socket.join("room"));
    let routes = Router::new().socket_io(&io).build().unwrap();
    let server = TestServer::start(Server::new(routes));
    let mut peers = Vec::new();
    for offer in [OFFER, OFFER, ""] {
        let mut peer = Raw::open_at(server.addr(), "/socket.io/", offer).await;
        peer.say("40").await;
        let (_, hello) = peer.frame().await;
        assert!(hello.starts_with(b"40{"));
        peers.push(peer);
    }
    let long = "a".repeat(3000);
    let event = format!("42[\"news\",\"{long}\"]").into_bytes();
    let room = || io.to("room");
    // Each way that a message goes: to a room in one run with others, one by one, kept from being compressed.
    room().emit("news", &*long).unwrap();
    room().emit("short", 1).unwrap();
    room().emit("news", &*long).unwrap();
    room().volatile().emit("news", &*long).unwrap();
    room().compress(false).emit("news", &*long).unwrap();
    for socket in room().sockets() {
        socket.compress(true).emit("news", &*long).unwrap();
        socket.compress(false).emit("news", &*long).unwrap();
        socket.emit("short", 2).unwrap();
    }
    for at in 0..8 {
        let mut frames = Vec::new();
        for peer in &mut peers {
            frames.push(peer.frame().await);
        }
        let short = match at {
            1 => Some(1),
            7 => Some(2),
            _ => None,
        };
        if let Some(number) = short {
            let event = format!("42[\"short\",{number}]").into_bytes();
            assert!(frames.iter().all(|frame| *frame == (PLAIN, event.clone())));
            continue;
        }
        assert!(frames[2] == (PLAIN, event.clone()), "{at}");
        assert!(frames[0] == frames[1], "{at}");
        let first = if [4, 6].contains(&at) {
            PLAIN
        } else {
            COMPRESSED
        };
        assert_eq!(frames[0].0, first, "{at}");
    }
}

/// The head of an answer to a poll, and its content.
async fn fetch(site: &Site, sid: &str, fields: &str) -> (String, Vec<u8>) {
    let request = format!("GET /engine.io/?EIO=4&transport=polling&sid={sid}\n{fields}");
    let mut stream = send(site.addr(), &request, b"").await;
    let mut octets = Vec::new();
    let reading = stream.read_to_end(&mut octets);
    timeout(PATIENCE, reading).await.unwrap().unwrap();
    let end = octets
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    let head = String::from_utf8(octets[..end].to_vec()).unwrap();
    assert_eq!(number(&head[9..12]), 200, "{head}");
    let head = head.to_lowercase();
    let mut rest = &octets[end + 4..];
    if !head.contains("\r\ntransfer-encoding: chunked") {
        return (head, rest.to_vec());
    }
    let mut content = Vec::new();
    loop {
        let line = rest.iter().position(|octet| *octet == b'\r').unwrap();
        let digits = rest[..line].iter().map(|octet| hex_digit(*octet).unwrap());
        let size = digits.fold(0, |size, digit| size * 16 + usize::from(digit));
        if size == 0 {
            return (head, content);
        }
        rest = &rest[line + 2..];
        content.extend_from_slice(&rest[..size]);
        rest = &rest[size + 2..];
    }
}

#[tokio::test]
async fn polls_are_answered_compressed_if_they_take_it_so() {
    for (is_on, say, accept, is_compressed) in [
        (
            true,
            "4count 2000",
            "accept-encoding: gzip, deflate, br",
            true,
        ),
        (true, "4count 500", "accept-encoding: gzip", true),
        (true, "4count 2000", "accept-encoding: gzip;q=0, br", false),
        (true, "4count 2000", "accept-encoding: identity", false),
        (true, "4count 2000", "", false),
        // Too little, and what is not to be; beside what may be, it is.
        (true, "4count 100", "accept-encoding: gzip", false),
        (true, "4plain", "accept-encoding: gzip", false),
        (true, "4plain\u{1e}4a", "accept-encoding: gzip", true),
        (false, "4count 2000", "accept-encoding: gzip", false),
    ] {
        let site = serve(EngineConfig {
            max_packets_per_poll: 10_000,
            compress_polls: is_on,
            ..calm()
        });
        let sid = site.open().await;
        assert_eq!(site.post(&sid, say).await.status, 200);
        let (head, content) = fetch(&site, &sid, accept).await;
        let coding = head.contains("\r\ncontent-encoding: gzip");
        assert_eq!(coding, is_compressed, "{say} {accept}: {head}");
        let content = if is_compressed {
            assert!(head.contains("\r\nvary: accept-encoding"), "{head}");
            let mut decoder = flate2::write::GzDecoder::new(Vec::new());
            decoder.write_all(&content).unwrap();
            decoder.finish().unwrap()
        } else {
            content
        };
        let content = String::from_utf8(content).unwrap();
        let count = match say {
            "4count 2000" => 2000,
            "4count 500" => 500,
            "4count 100" => 100,
            "4plain" => 1,
            _ => 2,
        };
        assert_eq!(content.split('\u{1e}').count(), count, "{content:.100}");
        assert!(content.starts_with('4'));
    }
}
