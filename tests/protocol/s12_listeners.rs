//! Where a server listens: TCP, several, Unix sockets, open listeners, and the caller's runtime.

use crate::socket::Socket;
use crate::{Seen, eventually, routes};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use wireline::Server;
use wireline::resource::counters::Counter;
use wireline::server::bind::{Bound, IntoBind};
use wireline::server::{Bind, Handle};
use wireline::test::TestServer;

fn server() -> Server {
    server_that_tells(Arc::default())
}

fn server_that_tells(seen: Arc<Seen>) -> Server {
    Server::new(routes(seen)).signals(false)
}

fn addr_of(bound: &Bound) -> SocketAddr {
    match bound {
        Bound::Tcp(addr) => *addr,
        other => panic!("{other} is no TCP address"),
    }
}

/// A path for a socket, gone when the test is.
struct Path(PathBuf);

impl Path {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("wireline-{name}-{}.sock", std::process::id())))
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// S3: every form that names a place.
#[test]
fn s3_bind_forms() {
    let port = |bind: Bind| match bind {
        Bind::Tcp(addrs) => addrs.first().map(|addr| addr.to_string()),
        Bind::Unix(path) => Some(path.display().to_string()),
        Bind::Inherited => Some("inherited".to_owned()),
        _ => None,
    };
    assert_eq!(
        port("127.0.0.1:3000".into_bind()).as_deref(),
        Some("127.0.0.1:3000")
    );
    assert_eq!(
        port(String::from("[::1]:3000").into_bind()).as_deref(),
        Some("[::1]:3000")
    );
    assert_eq!(port(":3000".into_bind()).as_deref(), Some("0.0.0.0:3000"));
    assert_eq!(
        port(SocketAddr::from(([127, 0, 0, 1], 8000)).into_bind()).as_deref(),
        Some("127.0.0.1:8000")
    );
    assert_eq!(
        port(([127, 0, 0, 1], 8000).into_bind()).as_deref(),
        Some("127.0.0.1:8000")
    );
    assert_eq!(
        port(("127.0.0.1", 8000).into_bind()).as_deref(),
        Some("127.0.0.1:8000")
    );
    assert_eq!(
        port("unix:/run/app.sock".into_bind()).as_deref(),
        Some("/run/app.sock")
    );
    assert_eq!(
        port(std::path::Path::new("/run/app.sock").into_bind()).as_deref(),
        Some("/run/app.sock")
    );
    assert_eq!(port("systemd".into_bind()).as_deref(), Some("inherited"));
    assert_eq!(port("no place".into_bind()), None);
}

/// One service at two ports and at a Unix socket, through one worker and through several.
#[test]
fn several_listeners_serve_one_service() {
    for workers in [1, 3] {
        let path = Path::new(&format!("several-{workers}"));
        let (sender, receiver) = std::sync::mpsc::channel::<Handle>();
        let place = path.0.clone();
        let thread = std::thread::spawn(move || {
            let server = server()
                .bind("127.0.0.1:0")
                .bind(([127, 0, 0, 1], 0))
                .bind(place.as_path());
            server
                .workers(workers)
                .run_with(|handle| drop(sender.send(handle.clone())))
                .unwrap();
        });
        let handle = receiver.recv().unwrap();
        assert_eq!(handle.bound().len(), 3);
        for _ in 0..10 {
            for bound in &handle.bound()[..2] {
                assert_eq!(Socket::connect(addr_of(bound)).get("/").text(), "hello");
            }
            assert_eq!(
                Socket::connect_unix(&path.0).get("/target").text(),
                "/target a"
            );
        }
        assert_eq!(handle.metrics().get(Counter::ConnectionsAccepted), 30);
        assert_eq!(handle.metrics().get(Counter::Requests), 30);
        assert!(handle.is_ready());
        handle.stop();
        thread.join().unwrap();
        assert!(!handle.is_ready());
        assert!(!path.0.exists(), "the socket file is removed");
        assert_eq!(handle.metrics().get(Counter::ConnectionsClosed), 30);
    }
}

