//! TLS at every kind of listener, within the limits of the server, and to its end.

use crate::common::{
    Authority, Folder, any_client, ask, connect, get, routes, say_hello, secure_addr, until, within,
};
use rustls::pki_types::ServerName;
use std::net::TcpListener;
use std::sync::{Arc, mpsc};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use wireline::Server;
use wireline::http1::driver::Connection;
use wireline::resource::addr::ConnInfo;
use wireline::resource::budget::Budget;
use wireline::resource::counters::Counter;
use wireline::resource::io::Io;
use wireline::resource::worker::Worker;
use wireline::server::Bound;
use wireline::service::link::Shared;
use wireline::test::TestServer;

#[tokio::test]
async fn unix_sockets_and_open_listeners_speak_tls_with_several_workers() {
    let authority = Authority::new();
    let folder = Folder::new("unix");
    let path = folder.path("tls.sock");
    let open = TcpListener::bind("127.0.0.1:0").unwrap();
    let handed = open.local_addr().unwrap();
    let server = Server::new(routes())
        .bind_tls(path.as_path(), authority.tls("localhost"))
        .bind_tls(open, authority.tls("localhost"))
        .bind_tls("127.0.0.1:0", authority.tls("localhost"))
        .workers(3)
        .signals(false);
    let (sender, receiver) = mpsc::channel();
    let thread =
        std::thread::spawn(move || server.run_with(|handle| sender.send(handle.clone()).unwrap()));
    let handle = receiver.recv().unwrap();
    let config = any_client(&authority);
    let own = match handle.bound() {
        [_, _, Bound::Tls(addr)] => *addr,
        bound => panic!("{bound:?}"),
    };
    for _ in 0..6 {
        for addr in [handed, own] {
            let told = get(addr, "localhost", &config, "/tls").await.unwrap();
            assert!(told.contains(" localhost "), "{told}");
        }
        let unix = UnixStream::connect(&path).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(config.clone());
        let mut unix = within(connector.connect(name, unix)).await.unwrap();
        assert!(
            ask(&mut unix, "/tls")
                .await
                .unwrap()
                .contains(" localhost ")
        );
    }
    handle.stop();
    thread.join().unwrap().unwrap();
}

#[tokio::test]
async fn embedded_in_a_runtime_and_drained_within_a_handshake() {
    let authority = Authority::new();
    let config = any_client(&authority);
    let running = Server::new(routes())
        .bind_tls("127.0.0.1:0", authority.tls("localhost"))
        .signals(false)
        .start()
        .unwrap();
    let handle = running.handle();
    let addr = secure_addr(&handle);
    assert_eq!(
        get(addr, "localhost", &config, "/hello").await.unwrap(),
        "hello"
    );

    // The drain begins between connect and ClientHello: the request is still answered.
    let tcp = TcpStream::connect(addr).await.unwrap();
    let mute = TcpStream::connect(addr).await.unwrap();
    until("both are accepted", || handle.metrics().connections() == 2).await;
    handle.stop();
    let connector = TlsConnector::from(config);
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = within(connector.connect(name, tcp)).await.unwrap();
    assert_eq!(ask(&mut stream, "/hello").await.unwrap(), "hello");
    drop(stream);
    // Whoever has said nothing does not hold it.
    let begun = tokio::time::Instant::now();
    within(running.wait()).await;
    assert!(
        begun.elapsed() < Duration::from_secs(4),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(handle.metrics().get(Counter::DrainForced), 0);
    drop(mute);
}

/// A handshake is a connection: it has a place, and beyond those there is an alert.
#[tokio::test]
async fn handshakes_count_as_connections() {
    let authority = Authority::new();
    let server = Server::new(routes())
        .bind_tls("127.0.0.1:0", authority.tls("localhost"))
        .max_connections(2);
    let server = TestServer::start(server);
    let (addr, handle) = (secure_addr(server.handle()), server.handle());
    let mute = TcpStream::connect(addr).await.unwrap();
    let config = any_client(&authority);
    let mut served = connect(addr, "localhost", &config).await.unwrap();
    say_hello(&mut served).await;
    let error = connect(addr, "localhost", &config).await.unwrap_err();
    assert!(error.to_string().contains("InternalError"), "{error}");
    assert_eq!(handle.metrics().get(Counter::ConnectionsRefused), 1);
    drop(mute);
    until("a place is free", || handle.metrics().connections() == 1).await;
    get(addr, "localhost", &config, "/hello").await.unwrap();
    drop(served);
    until("all have gone", || handle.metrics().connections() == 0).await;
    assert_eq!(handle.metrics().buffered(), 0);
}

#[tokio::test]
async fn one_call_listens_with_tls() {
    let authority = Authority::new();
    let config = any_client(&authority);
    let (sender, receiver) = mpsc::channel();
    let listening = Server::new(routes()).signals(false).listen_tls_with(
        "127.0.0.1:0",
        authority.tls("localhost"),
        async |bound: &Bound| sender.send(bound.clone()).unwrap(),
    );
    let asking = async {
        let mut bound = None;
        while bound.is_none() {
            tokio::task::yield_now().await;
            bound = receiver.try_recv().ok();
        }
        let Some(Bound::Tls(addr)) = bound else {
            panic!("{bound:?}")
        };
        get(addr, "localhost", &config, "/hello").await.unwrap()
    };
    // The server goes on until it is dropped.
    let mut listening = Box::pin(listening);
    let mut asking = Box::pin(asking);
    let answer = std::future::poll_fn(|cx| {
        assert!(listening.as_mut().poll(cx).is_pending(), "it ended");
        asking.as_mut().poll(cx)
    });
    assert_eq!(within(answer).await, "hello");
}

#[tokio::test]
async fn plain_http_on_a_tls_port_is_told_what_is_wrong() {
    let server = Server::new(routes()).bind_tls("127.0.0.1:0", Authority::new().tls("localhost"));
    let server = TestServer::start(server);
    for request in [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut plain = TcpStream::connect(secure_addr(server.handle()))
            .await
            .unwrap();
        plain.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        within(plain.read_to_string(&mut answer)).await.unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 400 Bad Request\r\n"),
            "{answer}"
        );
        assert!(
            answer.contains("connection: close\r\n") && answer.contains("https://"),
            "{answer}"
        );
        let (head, content) = answer.split_once("\r\n\r\n").unwrap();
        assert!(
            head.contains(&format!("content-length: {}", content.len())),
            "{answer}"
        );
    }
    let metrics = server.handle().metrics();
    assert_eq!(metrics.get(Counter::RefusedPlainHttp), 2);
    assert_eq!(metrics.get(Counter::TlsFailures), 0);
}

