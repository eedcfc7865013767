//! RESILIENCE R5 for what needs a whole server: however the octets of a TLS ClientHello, or of a session over polling, are cut into reads,
//! the same comes of them. The corpora are cut in `tests/interop/rust/proofs`.

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use wireline::Router;
use wireline::resource::io::Io;
use wireline::resource::io::memory::{self, MemoryStream};
use wireline::server::{TlsAcceptor, TlsConfig};
use wireline::socketio::server::{Data, Socket, SocketIo};
use wireline::test::TestClient;

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_client_hello_in_any_two_pieces() {
    let (acceptor, client) = tls();
    let whole = handshake(&acceptor, &client, &[]).await;
    let length = hello(&client).1.len();
    assert!(length > 100, "{length}");
    let mut runs = 0;
    for cut in (1..length).step_by(step()) {
        assert_eq!(handshake(&acceptor, &client, &[cut]).await, whole, "{cut}");
        runs += 1;
    }
    let singly: Vec<usize> = (1..length).collect();
    assert_eq!(handshake(&acceptor, &client, &singly).await, whole);
    for cut in (2..length).step_by(step() * 4) {
        let cuts = [cut / 2, cut];
        let found = handshake(&acceptor, &client, &cuts).await;
        assert_eq!(found, whole, "{cuts:?}");
        runs += 1;
    }
    report("TLS: a ClientHello cut at every place", runs + 1, 200);
}

#[tokio::test]
async fn what_is_no_client_hello_in_any_two_pieces() {
    let (acceptor, client) = tls();
    let mut wrong_version = hello(&client).1;
    wrong_version[1] = 9;
    let mut wrong_length = hello(&client).1;
    wrong_length[7] ^= 0x40;
    let plain = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec();
    let mut runs = 0;
    for octets in [plain, wrong_version, wrong_length] {
        let whole = refusal(&acceptor, &[&octets]).await;
        for cut in (1..octets.len()).step_by(step()) {
            let (before, after) = octets.split_at(cut);
            let found = refusal(&acceptor, &[before, after]).await;
            assert_eq!(found, whole, "{cut} of {}", octets.escape_ascii());
            runs += 1;
        }
    }
    report("TLS: what is no ClientHello cut at every place", runs, 200);
}

/// A session over polling: what its client posts, cut at every place; what it polls then.
#[tokio::test]
async fn a_session_over_polling_in_any_two_pieces() {
    let io = SocketIo::new();
    io.on("say", async |socket: Socket, Data(text): Data<String>| {
        let _ = socket.emit("said", text);
    });
    let client = TestClient::new(Router::new().socket_io(&io).build().unwrap());
    let content = "40\u{1e}42[\"say\",\"h\u{e9}llo \u{1f600}\"]\u{1e}42[\"say\",\"two\"]";
    let request = |sid: &str| {
        format!(
            "POST /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain;charset=UTF-8\r\nContent-Length: {}\r\n\r\n{content}",
            content.len()
        )
    };
    let whole = polled(&client, &request, &[]).await;
    assert!(whole.contains("said") && whole.contains("two"), "{whole}");
    let length = request("{sid of twenty char}").len();
    let mut runs = 0;
    for cut in (1..length).step_by(step()) {
        assert_eq!(polled(&client, &request, &[cut]).await, whole, "{cut}");
        runs += 1;
    }
    let singly: Vec<usize> = (1..length).collect();
    assert_eq!(polled(&client, &request, &singly).await, whole);
    report(
        "polling: a POST of a session cut at every place",
        runs + 1,
        150,
    );
}

/// What comes of a session whose POST is cut there, without what is different each time.
async fn polled(client: &TestClient, request: &impl Fn(&str) -> String, cuts: &[usize]) -> String {
    let mut io = client.connect();
    let open = "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\n\r\n";
    io.write_all(open.as_bytes()).await.unwrap();
    let opened = response(&mut io).await;
    let sid = opened.split("\"sid\":\"").nth(1).unwrap();
    let sid = sid.split('"').next().unwrap();
    send(&mut io, request(sid).as_bytes(), cuts).await;
    let mut got = response(&mut io).await;
    let poll =
        format!("GET /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: a\r\n\r\n");
    // All that was posted may not be answered by the first of them.
    while !got.contains("\"two\"") {
        io.write_all(poll.as_bytes()).await.unwrap();
        got.push_str(&response(&mut io).await);
        got.push('\u{1e}');
    }
    let mut plain = String::new();
    for packet in got.split('\u{1e}').filter(|packet| !packet.is_empty()) {
        plain.push_str(if packet.contains("\"sid\"") {
            "sid"
        } else {
            packet
        });
        plain.push('\n');
    }
    plain
}