/// A socket file that nobody listens at is replaced; one that somebody does is not.
#[test]
fn a_stale_unix_socket_is_replaced() {
    let path = Path::new("stale");
    drop(std::os::unix::net::UnixListener::bind(&path.0).unwrap());
    assert!(path.0.exists());
    let running = TestServer::start(server().bind(path.0.as_path()));
    assert_eq!(Socket::connect_unix(&path.0).get("/").text(), "hello");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _inside = runtime.enter();
    let error = server().bind(path.0.as_path()).start().unwrap_err();
    assert!(error.to_string().contains("in use"), "{error}");
    assert_eq!(
        Socket::connect_unix(&path.0).get("/").text(),
        "hello",
        "the first still listens"
    );
    drop(running);
    assert!(!path.0.exists());
    // What is no socket is not touched.
    std::fs::write(&path.0, "precious").unwrap();
    assert!(server().bind(path.0.as_path()).start().is_err());
    assert_eq!(std::fs::read_to_string(&path.0).unwrap(), "precious");
}

/// Beyond the limit of connections a Unix client is told, too.
#[test]
fn a_unix_client_beyond_the_limit_is_answered_503() {
    let path = Path::new("full");
    let served = TestServer::start(server().max_connections(1).bind(path.0.as_path()));
    let mut first = Socket::connect_unix(&path.0);
    assert_eq!(first.get("/").text(), "hello");
    for _ in 0..100 {
        let reply = Socket::connect_unix(&path.0).get("/");
        assert_eq!((reply.status, reply.field("retry-after")), (503, Some("1")));
    }
    assert_eq!(
        served.handle().metrics().get(Counter::ConnectionsRefused),
        100
    );
}

/// Listeners that are open already are taken as they are.
#[test]
fn open_listeners_are_taken() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    let served = TestServer::start(server().bind(listener));
    assert_eq!(Socket::connect(addr).get("/").text(), "hello");
    assert_eq!(Socket::connect(served.addr()).get("/").text(), "hello");
}

/// What cannot be listened at is an error with a clear text, and nothing has begun.
#[tokio::test]
async fn places_that_cannot_be_had() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addr = taken.local_addr().unwrap();
    let no_socket = Path::new("no-socket");
    std::fs::write(&no_socket.0, "a file").unwrap();
    for (error, text) in [
        (server().start().unwrap_err(), "call `bind`".to_owned()),
        (
            server().bind("nonsense").start().unwrap_err(),
            "`nonsense` is no address".to_owned(),
        ),
        (
            server().bind(addr).start().unwrap_err(),
            format!("cannot listen at {addr}: the address is in use"),
        ),
        (
            server().bind("192.0.2.1:80").start().unwrap_err(),
            "no such address".to_owned(),
        ),
        (
            server()
                .bind("no-such-host.invalid:80")
                .start()
                .unwrap_err(),
            "a host that is not known".to_owned(),
        ),
        (
            server()
                .bind("unix:/no/such/directory/a")
                .start()
                .unwrap_err(),
            "its directory is not there".to_owned(),
        ),
        (
            server().bind(no_socket.0.as_path()).start().unwrap_err(),
            "what is there is no socket".to_owned(),
        ),
        (
            server().bind("systemd").start().unwrap_err(),
            "no listener was inherited".to_owned(),
        ),
    ] {
        assert!(error.to_string().contains(&text), "{error}");
    }
}

/// Several workers share their port by `SO_REUSEPORT`; another server, of the same user even, does not get it.
#[test]
fn a_port_is_of_one_server_however_many_workers_share_it() {
    let (sender, receiver) = std::sync::mpsc::channel::<Handle>();
    let first = std::thread::spawn(move || {
        server()
            .bind("127.0.0.1:0")
            .workers(2)
            .run_with(|handle| drop(sender.send(handle.clone())))
    });
    let handle = receiver.recv().unwrap();
    let addr = addr_of(&handle.bound()[0]);
    for workers in [1, 2] {
        for place in [
            Bind::Tcp(vec![addr]),
            // Another address of the same name would hide that the port is taken.
            Bind::Tcp(vec![addr, SocketAddr::from(([127, 0, 0, 2], addr.port()))]),
            Bind::Tcp(vec![SocketAddr::from(([0, 0, 0, 0], addr.port()))]),
        ] {
            let shown = format!("{workers} workers at {place:?}");
            let second = server()
                .bind(place)
                .workers(workers)
                .run_with(|handle| handle.stop());
            let error = second.expect_err(&shown);
            let cause = std::error::Error::source(&error)
                .and_then(|source| source.downcast_ref::<std::io::Error>());
            assert_eq!(
                cause.map(std::io::Error::kind),
                Some(std::io::ErrorKind::AddrInUse),
                "{shown}: {error}"
            );
        }
    }
    // Nor does the same server get it twice.
    let twice = server()
        .bind(([127, 0, 0, 3], addr.port()))
        .bind(([127, 0, 0, 3], addr.port()))
        .workers(2)
        .run_with(|handle| handle.stop());
    assert!(twice.unwrap_err().to_string().contains("in use"));
    // Nobody took a connection from the first.
    for _ in 0..20 {
        assert_eq!(Socket::connect(addr).get("/").text(), "hello");
    }
    assert_eq!(handle.metrics().get(Counter::ConnectionsAccepted), 20);
    handle.stop();
    first.join().unwrap().unwrap();
    // Once it has ended the port is free at once, although its connections linger in the kernel.
    let again = server()
        .bind(addr)
        .workers(2)
        .run_with(|handle| handle.stop());
    again.unwrap();
}