#[tokio::test]
async fn a_listener_sends_everybody_to_https() {
    let open = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = open.local_addr().unwrap();
    let server = TestServer::start(Server::new(routes()).redirect_to_https(open, 8443));
    for (request, expected) in [
        (
            "GET /hello?x=1 HTTP/1.1\r\nHost: a.example:8080\r\n",
            "https://a.example:8443/hello?x=1",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2\r\n",
            "https://a.example:8443/",
        ),
        (
            "GET http://b.example/x HTTP/1.1\r\nHost: b.example\r\n",
            "https://b.example:8443/x",
        ),
        (
            "GET / HTTP/1.1\r\nHost: [::1]:80\r\n",
            "https://[::1]:8443/",
        ),
    ] {
        let mut plain = TcpStream::connect(addr).await.unwrap();
        let request = format!("{request}Connection: close\r\n\r\nxx");
        plain.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        within(plain.read_to_string(&mut answer)).await.unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 308 Permanent Redirect\r\n"),
            "{answer}"
        );
        assert!(
            answer.contains(&format!("\r\nlocation: {expected}\r\n")),
            "{answer}"
        );
    }
    // Nowhere to go to: no host, which HTTP/1.0 may leave out, and a tunnel.
    for request in [
        "GET / HTTP/1.0\r\n",
        "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n",
    ] {
        let mut plain = TcpStream::connect(addr).await.unwrap();
        let request = format!("{request}Connection: close\r\n\r\n");
        plain.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        within(plain.read_to_string(&mut answer)).await.unwrap();
        assert!(answer.contains(" 400 Bad Request\r\n"), "{answer}");
        assert!(!answer.contains("\r\nlocation:"), "{answer}");
    }
    drop(server);
}

/// Whoever accepts connections himself hands on what the handshake has found out.
#[tokio::test]
async fn an_embedder_hands_on_what_the_handshake_says() {
    let authority = Authority::new();
    let acceptor = authority.tls("localhost").acceptor().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let shared = Arc::new(Shared {
        worker: Worker::start(Arc::new(Budget::new(usize::MAX))),
        service: Arc::new(routes()),
        config: Arc::default(),
    });
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let (io, tls) = acceptor.accept(Io::from(stream)).await.unwrap();
        Connection::new(io, ConnInfo::default(), shared, ())
            .with_tls(tls)
            .await;
    });
    let mut stream = connect(addr, "localhost", &any_client(&authority))
        .await
        .unwrap();
    let answer = ask(&mut stream, "/maybe").await.unwrap();
    assert!(answer.contains("localhost"), "{answer}");
}
