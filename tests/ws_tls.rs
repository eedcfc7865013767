//! WebSockets over TLS, with the library's client on one side and its server on the other.

#[allow(dead_code, reason = "each test takes what it needs of it")]
#[path = "tls/common.rs"]
mod common;

use bytes::Bytes;
use common::{
    Authority, Folder, client as tls_client, connect, replace, secure_addr, until, within,
};
use h2::client::{ResponseFuture, SendRequest};
use rustls::ClientConfig;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use wireline::resource::counters::Counter;
use wireline::resource::tls_info::TlsInfo;
use wireline::router::Routes;
use wireline::server::TlsConfig;
use wireline::service::request::Request;
use wireline::test::TestServer;
use wireline::ws::client::{Client, ConnectError};
use wireline::ws::close::CloseCode;
use wireline::ws::deflate;
use wireline::ws::message::Message;
use wireline::ws::route::WebSocketUpgrade;
use wireline::ws::socket::{SocketError, WebSocket, WsReceiver, WsSender};
use wireline::{Response, Router, Server};

fn routes() -> Routes {
    Router::new()
        .get(
            "/echo",
            async |upgrade: WebSocketUpgrade, tls: TlsInfo| -> Response {
                let deflate = upgrade.deflate(deflate::Config::default());
                deflate.on_upgrade(async move |mut socket: WebSocket| {
                    let alpn = tls.alpn().map(String::from_utf8_lossy);
                    let chain = tls.peer_certificates().count();
                    socket.send(format!("{alpn:?} {chain}")).await?;
                    while let Some(message) = socket.recv().await {
                        match message? {
                            Message::Ping(_) | Message::Pong(_) | Message::Close(_) => {}
                            message => drop(socket.send(message).await?),
                        }
                    }
                    Ok::<_, SocketError>(())
                })
            },
        )
        .websocket("/named", async |socket: WebSocket, tls: TlsInfo| {
            socket.send(format!("{:?}", tls.server_name())).await?;
            Ok::<_, SocketError>(())
        })
        .websocket("/halves", async |socket: WebSocket| {
            exchange_in_two_tasks(socket).await;
        })
        .get("/version", async |request: Request| {
            format!("{:?}", request.version())
        })
        .post("/length", async |mut request: Request| {
            request
                .collect()
                .await
                .map(|content| content.len().to_string())
        })
        .build()
        .unwrap()
}

fn serve(tls: TlsConfig) -> (TestServer, SocketAddr) {
    let server = TestServer::start(Server::new(routes()).bind_tls("127.0.0.1:0", tls));
    let addr = secure_addr(server.handle());
    (server, addr)
}

fn url(addr: SocketAddr) -> String {
    format!("wss://localhost:{}/echo", addr.port())
}

async fn text(socket: &mut WebSocket) -> String {
    match socket.recv().await {
        Some(Ok(Message::Text(text))) => text.to_string(),
        other => panic!("{other:?}"),
    }
}

/// Messages of every size come back over records, compressed and not, and both sides close.
#[tokio::test]
async fn messages_go_round() {
    let authority = Authority::new();
    let (server, addr) = serve(authority.tls("localhost"));
    for deflates in [false, true] {
        let mut client = Client::new().roots(authority.pem()).unwrap();
        if deflates {
            client = client.deflate(deflate::Config::default());
        }
        let mut socket = client.connect(&url(addr)).await.unwrap();
        assert_eq!(text(&mut socket).await, "Some(\"http/1.1\") 0");
        for len in [
            0,
            1,
            125,
            126,
            4096,
            16 * 1024,
            16 * 1024 + 1,
            65_536,
            1 << 20,
        ] {
            let content: Vec<u8> = (0..len).map(|place| (place * 7 % 251) as u8).collect();
            socket.send(content.clone()).await.unwrap();
            match socket.recv().await {
                Some(Ok(Message::Binary(octets))) => assert_eq!(octets, content, "{len}"),
                other => panic!("{len}: {other:?}"),
            }
        }
        socket.close(CloseCode::NORMAL).unwrap();
        while let Some(Ok(_)) = socket.recv().await {}
    }
    drop(server);
}

/// A client of HTTP/2, as ALPN has chosen.
async fn http2(addr: SocketAddr, authority: &Authority) -> SendRequest<Bytes> {
    let stream = connect(addr, "localhost", &offering_h2(authority)).await;
    let stream = stream.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    sender
}

fn offering_h2(authority: &Authority) -> Arc<ClientConfig> {
    let mut config = tls_client(authority, rustls::ALL_VERSIONS, None);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Arc::new(config)
}

fn to(method: &str, path: &str) -> http::Request<()> {
    let uri = format!("https://localhost{path}");
    let request = http::Request::builder().method(method).uri(uri);
    request.body(()).unwrap()
}

/// The status of a response, and its content.
async fn read(response: ResponseFuture) -> (u16, String) {
    let (head, mut body) = within(response).await.unwrap().into_parts();
    let mut content = Vec::new();
    while let Some(piece) = within(body.data()).await {
        content.extend_from_slice(&piece.unwrap());
    }
    (head.status.as_u16(), String::from_utf8(content).unwrap())
}

