//! Listeners that are marked, with real sockets.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use wireline::Server;
use wireline::resource::addr::ConnInfo;
use wireline::resource::counters::Counter;
use wireline::router::{Router, Routes};
use wireline::server::{Bound, IntoBind, ProxyProtocol};
use wireline::service::client_addr::ClientAddr;
use wireline::test::TestServer;
use wireline::ws::socket::WebSocket;

fn routes() -> Routes {
    let who =
        async |info: ConnInfo, client: ClientAddr| format!("{} {} {client}", info.peer, info.local);
    Router::new().get("/", who).build().unwrap()
}

fn from(networks: &[&str]) -> ProxyProtocol {
    ProxyProtocol::from_sources(networks).unwrap()
}

/// A server with a marked listener, and where that is.
fn marked(server: Server, proxy: ProxyProtocol) -> (TestServer, SocketAddr) {
    let server = TestServer::start(server.bind("127.0.0.1:0".behind_proxy(proxy)));
    let addr = match server.handle().bound()[0] {
        Bound::Tcp(addr) => addr,
        ref other => panic!("{other}"),
    };
    (server, addr)
}

/// Everything that comes back for pieces that are sent one after the other; a reset is an end, too.
fn exchange(addr: SocketAddr, pieces: &[&[u8]]) -> String {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    for (place, piece) in pieces.iter().enumerate() {
        if place > 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        if stream.write_all(piece).is_err() {
            break;
        }
    }
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("it stays open"),
        _ => String::from_utf8(answer).unwrap(),
    }
}

fn content(answer: &str) -> &str {
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    answer.rsplit_once("\r\n\r\n").unwrap().1
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..2000 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("never: {what}");
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
const VERSION_1: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n";
const VERSION_2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24\
    \x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\xdc\x04\x01\xbb";
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

#[test]
fn the_connection_is_the_clients() {
    let (server, addr) = marked(Server::new(routes()), from(&["127.0.0.0/8"]));
    for (header, expected) in [
        (VERSION_1, "192.0.2.1:56324 198.51.100.7:443 192.0.2.1"),
        (
            VERSION_2,
            "[2001:db8::1]:56324 [2001:db8::2]:443 2001:db8::1",
        ),
    ] {
        let whole = [header, REQUEST].concat();
        let octets: Vec<&[u8]> = whole.chunks(1).collect();
        for pieces in [&[&whole[..]][..], &[header, REQUEST], &octets] {
            assert_eq!(content(&exchange(addr, pieces)), expected);
        }
    }
    for header in [LOCAL, b"PROXY UNKNOWN\r\n"] {
        let answer = exchange(addr, &[header, REQUEST]);
        let own = content(&answer);
        assert!(
            own.starts_with("127.0.0.1:") && own.ends_with(&format!(" {addr} 127.0.0.1")),
            "{own}"
        );
    }
    // The other listener of the same server wants none.
    let own = exchange(server.addr(), &[REQUEST]);
    assert!(content(&own).ends_with(" 127.0.0.1"), "{own}");
    let refused = exchange(server.addr(), &[VERSION_1, REQUEST]);
    assert!(refused.starts_with("HTTP/1.1 400 "), "{refused}");
}

#[test]
fn several_requests_come_behind_one_header() {
    let (_server, addr) = marked(Server::new(routes()), from(&["127.0.0.1"]));
    let keep = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let answer = exchange(addr, &[VERSION_1, &keep.repeat(20), REQUEST]);
    assert_eq!(answer.matches("192.0.2.1:56324").count(), 21, "{answer}");
}

#[test]
fn who_is_not_listed_or_says_nothing_of_use_is_closed() {
    let (server, addr) = marked(Server::new(routes()), from(&["127.0.0.1"]));
    let count = |counter| server.handle().metrics().get(counter);
    for (nth, octets) in [
        REQUEST,
        b"PROXY TCP4 x\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
    ]
    .iter()
    .enumerate()
    {
        assert_eq!(exchange(addr, &[octets]), "");
        assert_eq!(count(Counter::RefusedProxyHeader), nth as u64 + 1);
    }
    // A header that the client cuts short is none; who sends nothing at all only looks whether the port is open.
    for (octets, refused) in [(&VERSION_1[..20], 4), (&b""[..], 4)] {
        let mut stream = TcpStream::connect(addr).unwrap();
        stream.write_all(octets).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap(), 0);
        assert_eq!(count(Counter::RefusedProxyHeader), refused);
    }
    assert_eq!(
        count(Counter::ConnectionsAccepted),
        0,
        "none of them came to HTTP"
    );

    let (server, addr) = marked(Server::new(routes()), from(&["192.0.2.0/24", "unix"]));
    assert_eq!(exchange(addr, &[VERSION_1, REQUEST]), "");
    assert_eq!(
        server.handle().metrics().get(Counter::RefusedProxySource),
        1
    );
    until("the places are free again", || {
        server.handle().metrics().connections() == 0
    });
}

#[test]
fn a_header_has_its_time() {
    let proxy = from(&["127.0.0.1"]).timeout(Duration::from_millis(500));
    let (server, addr) = marked(Server::new(routes()), proxy);
    let count = |counter| server.handle().metrics().get(counter);
    for (nth, octets) in [
        &b""[..],
        &VERSION_1[..1],
        &VERSION_1[..44],
        &VERSION_2[..30],
    ]
    .iter()
    .enumerate()
    {
        assert_eq!(exchange(addr, &[octets]), "");
        assert_eq!(count(Counter::ProxyHeaderTimeouts), nth as u64 + 1);
    }
    // What comes behind it has the time that it always has.
    assert!(content(&exchange(addr, &[VERSION_1, REQUEST])).starts_with("192.0.2.1:"));
    until("nothing is held any more", || {
        server.handle().metrics().buffered() == 0
    });
}