/// Listeners that share a port because their owner made them so are taken as they are, by several workers too.
#[test]
fn an_open_listener_may_share_its_port() {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_reuse_port(true).unwrap();
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    socket.bind(&any.into()).unwrap();
    socket.listen(16).unwrap();
    let listener = TcpListener::from(socket);
    let addr = listener.local_addr().unwrap();
    let (sender, receiver) = std::sync::mpsc::channel::<Handle>();
    let thread = std::thread::spawn(move || {
        server()
            .bind(listener)
            .workers(3)
            .run_with(|handle| drop(sender.send(handle.clone())))
    });
    let handle = receiver.recv().unwrap();
    for _ in 0..20 {
        assert_eq!(Socket::connect(addr).get("/").text(), "hello");
    }
    handle.stop();
    thread.join().unwrap().unwrap();
}

/// S1, S2: on the caller's runtime; the callback runs once connections are accepted, with the port that was given.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s2_listen_with_calls_back_when_it_listens() {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let listening = tokio::spawn(server().listen_with(
        "127.0.0.1:0",
        async move |bound: &Bound| {
            let _ = sender.send(addr_of(bound));
        },
    ));
    let addr = receiver.await.unwrap();
    let text =
        tokio::task::spawn_blocking(move || Socket::connect(addr).get("/").text().to_owned())
            .await
            .unwrap();
    assert_eq!(text, "hello");
    assert!(!listening.is_finished());
    listening.abort();
}

/// On a runtime with several threads, many connections at once and many refusals: all are answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_on_a_runtime_of_several_threads_are_seen() {
    let running = server()
        .max_connections(1)
        .bind("127.0.0.1:0")
        .start()
        .unwrap();
    let handle = running.handle();
    let addr = addr_of(&handle.bound()[0]);
    let clients = tokio::task::spawn_blocking(move || {
        let mut first = Socket::connect(addr);
        assert_eq!(first.get("/").text(), "hello");
        for number in 0..300 {
            let mut refused = Socket::connect(addr);
            // Octets that nobody reads would turn the close into a reset, and the answer would be lost.
            let reply = refused.send("POST / HTTP/1.1\r\n".repeat(20)).reply();
            assert_eq!(reply.status, 503, "client {number}");
        }
    });
    clients.await.unwrap();
    assert_eq!(handle.metrics().get(Counter::ConnectionsRefused), 300);
    handle.stop();
    running.wait().await;
}

/// Without a runtime, `start` says so instead of panicking.
#[test]
fn start_needs_a_runtime() {
    let error = server().bind("127.0.0.1:0").start().unwrap_err();
    assert!(error.to_string().contains("runtime"), "{error}");
}

/// A stop loses no connection that the kernel has accepted: it is served, and told to close.
#[tokio::test]
async fn a_connection_in_the_backlog_survives_the_stop() {
    for _ in 0..20 {
        let running = server().bind("127.0.0.1:0").start().unwrap();
        let handle = running.handle();
        tokio::task::yield_now().await;
        // The runtime has one thread, which is here: nobody accepts meanwhile.
        let mut waiting: Vec<Socket> = (0..5)
            .map(|_| Socket::connect(addr_of(&handle.bound()[0])))
            .collect();
        for socket in &mut waiting {
            socket.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        }
        handle.stop();
        let clients = tokio::task::spawn_blocking(move || {
            for socket in &mut waiting {
                let reply = socket.reply();
                assert_eq!(
                    (reply.text(), reply.field("connection")),
                    ("hello", Some("close"))
                );
                socket.assert_end();
            }
        });
        running.wait().await;
        clients.await.unwrap();
        assert_eq!(handle.metrics().get(Counter::Responses), 5);
    }
}