async fn echo(socket: &mut WebSocket, said: &str) {
    socket.send(said.to_owned()).await.unwrap();
    assert_eq!(text(socket).await, said);
}

/// What browsers do: pages over HTTP/2, and WebSockets over connections of HTTP/1.1 beside it.
#[tokio::test]
async fn s25_s26_a_port_with_http2_opens_them_over_http1() {
    let authority = Authority::new();
    let (server, addr) = serve(authority.tls("localhost"));
    let mut pages = http2(addr, &authority).await;
    let client = Client::new().roots(authority.pem()).unwrap();
    let mut socket = client.connect(&url(addr)).await.unwrap();
    assert_eq!(text(&mut socket).await, "Some(\"http/1.1\") 0");
    for round in 0..3 {
        let (page, _) = pages.send_request(to("GET", "/version"), true).unwrap();
        assert_eq!(read(page).await, (200, "HTTP/2.0".to_owned()));
        echo(&mut socket, &format!("round {round}")).await;
    }
    socket.close(CloseCode::NORMAL).unwrap();
    while let Some(Ok(_)) = socket.recv().await {}
    let metrics = server.handle().metrics();
    assert_eq!(metrics.get(Counter::TlsHandshakes), 2);
    assert_eq!(metrics.get(Counter::Http2Connections), 1);
}

/// Whatever lasts goes on with the certificate that it began with: an upload over HTTP/2 that is not done, and a
/// WebSocket.
#[tokio::test]
async fn a_reload_interrupts_nothing_that_lasts() {
    let (before, after) = (Authority::new(), Authority::new());
    let folder = Folder::new("lasting");
    let (cert, key) = folder.write_pair(&before.sign("localhost"));
    let tls = TlsConfig::from_pem(&cert, &key)
        .unwrap()
        .reload_interval(None)
        .on_reload(|_| ());
    let (server, addr) = serve(tls);
    let metrics = server.handle().metrics();
    let mut pages = http2(addr, &before).await;
    let (response, mut upload) = pages.send_request(to("POST", "/length"), false).unwrap();
    upload
        .send_data(Bytes::from_static(b"hello"), false)
        .unwrap();
    let client = Client::new().roots(before.pem()).unwrap();
    let mut socket = client.connect(&url(addr)).await.unwrap();
    text(&mut socket).await;
    until("both", || metrics.get(Counter::Requests) == 2).await;

    for round in 0..3 {
        let next = after.sign("localhost");
        replace(&cert, &next.certificate);
        assert!(server.handle().reload().is_err(), "the key is another's");
        replace(&key, &next.key);
        server.handle().reload().unwrap();
        let refused = connect(addr, "localhost", &offering_h2(&before)).await;
        assert!(refused.is_err(), "round {round}");
        let mut others = http2(addr, &after).await;
        for pages in [&mut pages, &mut others] {
            let (page, _) = pages.send_request(to("GET", "/version"), true).unwrap();
            assert_eq!(read(page).await, (200, "HTTP/2.0".to_owned()));
        }
        echo(&mut socket, &format!("round {round}")).await;
    }
    upload
        .send_data(Bytes::from_static(b", world"), true)
        .unwrap();
    assert_eq!(read(response).await, (200, "12".to_owned()));
    socket.close(CloseCode::NORMAL).unwrap();
    while let Some(Ok(_)) = socket.recv().await {}
    assert_eq!(metrics.get(Counter::CertificateReloads), 3);
    assert_eq!(metrics.get(Counter::IncompleteRequests), 0);
}

/// Sends as many messages as it receives, one half in one task, the other in another, and gives both back.
async fn exchange_in_two_tasks(socket: WebSocket) -> (WsSender, WsReceiver) {
    let (sender, mut receiver) = socket.split();
    let sending = tokio::spawn(async move {
        for number in 0..500_usize {
            let message = vec![(number % 251) as u8; number * 37];
            sender.send(message).await.unwrap();
        }
        sender
    });
    let receiving = tokio::spawn(async move {
        for number in 0..500_usize {
            match receiver.recv().await {
                Some(Ok(Message::Binary(octets))) => {
                    assert_eq!(octets, vec![(number % 251) as u8; number * 37]);
                }
                other => panic!("{number}: {other:?}"),
            }
        }
        receiver
    });
    (sending.await.unwrap(), receiving.await.unwrap())
}

/// On both sides, each half in a task of its own: 4.6 megabytes either way at the same time, through records.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn halves_work_in_tasks_of_their_own_on_both_sides() {
    let authority = Authority::new();
    let (server, addr) = serve(authority.tls("localhost"));
    let client = Client::new().roots(authority.pem()).unwrap();
    let url = format!("wss://localhost:{}/halves", addr.port());
    let socket = client.connect(&url).await.unwrap();
    let exchange = tokio::time::timeout(Duration::from_secs(60), exchange_in_two_tasks(socket));
    let (_sender, mut receiver) = exchange.await.expect("they stand still");
    let close = receiver.recv().await;
    assert!(
        matches!(&close, Some(Ok(Message::Close(Some(close)))) if close.code == CloseCode::NORMAL),
        "{close:?}"
    );
    let panics = server.handle().metrics().get(Counter::HandlerPanics);
    assert_eq!(panics, 0);
}

