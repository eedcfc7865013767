//! The attack recipes TL-1 to TL-8, with small counts. TL-6, TL-9, TL-10 and TL-11 stand beside what they attack.

use crate::common::{
    Authority, any_client, client, connect, get, routes, say_hello, secure_addr, until, within,
};
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use wireline::Server;
use wireline::resource::counters::Counter;
use wireline::server::TlsConfig;
use wireline::test::TestServer;

fn serve(tls: TlsConfig) -> (TestServer, SocketAddr) {
    let server = TestServer::start(Server::new(routes()).bind_tls("127.0.0.1:0", tls));
    let addr = secure_addr(server.handle());
    (server, addr)
}

/// A ClientHello as a client of ours would send it.
fn client_hello(authority: &Authority) -> Vec<u8> {
    let name = ServerName::try_from("localhost").unwrap();
    let mut connection = ClientConnection::new(any_client(authority), name).unwrap();
    let mut hello = Vec::new();
    connection.write_tls(&mut hello).unwrap();
    hello
}

/// So many connections from this address that say this and nothing more.
async fn crowd(count: usize, from: [u8; 4], addr: SocketAddr, says: &[u8]) -> Vec<TcpStream> {
    let mut attackers = Vec::new();
    for _ in 0..count {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        let mut attacker = socket.connect(addr).await.unwrap();
        attacker.write_all(says).await.unwrap();
        attackers.push(attacker);
    }
    attackers
}

/// TL-1: nothing, half a ClientHello, an octet now and then, a whole one and nothing after it. All have the same time.
#[tokio::test(start_paused = true)]
async fn stalled_handshakes_end_at_the_deadline() {
    let authority = Authority::new();
    let hello = client_hello(&authority);
    let running = Server::new(routes())
        .bind_tls("127.0.0.1:0", authority.tls("localhost"))
        .signals(false)
        .start()
        .unwrap();
    let addr = secure_addr(&running.handle());
    for sent in [&[][..], &hello[..1], &hello[..hello.len() / 2], &hello] {
        let begun = tokio::time::Instant::now();
        let mut stalled = TcpStream::connect(addr).await.unwrap();
        stalled.write_all(sent).await.unwrap();
        let mut answer = Vec::new();
        stalled.read_to_end(&mut answer).await.unwrap();
        let took = begun.elapsed();
        assert!(
            (Duration::from_secs(5)..Duration::from_secs(6)).contains(&took),
            "{took:?}"
        );
        assert_eq!(answer.is_empty(), sent.len() < hello.len());
    }
    let begun = tokio::time::Instant::now();
    let mut slow = TcpStream::connect(addr).await.unwrap();
    for octet in &hello {
        tokio::time::sleep(Duration::from_secs(1)).await;
        if slow.write_all(&[*octet]).await.is_err() {
            break;
        }
    }
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(9), "{took:?}");
    let handle = running.handle();
    assert_eq!(handle.metrics().get(Counter::TlsTimeouts), 5);
    assert_eq!(
        (handle.metrics().connections(), handle.metrics().buffered()),
        (0, 0)
    );
}

/// TL-1, TL-5: attackers keep all places; clients get theirs all the same, because who says nothing has none and who
/// keeps one for long makes way.
#[tokio::test]
async fn stalled_handshakes_make_way() {
    let authority = Authority::new();
    let (server, addr) = serve(authority.tls("localhost").max_handshakes(4));
    let (hello, metrics) = (client_hello(&authority), server.handle().metrics());
    let mut attackers = crowd(50, [127, 0, 0, 1], addr, &hello[..hello.len() / 2]).await;
    attackers.extend(crowd(50, [127, 0, 0, 1], addr, &hello).await);
    until("all but four wait", || {
        metrics.get(Counter::TlsHandshakesPaused) == 46
    })
    .await;
    assert!(metrics.buffered() > 0, "what they hold is charged");
    drop(attackers.split_off(54));
    let config = any_client(&authority);
    let begun = tokio::time::Instant::now();
    get(addr, "localhost", &config, "/hello").await.unwrap();
    assert!(
        begun.elapsed() < Duration::from_secs(4),
        "{:?}",
        begun.elapsed()
    );
    drop(attackers);
    until("all have gone", || metrics.connections() == 0).await;
    assert_eq!(metrics.buffered(), 0);
}