/// The content of the next response, which is to be a 200.
async fn response(io: &mut MemoryStream) -> String {
    let mut got = Vec::new();
    let read = async {
        loop {
            assert!(io.read_buf(&mut got).await.unwrap() > 0, "it ended");
            let text = String::from_utf8_lossy(&got);
            let Some((head, content)) = text.split_once("\r\n\r\n") else {
                continue;
            };
            assert!(head.starts_with("HTTP/1.1 200 "), "{text}");
            let length = head
                .split("\r\n")
                .find_map(|line| line.strip_prefix("content-length: "))
                .and_then(|length| wireline::wire::number::decimal(length.as_bytes()))
                .expect("a length");
            if content.len() as u64 == length {
                return content.to_owned();
            }
        }
    };
    timeout(PATIENCE, read).await.expect("a response in time")
}

/// Sends the octets in pieces; each has been read before the next one comes.
async fn send(io: &mut MemoryStream, octets: &[u8], cuts: &[usize]) {
    let mut begin = 0;
    for cut in cuts.iter().copied().chain([octets.len()]) {
        io.write_all(&octets[begin..cut.min(octets.len())])
            .await
            .unwrap();
        begin = cut.min(octets.len());
        // One thread: whoever was woken by the write runs before this goes on.
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
    }
}

fn tls() -> (TlsAcceptor, Arc<ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let acceptor = TlsConfig::from_pem_bytes(chain.as_bytes(), key.as_bytes())
        .unwrap()
        .acceptor()
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from(made.cert.der().to_vec()))
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // A ticket would make the next ClientHello another one.
    config.resumption = rustls::client::Resumption::disabled();
    (acceptor, Arc::new(config))
}

/// A client and what it says first.
fn hello(config: &Arc<ClientConfig>) -> (ClientConnection, Vec<u8>) {
    let name = ServerName::try_from("localhost").unwrap();
    let mut client = ClientConnection::new(config.clone(), name).unwrap();
    let mut octets = Vec::new();
    while client.wants_write() {
        client.write_tls(&mut octets).unwrap();
    }
    (client, octets)
}

/// A handshake whose first message is cut there, and an octet each way: what the server found out.
async fn handshake(acceptor: &TlsAcceptor, config: &Arc<ClientConfig>, cuts: &[usize]) -> String {
    let (mut io, server) = memory::pair(64 * 1024);
    let acceptor = acceptor.clone();
    let accepted = tokio::spawn(async move { acceptor.accept(Io::Dyn(Box::new(server))).await });
    let (mut client, octets) = hello(config);
    send(&mut io, &octets, cuts).await;
    let talk = async {
        let mut buf = [0; 4096];
        while client.is_handshaking() || client.wants_write() {
            let mut octets = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut octets).unwrap();
            }
            io.write_all(&octets).await.unwrap();
            if !client.is_handshaking() {
                break;
            }
            let len = io.read(&mut buf).await.unwrap();
            assert!(len > 0, "the server ended it");
            client.read_tls(&mut &buf[..len]).unwrap();
            client.process_new_packets().unwrap();
        }
    };
    timeout(PATIENCE, talk).await.expect("a handshake in time");
    let (_, info) = timeout(PATIENCE, accepted)
        .await
        .expect("an end in time")
        .unwrap()
        .expect("a handshake");
    format!("{info:?}")
}

/// Why the server ended it, and what it said before: an alert.
async fn refusal(acceptor: &TlsAcceptor, pieces: &[&[u8]]) -> (ErrorKind, Vec<u8>) {
    let (mut io, server) = memory::pair(64 * 1024);
    let acceptor = acceptor.clone();
    let accepted = tokio::spawn(async move { acceptor.accept(Io::Dyn(Box::new(server))).await });
    let octets = pieces.concat();
    let cuts: Vec<usize> = pieces[..pieces.len() - 1]
        .iter()
        .map(|piece| piece.len())
        .collect();
    send_if_wanted(&mut io, &octets, &cuts).await;
    io.shutdown().await.unwrap();
    let mut said = Vec::new();
    timeout(PATIENCE, io.read_to_end(&mut said))
        .await
        .expect("an end in time")
        .unwrap();
    let ended = timeout(PATIENCE, accepted).await.expect("an end in time");
    let Err(error) = ended.unwrap() else {
        panic!("it was accepted");
    };
    (error.kind(), said)
}

/// As [`send`], to a server that may have ended it before the last piece.
async fn send_if_wanted(io: &mut MemoryStream, octets: &[u8], cuts: &[usize]) {
    let mut begin = 0;
    for cut in cuts.iter().copied().chain([octets.len()]) {
        let _ = io.write_all(&octets[begin..cut]).await;
        begin = cut;
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
    }
}

/// Every place with the full count, one in seven else.
fn step() -> usize {
    if is_full() { 1 } else { 7 }
}

fn is_full() -> bool {
    std::env::var_os("WIRELINE_PROOFS").is_some_and(|size| size == "full")
}

/// A line for `bench/proofs`.
fn report(what: &str, figure: usize, limit: usize) {
    println!(
        "{{\"row\": \"R5\", \"what\": \"{what}\", \"figure\": {figure}, \"limit\": {limit}, \"full\": {}}}",
        is_full()
    );
}