#[test]
fn the_limit_of_an_address_is_the_clients() {
    let server = Server::new(routes()).max_connections_per_address(1);
    let (server, addr) = marked(server, from(&["127.0.0.1"]));
    let mut first = TcpStream::connect(addr).unwrap();
    first
        .write_all(&[VERSION_1, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"].concat())
        .unwrap();
    first.read_exact(&mut [0; 12]).unwrap();
    let second = exchange(addr, &[VERSION_1, REQUEST]);
    assert!(second.starts_with("HTTP/1.1 503 "), "{second}");
    assert_eq!(
        server.handle().metrics().get(Counter::ConnectionsRefused),
        1
    );
    let other = b"PROXY TCP4 192.0.2.2 198.51.100.7 56324 443\r\n";
    assert!(content(&exchange(addr, &[other, REQUEST])).starts_with("192.0.2.2:"));
    drop(first);
    until("the address has its place again", || {
        server.handle().metrics().connections() == 0
    });
    assert!(content(&exchange(addr, &[VERSION_1, REQUEST])).starts_with("192.0.2.1:"));
}

/// A connection whose socket is open.
fn upgraded(addr: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let request =
        b"GET /socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(&[VERSION_1, request].concat()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut octet = [0];
        stream.read_exact(&mut octet).unwrap();
        head.push(octet[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "));
    stream
}

/// An upgrade is no way past the ceilings of connections: neither that of the server nor that of an address.
#[test]
fn open_sockets_count_for_the_limits_of_connections() {
    let routes = || {
        let who = async |info: ConnInfo| format!("{} is here", info.peer);
        let waits = async |mut socket: WebSocket| while socket.recv().await.is_some() {};
        let routes = Router::new().get("/", who).websocket("/socket", waits);
        routes.build().unwrap()
    };
    for server in [
        Server::new(routes()).max_connections(2),
        Server::new(routes()).max_connections_per_address(2),
    ] {
        let (server, addr) = marked(server, from(&["127.0.0.1"]));
        let metrics = server.handle().metrics();
        let mut open = vec![upgraded(addr), upgraded(addr)];
        until("both are open", || {
            metrics.get(Counter::WebSocketsOpened) == 2
        });
        assert_eq!(metrics.connections(), 2);
        let third = exchange(addr, &[VERSION_1, REQUEST]);
        assert!(third.starts_with("HTTP/1.1 503 "), "{third}");
        assert_eq!(metrics.get(Counter::ConnectionsRefused), 1);
        // Those that are open go on; a place is free when one of them has ended.
        open[0].write_all(b"\x89\x80\0\0\0\0").unwrap();
        let mut pong = [0; 2];
        open[0].read_exact(&mut pong).unwrap();
        assert_eq!(pong, [0x8a, 0]);
        drop(open.pop());
        until("a place is free again", || metrics.connections() == 1);
        assert!(content(&exchange(addr, &[VERSION_1, REQUEST])).starts_with("192.0.2.1:"));
    }
}

#[test]
fn a_drain_waits_for_a_header_on_its_way_and_not_for_silence() {
    let (server, addr) = marked(Server::new(routes()), from(&["127.0.0.1"]));
    let mut speaking = TcpStream::connect(addr).unwrap();
    speaking.write_all(&VERSION_1[..20]).unwrap();
    let mut silent = TcpStream::connect(addr).unwrap();
    until("both are here", || {
        server.handle().metrics().connections() == 2
    });
    std::thread::sleep(Duration::from_millis(50));
    server.handle().stop();
    assert_eq!(silent.read(&mut [0]).unwrap(), 0);
    speaking
        .write_all(&[&VERSION_1[20..], REQUEST].concat())
        .unwrap();
    let mut answer = String::new();
    speaking.read_to_string(&mut answer).unwrap();
    assert!(content(&answer).starts_with("192.0.2.1:"));
}

#[test]
fn unix_sockets_and_the_redirect_may_be_marked() {
    let path = std::env::temp_dir().join(format!("wireline-proxy-{}.sock", std::process::id()));
    let open = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let redirect = open.local_addr().unwrap();
    let server = Server::new(routes())
        .bind(path.as_path().behind_proxy(from(&["unix"])))
        .redirect_to_https(open.behind_proxy(from(&["127.0.0.1"])), 443);
    let _server = TestServer::start(server);
    let mut stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
    stream.write_all(&[VERSION_1, REQUEST].concat()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(
        content(&answer),
        "192.0.2.1:56324 198.51.100.7:443 192.0.2.1"
    );
    let answer = exchange(redirect, &[VERSION_2, REQUEST]);
    assert!(
        answer.starts_with("HTTP/1.1 308 ") && answer.contains("\r\nlocation: https://a/\r\n"),
        "{answer}"
    );
}

#[test]
fn several_workers_share_a_marked_listener() {
    let open = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let handed = open.local_addr().unwrap();
    let server = Server::new(routes())
        .bind("127.0.0.1:0".behind_proxy(from(&["127.0.0.1"])))
        .bind(open.behind_proxy(from(&["127.0.0.1"])))
        .workers(3)
        .signals(false);
    let (sender, receiver) = std::sync::mpsc::channel();
    let thread =
        std::thread::spawn(move || server.run_with(|handle| sender.send(handle.clone()).unwrap()));
    let handle = receiver.recv().unwrap();
    let Bound::Tcp(own) = handle.bound()[0] else {
        panic!()
    };
    for _ in 0..9 {
        for addr in [own, handed] {
            assert!(content(&exchange(addr, &[VERSION_1, REQUEST])).starts_with("192.0.2.1:"));
        }
    }
    handle.stop();
    thread.join().unwrap().unwrap();
}
