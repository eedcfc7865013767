//! The PROXY protocol in front of TLS.

use crate::common::{Authority, any_client, ask, until, within};
use rustls::pki_types::ServerName;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use wireline::Server;
use wireline::resource::addr::ConnInfo;
use wireline::resource::counters::Counter;
use wireline::resource::tls_info::TlsInfo;
use wireline::router::{Router, Routes};
use wireline::server::{Bound, IntoBind, ProxyProtocol};
use wireline::service::client_addr::ClientAddr;
use wireline::test::TestServer;

fn routes() -> Routes {
    let who = async |info: ConnInfo, tls: TlsInfo, client: ClientAddr| {
        let name = tls.server_name().unwrap_or("-").to_owned();
        format!("{} {name} {}", info.peer, client.scheme())
    };
    Router::new().get("/", who).build().unwrap()
}

fn serve(authority: &Authority, server: Server) -> (TestServer, SocketAddr) {
    let proxy = ProxyProtocol::from_sources(["127.0.0.1"]).unwrap();
    let server = server.bind_tls(
        "127.0.0.1:0".behind_proxy(proxy),
        authority.tls("localhost"),
    );
    let server = TestServer::start(server);
    match server.handle().bound()[0] {
        Bound::Tls(addr) => (server, addr),
        ref other => panic!("{other}"),
    }
}

const HEADER: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n";

#[tokio::test]
async fn a_header_comes_before_the_handshake() {
    let authority = Authority::new();
    let (server, addr) = serve(&authority, Server::new(routes()));
    for pieces in [vec![HEADER], HEADER.chunks(1).collect()] {
        let mut tcp = TcpStream::connect(addr).await.unwrap();
        for piece in pieces {
            tcp.write_all(piece).await.unwrap();
        }
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(any_client(&authority));
        let mut stream = within(connector.connect(name, tcp)).await.unwrap();
        assert_eq!(
            ask(&mut stream, "/").await.unwrap(),
            "192.0.2.1:56324 localhost https"
        );
    }
    let count = |counter| server.handle().metrics().get(counter);
    assert_eq!(
        (count(Counter::TlsHandshakes), count(Counter::TlsFailures)),
        (2, 0)
    );
    // A handshake without a header is none.
    let name = ServerName::try_from("localhost").unwrap();
    let tcp = TcpStream::connect(addr).await.unwrap();
    let connector = TlsConnector::from(any_client(&authority));
    assert!(within(connector.connect(name, tcp)).await.is_err());
    assert_eq!(count(Counter::RefusedProxyHeader), 1);
    // Plain HTTP behind a header gets the answer that it gets without one.
    let mut tcp = TcpStream::connect(addr).await.unwrap();
    tcp.write_all(&[HEADER, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"].concat())
        .await
        .unwrap();
    let mut answer = String::new();
    within(tcp.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}

#[tokio::test]
async fn a_client_beyond_its_share_gets_an_alert() {
    let authority = Authority::new();
    let server = Server::new(routes()).max_connections_per_address(1);
    let (server, addr) = serve(&authority, server);
    let mut first = TcpStream::connect(addr).await.unwrap();
    first.write_all(HEADER).await.unwrap();
    until("the first is there", || {
        server.handle().metrics().get(Counter::ConnectionsAccepted) == 1
    })
    .await;
    let mut second = TcpStream::connect(addr).await.unwrap();
    second.write_all(HEADER).await.unwrap();
    let mut alert = Vec::new();
    within(second.read_to_end(&mut alert)).await.unwrap();
    assert_eq!(alert, [21, 3, 3, 0, 2, 2, 80]);
}