/// TL-1, TL-5: who fills the line has only filled his own: another client's turn comes after one of his.
#[tokio::test]
async fn a_line_of_one_client_keeps_no_other_waiting() {
    let authority = Authority::new();
    let (server, addr) = serve(authority.tls("localhost").max_handshakes(2));
    let (hello, metrics) = (client_hello(&authority), server.handle().metrics());
    let _attackers = crowd(60, [127, 0, 0, 2], addr, &hello).await;
    until("all but two wait", || {
        metrics.get(Counter::TlsHandshakesPaused) == 58
    })
    .await;
    // In one line it would be the last of sixty, who get a place two at a time and keep it for a second.
    let config = any_client(&authority);
    let begun = tokio::time::Instant::now();
    get(addr, "localhost", &config, "/hello").await.unwrap();
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
}

/// TL-1: who takes all that there is does not get the last of it: a client that has nothing in progress does not wait.
#[tokio::test]
async fn the_last_places_are_for_who_has_none() {
    let authority = Authority::new();
    let (server, addr) = serve(authority.tls("localhost").max_handshakes(16));
    let (hello, metrics) = (client_hello(&authority), server.handle().metrics());
    let attackers = crowd(60, [127, 0, 0, 2], addr, &hello).await;
    until("all but fourteen wait", || {
        metrics.get(Counter::TlsHandshakesPaused) == 46
    })
    .await;
    let config = any_client(&authority);
    for _ in 0..10 {
        get(addr, "localhost", &config, "/hello").await.unwrap();
    }
    assert_eq!(metrics.get(Counter::TlsHandshakesPaused), 46);
    drop(attackers);
}