/// What is sent in pieces of a record is put together: both halves at work at once.
#[tokio::test]
async fn halves_work_at_once() {
    let authority = Authority::new();
    let (_server, addr) = serve(authority.tls("localhost"));
    let client = Client::new().roots(authority.pem()).unwrap();
    let mut socket = client.connect(&url(addr)).await.unwrap();
    text(&mut socket).await;
    let sender = socket.sender();
    let sending = tokio::spawn(async move {
        for number in 0..500_usize {
            sender.send(vec![b'x'; number * 37]).await.unwrap();
        }
    });
    for number in 0..500_usize {
        match socket.recv().await {
            Some(Ok(Message::Binary(octets))) => assert_eq!(octets.len(), number * 37),
            other => panic!("{number}: {other:?}"),
        }
    }
    sending.await.unwrap();
}

/// RFC 6455 §4.1: the client says whom it wants (SNI), where that is a name.
#[tokio::test]
async fn a_server_is_asked_for_by_its_name() {
    let authority = Authority::new();
    let client = Client::new().roots(authority.pem()).unwrap();
    for (name, said) in [("localhost", "Some(\"localhost\")"), ("127.0.0.1", "None")] {
        let (_server, addr) = serve(authority.tls(name));
        let url = format!("wss://{name}:{}/named", addr.port());
        let mut socket = client.connect(&url).await.unwrap();
        assert_eq!(text(&mut socket).await, said);
    }
}

/// A certificate of a stranger, of another name, and one that only the system could vouch for.
#[tokio::test]
async fn who_is_not_trusted_is_refused() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (_server, addr) = serve(authority.tls("localhost"));
    let trusting = Client::new().roots(authority.pem()).unwrap();
    let strange = Client::new().roots(stranger.pem()).unwrap();
    for (client, url, says) in [
        (&strange, url(addr), "invalid peer certificate"),
        (&Client::new(), url(addr), ""),
        (
            &trusting,
            "wss://example.org/echo".to_owned(),
            "not valid for name",
        ),
        (
            &trusting,
            "wss://127.0.0.1/echo".to_owned(),
            "not valid for name",
        ),
    ] {
        let stream = TcpStream::connect(addr).await.unwrap();
        match client.connect_over(stream, &url).await {
            Err(error @ ConnectError::Tls(_)) => {
                assert!(!error.is_temporary());
                assert!(error.to_string().contains(says), "{url}: {error}");
            }
            other => panic!("{url}: {other:?}"),
        }
    }
    let nothing =
        Client::new().roots("-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n");
    assert!(matches!(nothing, Err(ConnectError::Tls(_))));
}

/// The scheme and the port do not fit together.
#[tokio::test]
async fn the_wrong_port_is_told() {
    let authority = Authority::new();
    let (_server, addr) = serve(authority.tls("localhost"));
    let plain = format!("ws://localhost:{}/echo", addr.port());
    match Client::new().connect(&plain).await {
        Err(error @ ConnectError::Refused(_)) => assert_eq!(error.status().unwrap(), 400),
        other => panic!("{other:?}"),
    }
    let server = TestServer::start(Server::new(routes()).bind("127.0.0.1:0"));
    let port = server
        .url("/")
        .rsplit_once(':')
        .unwrap()
        .1
        .trim_end_matches('/')
        .to_owned();
    let client = Client::new().roots(authority.pem()).unwrap();
    let refused = client
        .connect(&format!("wss://localhost:{port}/echo"))
        .await;
    assert!(matches!(refused, Err(ConnectError::Tls(_))), "{refused:?}");
}

/// A client's own configuration: its certificate reaches the handler.
#[tokio::test]
async fn a_client_shows_its_certificate() {
    let authority = Authority::new();
    let tls = authority
        .tls("localhost")
        .client_ca_bytes(authority.pem())
        .unwrap();
    let (_server, addr) = serve(tls);
    let pair = authority.sign("client");
    let mut socket = Client::new()
        .tls(tls_client(&authority, rustls::ALL_VERSIONS, Some(&pair)))
        .connect(&url(addr))
        .await
        .unwrap();
    assert_eq!(text(&mut socket).await, "Some(\"http/1.1\") 1");
}

/// A server that says nothing is waited for as long as was said.
#[tokio::test(start_paused = true)]
async fn a_silent_handshake_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let stream = TcpStream::connect(addr).await.unwrap();
    let _silent = listener.accept().await.unwrap();
    let client = Client::new().handshake_timeout(Duration::from_secs(3));
    let client = client.roots(Authority::new().pem()).unwrap();
    let begun = tokio::time::Instant::now();
    let opened = client.connect_over(stream, "wss://localhost/").await;
    assert!(
        matches!(opened, Err(ConnectError::HandshakeTimeout)),
        "{opened:?}"
    );
    assert_eq!(begun.elapsed().as_secs(), 3);
}
