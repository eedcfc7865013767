//! `peer.addr` of a connection's span (SPEC S128) over sockets. In a file of its own: the subscriber is that of the whole process.

#[path = "support/spans.rs"]
#[expect(dead_code, reason = "each test takes what it needs")]
mod spans;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use spans::Spans;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use wireline::app::App;
use wireline::server::{Bound, Server, TlsConfig};
use wireline::test::TestServer;
use wireline::{Response, Router};

#[test]
fn s128_a_connection_says_its_peer_over_tcp_and_tls() {
    let spans = Spans::default();
    tracing::subscriber::set_global_default(spans.clone()).unwrap();
    let routes = || {
        let router = Router::new().get("/", async || Response::text("hello"));
        App::new(router).build().unwrap()
    };

    let server = TestServer::new(routes());
    let mut socket = TcpStream::connect(server.addr()).unwrap();
    let plain = socket.local_addr().unwrap();
    ask(&mut socket);
    drop(server);

    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let tls = TlsConfig::from_pem_bytes(made.cert.pem(), made.signing_key.serialize_pem()).unwrap();
    let server = TestServer::start(Server::new(routes()).bind_tls("127.0.0.1:0", tls));
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_slice(made.cert.pem().as_bytes()).unwrap();
    roots.add(certificate).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let session = ClientConnection::new(Arc::new(config), name).unwrap();
    let bound = server.handle().bound();
    let addr = bound.iter().find_map(|bound| match bound {
        Bound::Tls(addr) => Some(*addr),
        _ => None,
    });
    let socket = TcpStream::connect(addr.unwrap()).unwrap();
    let secure = socket.local_addr().unwrap();
    ask(&mut StreamOwned::new(session, socket));
    drop(server);

    let seen = spans.take();
    let peers: Vec<&str> = (seen.named("http.connection").iter())
        .map(|place| &*seen.spans[*place].1["peer.addr"])
        .collect();
    assert_eq!(peers, [plain.to_string(), secure.to_string()]);
}

fn ask(stream: &mut (impl Read + Write)) {
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("\r\n\r\nhello"), "{answer}");
}