/// TL-2: a ClientHello in octets, and in records of one octet each (RUSTSEC-2024-0399).
#[tokio::test]
async fn a_client_hello_may_come_in_pieces() {
    let authority = Authority::new();
    let (server, addr) = serve(authority.tls("localhost"));
    let hello = client_hello(&authority);
    let mut whole = TcpStream::connect(addr).await.unwrap();
    whole.set_nodelay(true).unwrap();
    for octet in &hello {
        whole.write_all(&[*octet]).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(
        first_octet(&mut whole).await,
        Some(22),
        "the answer is a handshake record"
    );
    for size in [1, 7, 100] {
        let mut pieces = TcpStream::connect(addr).await.unwrap();
        for piece in hello[5..].chunks(size) {
            let length = u16::try_from(piece.len()).unwrap().to_be_bytes();
            let record = [&[22, 3, 1], &length[..], piece].concat();
            pieces.write_all(&record).await.unwrap();
        }
        assert_eq!(
            first_octet(&mut pieces).await,
            Some(22),
            "records of {size}"
        );
    }
    assert_eq!(server.handle().metrics().get(Counter::TlsFailures), 0);
}

async fn first_octet(stream: &mut TcpStream) -> Option<u8> {
    within(stream.read_u8()).await.ok()
}

/// TL-3, TL-4, TL-7: what is not a handshake gets an alert and the end, soon and without a loop.
#[tokio::test]
async fn nonsense_gets_an_alert_and_the_end() {
    let authority = Authority::new();
    let (server, addr) = serve(authority.tls("localhost"));
    let warning = [21, 3, 3, 0, 2, 1, 90];
    let close_notify = [21, 3, 3, 0, 2, 1, 0];
    let change_cipher_spec = [20, 3, 3, 0, 1, 1];
    let hello = client_hello(&authority);
    // A handshake message that says it has 16 MiB, and goes on.
    let endless = [&[22, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff][..], &[0; 16380]].concat();
    let attacks = [
        ("warnings", warning.repeat(100)),
        ("farewell, again and again", close_notify.repeat(100)),
        (
            "ciphers change, again and again",
            change_cipher_spec.repeat(100),
        ),
        (
            "too long a message",
            [
                endless,
                [&[22, 3, 1, 0x40, 0][..], &[0; 16384]].concat().repeat(5),
            ]
            .concat(),
        ),
        ("too long a record", vec![22, 3, 1, 0xff, 0xff, 1, 2, 3]),
        (
            "farewell after the hello",
            [hello.clone(), close_notify.to_vec()].concat(),
        ),
        ("the hello twice", hello.repeat(2)),
        ("octets", vec![0x80; 1000]),
        ("content before the keys", vec![23, 3, 3, 0, 1, 0]),
    ];
    for (what, octets) in attacks {
        let mut attacker = TcpStream::connect(addr).await.unwrap();
        let _ = attacker.write_all(&octets).await;
        let mut answer = Vec::new();
        let began = tokio::time::Instant::now();
        let end = within(attacker.read_to_end(&mut answer)).await;
        assert!(
            began.elapsed() < Duration::from_secs(7),
            "{what}: {:?}",
            began.elapsed()
        );
        assert!(end.is_ok(), "{what}: {end:?}");
    }
    let metrics = server.handle().metrics();
    until("all have gone", || metrics.connections() == 0).await;
    assert_eq!(metrics.get(Counter::TlsHandshakes), 0);
    let config = any_client(&authority);
    get(addr, "localhost", &config, "/hello").await.unwrap();
}

/// TL-7: who cuts the line in the middle of a body has not sent it; with all of it there, and between requests, an end
/// without `close_notify` is nothing to complain of.
#[tokio::test]
async fn a_truncated_body_is_an_error() {
    let authority = Authority::new();
    let (server, addr) = serve(authority.tls("localhost"));
    let (config, metrics) = (any_client(&authority), server.handle().metrics());
    let head =
        "POST /length HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    let mut cut = connect(addr, "localhost", &config).await.unwrap();
    cut.write_all(head.as_bytes()).await.unwrap();
    cut.flush().await.unwrap();
    until("the request", || metrics.get(Counter::Requests) == 1).await;
    let (tcp, _) = cut.get_mut();
    tcp.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let _ = within(cut.read_to_end(&mut answer)).await;
    assert!(answer.is_empty(), "{:?}", String::from_utf8_lossy(&answer));
    until("the end", || metrics.connections() == 0).await;
    assert_eq!(metrics.get(Counter::IncompleteRequests), 1);
    assert_eq!(metrics.get(Counter::Responses), 0);

    let errors = metrics.get(Counter::IoErrors);
    let mut idle = connect(addr, "localhost", &config).await.unwrap();
    say_hello(&mut idle).await;
    idle.get_mut().0.shutdown().await.unwrap();
    until("the end", || metrics.connections() == 0).await;
    assert_eq!(metrics.get(Counter::IoErrors), errors);
    assert_eq!(metrics.get(Counter::IncompleteRequests), 1);
}

/// The same for a protocol that knows the end of what it is sent by the end of the stream only.
#[tokio::test]
async fn a_truncated_tunnel_is_an_error() {
    use wireline::router::Router;
    use wireline::service::response::Response;
    let (sender, receiver) = std::sync::mpsc::channel();
    let routes = Router::new().get("/tunnel", move || {
        let sender = sender.clone();
        async move {
            Response::upgrade("octets", async move |mut upgraded| {
                let mut octets = Vec::new();
                let end = upgraded.read_to_end(&mut octets).await;
                sender.send(end.map_err(|error| error.kind())).unwrap();
            })
        }
    });
    let authority = Authority::new();
    let server =
        Server::new(routes.build().unwrap()).bind_tls("127.0.0.1:0", authority.tls("localhost"));
    let server = TestServer::start(server);
    let config = any_client(&authority);
    for (farewell, expected) in [
        (true, Ok(5)),
        (false, Err(std::io::ErrorKind::UnexpectedEof)),
    ] {
        let mut tunnel = connect(secure_addr(server.handle()), "localhost", &config)
            .await
            .unwrap();
        let head =
            "GET /tunnel HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: octets\r\n\r\n";
        tunnel.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(within(tunnel.read_u8()).await.unwrap());
        }
        tunnel.write_all(b"hello").await.unwrap();
        tunnel.flush().await.unwrap();
        if farewell {
            tunnel.shutdown().await.unwrap();
        } else {
            tunnel.get_mut().0.shutdown().await.unwrap();
        }
        let mut end = None;
        for _ in 0..2000 {
            end = receiver.try_recv().ok();
            if end.is_some() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(end, Some(expected));
    }
}

/// TL-8: a chain of a hundred certificates is not looked at.
#[tokio::test]
async fn a_client_certificate_chain_without_end_is_refused() {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let (authority, clients) = (Authority::new(), Authority::new());
    let own = Authority::new().sign("client.example");
    let other = CertificateDer::from_pem_slice(own.certificate.as_bytes()).unwrap();
    let mut chain = vec![other];
    chain.extend((0..100).map(|_| Authority::new().der()));
    let mut config = client(&authority, rustls::ALL_VERSIONS, None);
    let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
    let key = rustls::crypto::ring::sign::any_supported_type(&key).unwrap();
    let shown = rustls::sign::CertifiedKey::new(chain, key);
    config.client_auth_cert_resolver = Arc::new(rustls::sign::SingleCertAndKey::from(shown));
    let tls = authority
        .tls("localhost")
        .client_ca_bytes(clients.pem())
        .unwrap();
    let (server, addr) = serve(tls);
    let begun = tokio::time::Instant::now();
    assert!(
        get(addr, "localhost", &Arc::new(config), "/hello")
            .await
            .is_err()
    );
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    let metrics = server.handle().metrics();
    until("a failure", || metrics.get(Counter::TlsFailures) == 1).await;
}

/// Handshakes with octets changed, left out and doubled end with an error or wait for more; nothing panics. The same
/// octets for every run.
#[tokio::test]
async fn mutated_handshakes_are_errors() {
    use tokio::io::AsyncReadExt;
    use wireline::resource::io::{Io, memory};
    let authority = Authority::new();
    let acceptor = authority.tls("localhost").acceptor().unwrap();
    let hello = client_hello(&authority);
    let mut chance = 0x9e37_79b9_7f4a_7c15_u64;
    let mut draw = |below: usize| {
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        usize::try_from(chance % below as u64).unwrap()
    };
    let (mut refused, mut taken) = (0, 0);
    for round in 0..2000 {
        let mut octets = hello.clone();
        for _ in 0..1 + draw(4) {
            let at = draw(octets.len());
            match draw(5) {
                0 => octets[at] ^= 1 << draw(8),
                1 => octets[at] = u8::try_from(draw(256)).unwrap(),
                2 => drop(octets.drain(at..(at + draw(40)).min(octets.len()))),
                3 => {
                    let copy = octets[at..(at + draw(200)).min(octets.len())].to_vec();
                    let to = draw(octets.len());
                    octets.splice(to..to, copy);
                }
                _ => {
                    // A record more, of any kind.
                    let kind = 20 + u8::try_from(draw(5)).unwrap();
                    let len = draw(20);
                    let record = [
                        &[kind, 3, 3, 0, u8::try_from(len).unwrap()][..],
                        &vec![1; len],
                    ];
                    let to = if draw(2) == 0 { 0 } else { octets.len() };
                    octets.splice(to..to, record.concat());
                }
            }
            if octets.is_empty() {
                octets.push(22);
            }
        }
        let (mut peer, server) = memory::pair(64 * 1024);
        let pieces = 1 + draw(3);
        let sending = async {
            for piece in octets.chunks(octets.len().div_ceil(pieces)) {
                let _ = peer.write_all(piece).await;
                tokio::task::yield_now().await;
            }
            let _ = peer.shutdown().await;
            let mut answer = Vec::new();
            let _ = peer.read_to_end(&mut answer).await;
            answer
        };
        let accepting = async {
            let outcome = acceptor.accept(Io::Dyn(Box::new(server))).await;
            assert!(
                outcome.is_err(),
                "round {round}: a handshake without its end"
            );
        };
        let (answer, ()) = within(async { tokio::join!(sending, accepting) }).await;
        match answer.first() {
            Some(22) => taken += 1,
            _ => refused += 1,
        }
    }
    assert!(
        refused > 500 && taken > 50,
        "{refused} refused, {taken} answered"
    );
}

/// After the handshake: keys may be changed by either side, and what is no record of the session ends it.
#[tokio::test]
async fn records_of_nobody_end_the_connection() {
    let authority = Authority::new();
    let (server, addr) = serve(authority.tls("localhost"));
    let config = any_client(&authority);
    let mut changing = connect(addr, "localhost", &config).await.unwrap();
    for _ in 0..5 {
        say_hello(&mut changing).await;
        changing.get_mut().1.refresh_traffic_keys().unwrap();
    }
    say_hello(&mut changing).await;
    let metrics = server.handle().metrics();
    for (what, octets) in [
        ("garbage", &[0x80; 64][..]),
        ("content in the clear", b"\x17\x03\x03\x00\x05hello"),
        ("a hello in the clear", &client_hello(&authority)),
        ("an alert in the clear", &[21, 3, 3, 0, 2, 1, 0]),
        ("half a key update", &[22, 3, 3, 0, 2, 24, 0]),
        ("an empty record", &[23, 3, 3, 0, 0]),
        ("a record without end", &[23, 3, 3, 0xff, 0xff]),
    ] {
        let mut stream = connect(addr, "localhost", &config).await.unwrap();
        say_hello(&mut stream).await;
        let errors = metrics.get(Counter::IoErrors);
        stream.get_mut().0.write_all(octets).await.unwrap();
        let mut answer = Vec::new();
        let end = within(stream.read_to_end(&mut answer)).await;
        assert!(answer.is_empty() && end.is_err(), "{what}: {end:?}");
        until(what, || metrics.get(Counter::IoErrors) == errors + 1).await;
    }
    drop(changing);
    until("all have gone", || metrics.connections() == 0).await;
    assert_eq!(metrics.get(Counter::HandlerPanics), 0);
}

/// TL-8: a chain as long as it may be is taken, and one certificate more is not looked at.
#[tokio::test]
async fn a_client_certificate_chain_has_a_longest() {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let authority = Authority::new();
    let pair = authority.sign("client.example");
    let tls = authority
        .tls("localhost")
        .client_ca_bytes(authority.pem())
        .unwrap();
    let (server, addr) = serve(tls);
    let issuer = |number: usize| {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let name = format!("beside {number}");
        params.distinguished_name.push(DnType::CommonName, name);
        let made = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        made.der().clone()
    };
    for (beside, is_taken) in [(0, true), (8, true), (9, false)] {
        let own = CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap();
        let mut chain = vec![own];
        chain.extend((0..beside).map(issuer));
        let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
        let key = rustls::crypto::ring::sign::any_supported_type(&key).unwrap();
        let mut config = client(&authority, rustls::ALL_VERSIONS, None);
        let shown = rustls::sign::CertifiedKey::new(chain, key);
        config.client_auth_cert_resolver = Arc::new(rustls::sign::SingleCertAndKey::from(shown));
        let answer = get(addr, "localhost", &Arc::new(config), "/hello").await;
        assert_eq!(answer.is_ok(), is_taken, "{beside}: {answer:?}");
    }
    let metrics = server.handle().metrics();
    until("a failure", || metrics.get(Counter::TlsFailures) == 1).await;
}
