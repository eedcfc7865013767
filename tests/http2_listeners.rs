//! Which version a connection speaks, over real sockets: ALPN over TLS, the first octets on a plain port.

#[path = "tls/common.rs"]
#[allow(dead_code, reason = "the tests of TLS use the rest")]
mod common;
#[path = "support/h2_peer.rs"]
mod h2_peer;

use bytes::Bytes;
use common::{Authority, client, connect, until, within};
use h2_peer::{
    DATA, END_HEADERS, END_STREAM, HEADERS, PREFACE, SETTINGS, ask, frame, read, request, to,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use wireline::resource::counters::Counter;
use wireline::resource::tls_info::TlsInfo;
use wireline::server::Running;
use wireline::service::body::BodyError;
use wireline::service::request::Request;
use wireline::service::upgrade::Upgraded;
use wireline::{Response, Router, Server};

fn server() -> Server {
    let routes = Router::new()
        .get("/", async |request: Request| {
            format!("{:?}", request.version())
        })
        .get("/alpn", async |tls: TlsInfo| {
            String::from_utf8_lossy(tls.alpn().unwrap_or_default()).into_owned()
        })
        .get("/who", async |tls: TlsInfo| told(&tls))
        .get_or_tunnel("/tunnel", async |tls: TlsInfo| {
            Response::upgrade("told", async move |mut io: Upgraded| {
                let _ = io.write_all(told(&tls).as_bytes()).await;
                let _ = io.shutdown().await;
            })
            .with_header("connection", "x-hop")
            .with_header("x-hop", "1")
            .with_header("keep-alive", "timeout=5")
        })
        .build()
        .unwrap();
    Server::new(routes).signals(false)
}

/// What a handler is told of its client's handshake.
fn told(tls: &TlsInfo) -> String {
    let certificates: Vec<usize> = tls.peer_certificates().map(<[u8]>::len).collect();
    format!("{:?} {certificates:?}", tls.server_name())
}

fn start(server: Server) -> (Running, std::net::SocketAddr) {
    let running = server.start().unwrap();
    let bound = running.handle().bound()[0].to_string();
    let addr = bound.rsplit_once("//").map_or(&*bound, |(_, addr)| addr);
    let port = addr.rsplit_once(':').unwrap().1.trim_end_matches('/');
    let port = port
        .bytes()
        .fold(0, |port, digit| port * 10 + u16::from(digit - b'0'));
    (running, ([127, 0, 0, 1], port).into())
}

/// One request over HTTP/1.1, and everything that comes.
async fn http1(addr: std::net::SocketAddr, octets: &[u8]) -> String {
    let mut io = TcpStream::connect(addr).await.unwrap();
    io.write_all(octets).await.unwrap();
    let mut came = Vec::new();
    let _ = io.read_to_end(&mut came).await;
    String::from_utf8_lossy(&came).into_owned()
}

#[tokio::test]
async fn d27_a_plain_port_speaks_both_when_it_is_told_and_not_before() {
    let (running, addr) = start(server().bind("127.0.0.1:0").h2c(true));
    let io = TcpStream::connect(addr).await.unwrap();
    let (client, connection) = h2::client::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let reply = ask(&client, to("GET", "/").body(Bytes::new()).unwrap())
        .await
        .unwrap();
    assert_eq!(reply.text(), "HTTP/2.0");
    let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    assert!(http1(addr, request).await.ends_with("HTTP/1.1"));
    // Methods that begin as the preface does.
    for method in ["P", "PR", "PRI", "PUT"] {
        let request = format!("{method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let answer = http1(addr, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 405 "), "{method}: {answer}");
    }
    assert_eq!(running.handle().metrics().get(Counter::Http2Connections), 1);

    let (_running, addr) = start(server().bind("127.0.0.1:0"));
    let answer = http1(addr, PREFACE).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}

/// The host is in `:authority` alone (RFC 9113 §8.3.1).
#[tokio::test]
async fn a_plain_port_sends_both_to_https() {
    let (_running, addr) = start(server().redirect_to_https("127.0.0.1:0", 8443).h2c(true));
    let io = TcpStream::connect(addr).await.unwrap();
    let (client, connection) = h2::client::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let request = to("GET", "/x?y=1").body(Bytes::new()).unwrap();
    let reply = ask(&client, request).await.unwrap();
    assert_eq!(reply.status, 308);
    assert_eq!(reply.field("location"), Some("https://a:8443/x?y=1"));
    let tunnel = http::Request::builder().method("CONNECT").uri("a:443");
    let reply = ask(&client, tunnel.body(Bytes::new()).unwrap())
        .await
        .unwrap();
    assert_eq!(
        (reply.status.as_u16(), reply.field("location")),
        (400, None)
    );
}