/// The drain: what is begun is finished, new connections are refused, and the deadline is one.
#[tokio::test]
async fn a_drain_finishes_what_was_begun() {
    let seen = Arc::new(Seen::default());
    let mut server = server_that_tells(seen.clone()).bind("127.0.0.1:0");
    server.config.shutdown_timeout = std::time::Duration::from_millis(700);
    let running = server.start().unwrap();
    let handle = running.handle();
    let addr = addr_of(&handle.bound()[0]);
    let (began, begun) = tokio::sync::oneshot::channel();
    let clients = tokio::task::spawn_blocking(move || {
        let (mut slow, mut idle, mut parked) = (
            Socket::connect(addr),
            Socket::connect(addr),
            Socket::connect(addr),
        );
        assert_eq!(idle.get("/").text(), "hello");
        slow.send("GET /until-told HTTP/1.1\r\nHost: a\r\n\r\n");
        parked.send("GET /park HTTP/1.1\r\nHost: a\r\n\r\n");
        eventually("both handlers run", || {
            let running = |count: &AtomicUsize| count.load(Ordering::SeqCst) == 1;
            running(&seen.waiting) && running(&seen.parked)
        });
        let _ = began.send(());
        idle.assert_end();
        assert!(
            std::net::TcpStream::connect(addr).is_err(),
            "nobody listens any more"
        );
        seen.tell();
        let reply = slow.reply();
        assert_eq!(
            (reply.text(), reply.field("connection")),
            ("slow", Some("close"))
        );
        parked.assert_end();
    });
    begun.await.unwrap();
    handle.stop();
    running.wait().await;
    clients.await.unwrap();
    assert_eq!(handle.metrics().get(Counter::DrainForced), 1);
    assert_eq!(handle.metrics().get(Counter::HandlersCancelled), 1);
    assert_eq!(handle.metrics().connections(), 0);
}

/// A server that has ended leaves no task on the runtime that it ran on.
#[tokio::test]
async fn a_server_that_has_ended_leaves_nothing() {
    let metrics = tokio::runtime::Handle::current().metrics();
    let before = metrics.num_alive_tasks();
    for _ in 0..3 {
        let running = server().bind("127.0.0.1:0").start().unwrap();
        let (handle, addr) = (running.handle(), addr_of(&running.handle().bound()[0]));
        let client = tokio::task::spawn_blocking(move || {
            assert_eq!(Socket::connect(addr).get("/").text(), "hello");
        });
        client.await.unwrap();
        handle.stop();
        running.wait().await;
        drop(handle);
    }
    // The sweep looks four times a second whether there is still a worker.
    let mut rounds = 0;
    while metrics.num_alive_tasks() > before {
        rounds += 1;
        assert!(
            rounds < 100,
            "{} tasks are left",
            metrics.num_alive_tasks() - before
        );
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// A drain waits for connections that another protocol has taken over, and the deadline ends them.
#[tokio::test]
async fn a_drain_waits_for_upgraded_connections() {
    for ends_by_itself in [true, false] {
        let mut server = server().bind("127.0.0.1:0");
        server.config.shutdown_timeout =
            std::time::Duration::from_millis(if ends_by_itself { 30_000 } else { 700 });
        let running = server.start().unwrap();
        let handle = running.handle();
        let addr = addr_of(&handle.bound()[0]);
        let stopping = handle.clone();
        let client = tokio::task::spawn_blocking(move || {
            let mut socket = Socket::connect(addr);
            socket.send(
                "GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n",
            );
            assert_eq!(socket.reply().status, 101);
            stopping.stop();
            eventually("nobody listens any more", || {
                std::net::TcpStream::connect(addr).is_err()
            });
            // It is still spoken, also when idle connections of HTTP would be gone.
            assert_eq!(socket.take(8), b"welcome ");
            for _ in 0..4 {
                std::thread::sleep(std::time::Duration::from_millis(100));
                assert_eq!(socket.send("x").take(1), b"x");
            }
            if ends_by_itself {
                socket.fin();
            }
            socket.assert_end();
        });
        running.wait().await;
        client.await.unwrap();
        let forced = handle.metrics().get(Counter::DrainForced);
        assert_eq!(forced, u64::from(!ends_by_itself));
    }
}