/// TL-7 over HTTP/2: who cuts the line, without `close_notify`, in the middle of a body has not sent it; one whose end
/// was sent is whole, however the line ends.
#[tokio::test]
async fn a_truncated_body_is_an_error_over_tls() {
    let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
    let routes = Router::new().post("/", move |mut request: Request| {
        // Whoever reads outlives the handler, which ends with its connection.
        let sender = sender.clone();
        tokio::spawn(async move {
            let read = request.collect().await;
            sender
                .send(read.map(|content| content.len()))
                .await
                .unwrap();
        });
        std::future::pending::<()>()
    });
    let authority = Authority::new();
    let server = Server::new(routes.build().unwrap()).signals(false);
    let server = server.bind_tls("127.0.0.1:0", authority.tls("localhost"));
    let (running, addr) = start(server);
    let metrics = running.handle().metrics();
    let mut config = client(&authority, rustls::ALL_VERSIONS, None);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let config = Arc::new(config);
    for (round, ends) in [false, true].into_iter().enumerate() {
        let mut io = connect(addr, "localhost", &config).await.unwrap();
        let data = frame(DATA, if ends { END_STREAM } else { 0 }, 1, b"hello");
        let octets = [
            PREFACE,
            &frame(SETTINGS, 0, 0, &[]),
            &frame(HEADERS, END_HEADERS, 1, &request("POST", "/")),
            &data,
        ];
        io.write_all(&octets.concat()).await.unwrap();
        io.flush().await.unwrap();
        until("the request", || {
            metrics.get(Counter::Requests) == round as u64 + 1
        })
        .await;
        io.get_mut().0.shutdown().await.unwrap();
        match within(receiver.recv()).await.unwrap() {
            Ok(len) => assert!(ends && len == 5, "{len} of a body that was cut"),
            Err(error) => assert!(!ends && matches!(error, BodyError::Incomplete), "{error:?}"),
        }
        until("the end", || metrics.connections() == 0).await;
    }
    assert_eq!(metrics.get(Counter::Responses), 0);
}

#[tokio::test]
async fn h2_12_every_split_and_every_fault_of_a_preface() {
    let (running, addr) = start(server().bind("127.0.0.1:0").h2c(true));
    let hello = [PREFACE, &frame(4, 0, 0, &[])].concat();
    for cut in 1..hello.len() {
        let mut io = TcpStream::connect(addr).await.unwrap();
        io.set_nodelay(true).unwrap();
        io.write_all(&hello[..cut]).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        io.write_all(&hello[cut..]).await.unwrap();
        let mut head = [0; 9];
        io.read_exact(&mut head).await.unwrap();
        assert_eq!(head[3], 4, "settings, cut at {cut}");
    }
    assert_eq!(
        running.handle().metrics().get(Counter::Http2Connections),
        hello.len() as u64 - 1
    );
    for place in 0..PREFACE.len() {
        let mut wrong = PREFACE.to_vec();
        wrong[place] = b'!';
        let answer = http1(addr, &wrong).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{place}: {answer}");
    }
}

#[tokio::test]
async fn s21_alpn_chooses() {
    let authority = Authority::new();
    let (running, addr) = start(server().bind_tls("127.0.0.1:0", authority.tls("localhost")));
    let mut roots = RootCertStore::empty();
    roots.add(authority.der()).unwrap();
    for (offered, chosen) in [
        (&["h2", "http/1.1"][..], "h2"),
        (&["http/1.1", "h2"], "h2"),
        (&["h2"], "h2"),
        (&["http/1.1"], "http/1.1"),
        (&[], ""),
    ] {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = offered
            .iter()
            .map(|name| name.as_bytes().to_vec())
            .collect();
        let config = Arc::new(config);
        let open = async || {
            let name = ServerName::try_from("localhost").unwrap();
            let io = TcpStream::connect(addr).await.unwrap();
            let connector = TlsConnector::from(config.clone());
            connector.connect(name, io).await.unwrap()
        };
        let mut io = open().await;
        if chosen == "h2" {
            let (client, connection) = h2::client::handshake(io).await.unwrap();
            tokio::spawn(connection);
            let reply = ask(&client, to("GET", "/alpn").body(Bytes::new()).unwrap())
                .await
                .unwrap();
            assert_eq!(reply.text(), "h2", "{offered:?}");
        } else {
            io.write_all(b"GET /alpn HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                .await
                .unwrap();
            let mut answer = String::new();
            let _ = io.read_to_string(&mut answer).await;
            assert!(
                answer.ends_with(&format!("\r\n\r\n{chosen}")),
                "{offered:?}: {answer}"
            );
            // RFC 9113 §3.3: over TLS a preface alone chooses nothing.
            let mut io = open().await;
            io.write_all(PREFACE).await.unwrap();
            let mut answer = String::new();
            let _ = io.read_to_string(&mut answer).await;
            assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        }
    }
    let handle = running.handle();
    assert_eq!(handle.metrics().get(Counter::Http2Connections), 3);
    handle.stop();
    running.wait().await;
}

/// A client's certificate is known on each stream, and inside a tunnel, whose 200 has nothing of HTTP/1.1's connections.
#[tokio::test]
async fn the_handshake_is_known_on_streams_and_in_tunnels() {
    let authority = Authority::new();
    let own = authority.sign("client");
    let tls = authority
        .tls("localhost")
        .client_ca_bytes(authority.pem())
        .unwrap();
    let (running, addr) = start(server().bind_tls("127.0.0.1:0", tls));
    let mut config = client(&authority, rustls::ALL_VERSIONS, Some(&own));
    config.alpn_protocols = vec![b"h2".to_vec()];
    let io = connect(addr, "localhost", &Arc::new(config)).await.unwrap();
    let (mut client, connection) = h2::client::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let shown = CertificateDer::from_pem_slice(own.certificate.as_bytes()).unwrap();
    let wanted = format!("Some(\"localhost\") [{}]", shown.len());
    for _ in 0..2 {
        let reply = ask(&client, to("GET", "/who").body(Bytes::new()).unwrap())
            .await
            .unwrap();
        assert_eq!(reply.text(), wanted);
    }
    assert!(client.is_extended_connect_protocol_enabled());
    let request = to("CONNECT", "/tunnel")
        .extension(h2::ext::Protocol::from_static("told"))
        .body(())
        .unwrap();
    let (response, _send) = client.send_request(request, false).unwrap();
    let reply = read(response.await.unwrap()).await.unwrap();
    assert_eq!((reply.status.as_u16(), reply.text()), (200, &*wanted));
    for name in ["connection", "x-hop", "keep-alive", "upgrade"] {
        assert_eq!(reply.field(name), None, "{name}");
    }
    running.handle().stop();
}
