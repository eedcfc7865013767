//! What a process must not do before it is ready to take another's place, and what one says whose workers are blocked. Each test starts
//! itself anew as the other process.

#![expect(clippy::disallowed_methods, reason = "these tests measure real time")]

use std::env;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use wireline::Router;
use wireline::resource::counters::Counter;
use wireline::server::{Bound, Handle, Server, Successor};

/// Where the other process says that it has come so far: it connects there.
const TOLD: &str = "WIRELINE_TEST_TOLD";

const LIMIT: Duration = Duration::from_secs(30);

/// This program, of which that one test runs.
fn again(test: &str, told: SocketAddr) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", test, "--nocapture"])
        .env(TOLD, told.to_string())
        .stdout(Stdio::null());
    command
}

/// Where the process that has started this one waits for it, if there is one.
fn told() -> Option<TcpStream> {
    let place = env::var(TOLD).ok()?;
    Some(TcpStream::connect(place).unwrap())
}

/// Says who has answered, and takes a worker's thread.
fn server(who: &'static str, signals: bool) -> Server {
    let routes = Router::new()
        .get("/", move || std::future::ready(who))
        .get("/block", async || {
            std::thread::sleep(Duration::from_secs(3))
        })
        .build()
        .unwrap();
    Server::new(routes).bind("127.0.0.1:0").signals(signals)
}

/// Serves on threads of its own.
fn serve(who: &'static str, signals: bool, workers: usize) -> Handle {
    let (tell, handle) = mpsc::sync_channel(1);
    let server = server(who, signals).workers(workers);
    std::thread::spawn(move || {
        server
            .run_with(|handle| tell.send(handle.clone()).unwrap())
            .unwrap();
    });
    handle.recv_timeout(LIMIT).unwrap()
}

fn addr(handle: &Handle) -> SocketAddr {
    let Some(Bound::Tcp(addr)) = handle.bound().first() else {
        panic!("{handle:?}");
    };
    *addr
}

/// The content of the answer on a connection that stays.
fn ask(stream: &mut TcpStream, path: &str) -> String {
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    loop {
        let mut part = [0; 1024];
        let length = stream.read(&mut part).unwrap();
        assert!(length > 0, "{}", answer.escape_ascii());
        answer.extend_from_slice(&part[..length]);
        let text = String::from_utf8_lossy(&answer);
        if let Some((head, content)) = text.split_once("\r\n\r\n") {
            let length = format!("content-length: {}\r\n", content.len());
            if format!("{head}\r\n").contains(&length) {
                return content.to_owned();
            }
        }
    }
}

#[test]
fn whoever_comes_before_it_is_ready_is_served_by_the_one_before() {
    if let Some(mut waits) = told() {
        // More workers than it is left listeners: those that it opens itself nobody may come to yet.
        let _handle = serve("the next", false, 4);
        waits.write_all(b"it listens").unwrap();
        // Until it is ended, or told that it may be ready.
        let mut word = [0];
        if waits.read(&mut word).unwrap_or(0) > 0 {
            wireline::server::announce();
            let _ = waits.read(&mut word);
        }
        return;
    }
    let handle = serve("the first", false, 2);
    let addr = addr(&handle);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = listener.local_addr().unwrap();
    let name = "whoever_comes_before_it_is_ready_is_served_by_the_one_before";
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let take_over = || {
        let successor = Successor::of(&handle).command(again(name, place));
        let taking = runtime.spawn(successor.patience(LIMIT).take_over());
        let (mut line, _) = listener.accept().unwrap();
        line.set_read_timeout(Some(LIMIT)).unwrap();
        let mut word = [0; 10];
        line.read_exact(&mut word).unwrap();
        (taking, line)
    };

    // It has its places, and is not ready: nobody is its own, and nobody is lost with it.
    assert_eq!(listeners_at(addr), 2);
    let (taking, mut line) = take_over();
    assert_eq!(listeners_at(addr), 2);
    let mut kept: Vec<TcpStream> = (0..100)
        .map(|_| TcpStream::connect(addr).unwrap())
        .collect();
    for stream in &mut kept {
        assert_eq!(ask(stream, "/"), "the first");
    }
    taking.abort();
    assert!(runtime.block_on(taking).unwrap_err().is_cancelled());
    assert_eq!(line.read(&mut [0]).unwrap_or(0), 0, "it has not ended");
    for stream in &mut kept {
        assert_eq!(ask(stream, "/"), "the first");
    }
    assert!(handle.is_ready());

    // Ready it serves who comes.
    let (taking, mut line) = take_over();
    line.write_all(b"!").unwrap();
    let process = runtime.block_on(taking).unwrap().unwrap();
    assert!(process > 0 && !handle.is_ready());
    let begun = Instant::now();
    loop {
        let mut stream = TcpStream::connect(addr).unwrap();
        if ask(&mut stream, "/") == "the next" {
            break;
        }
        assert!(begun.elapsed() < LIMIT, "the first one still accepts");
    }
    // Now it has a listener for each of its workers.
    while listeners_at(addr) < 4 {
        assert!(begun.elapsed() < LIMIT, "{}", listeners_at(addr));
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(line);
}

/// How many sockets of this machine listen there, each once however many processes hold it.
fn listeners_at(addr: SocketAddr) -> usize {
    let SocketAddr::V4(addr) = addr else {
        panic!("{addr}");
    };
    let ip = u32::from_ne_bytes(addr.ip().octets());
    let place = format!(" {ip:08X}:{:04X} 00000000:0000 0A ", addr.port());
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    table.lines().filter(|line| line.contains(&place)).count()
}

/// A process that is ended when the test is over, however that is.
struct Other(Child);

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The service manager that another process of this test's has.
struct Manager {
    path: PathBuf,
    socket: UnixDatagram,
    _other: Other,
    line: TcpStream,
    port: u16,
}

impl Manager {
    /// Starts the process, which says at which port it serves.
    fn of(test: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = listener.local_addr().unwrap();
        let path = env::temp_dir().join(format!("wireline-manager-{}", place.port()));
        let _ = std::fs::remove_file(&path);
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        let other = again(test, place)
            .env("NOTIFY_SOCKET", &path)
            .env("WATCHDOG_USEC", "2000000")
            .env_remove("WATCHDOG_PID")
            .spawn()
            .unwrap();
        let other = Other(other);
        let (mut line, _) = listener.accept().unwrap();
        line.set_read_timeout(Some(LIMIT)).unwrap();
        let mut port = [0; 5];
        line.read_exact(&mut port).unwrap();
        let port: u16 = String::from_utf8_lossy(&port).trim().parse().unwrap();
        Self {
            path,
            socket,
            _other: other,
            line,
            port,
        }
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).unwrap()
    }

    fn hear(&self) -> (String, Instant) {
        let mut state = [0; 64];
        let length = self.socket.recv(&mut state).unwrap();
        let said = String::from_utf8_lossy(&state[..length]).into_owned();
        (said, Instant::now())
    }

    /// Blocks its worker for three seconds; gives the longest time in which it has said nothing.
    fn block(&self, stream: &TcpStream) -> Duration {
        let mut blocking = stream.try_clone().unwrap();
        let blocking = std::thread::spawn(move || ask(&mut blocking, "/block"));
        let (asked, mut longest) = (Instant::now(), Duration::ZERO);
        let mut last = asked;
        while last - asked < Duration::from_secs(4) {
            let (said, when) = self.hear();
            assert_eq!(said, "WATCHDOG=1");
            longest = longest.max(when - last);
            last = when;
        }
        blocking.join().unwrap();
        longest
    }

    /// How often a worker was blocked.
    fn blocked(&mut self) -> u64 {
        self.line.write_all(b"?").unwrap();
        let mut count = [0; 8];
        self.line.read_exact(&mut count).unwrap();
        u64::from_be_bytes(count)
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Says where it serves, and, each time that it is asked, how often a worker was blocked.
fn answer(mut waits: TcpStream, handle: &Handle) {
    write!(waits, "{:5}", addr(handle).port()).unwrap();
    let mut word = [0];
    while waits.read(&mut word).unwrap_or(0) > 0 {
        let count = handle.metrics().get(Counter::WorkersBlocked);
        waits.write_all(&count.to_be_bytes()).unwrap();
    }
}

#[test]
fn a_worker_that_is_blocked_is_counted_and_the_manager_hears_nothing_meanwhile() {
    if let Some(waits) = told() {
        return answer(waits, &serve("somebody", true, 1));
    }
    let name = "a_worker_that_is_blocked_is_counted_and_the_manager_hears_nothing_meanwhile";
    let mut manager = Manager::of(name);
    assert_eq!(manager.hear().0, "READY=1");
    // Nobody is connected, and it is well.
    for _ in 0..3 {
        assert_eq!(manager.hear().0, "WATCHDOG=1");
    }
    let mut stream = manager.connect();
    assert_eq!(ask(&mut stream, "/"), "somebody");
    assert_eq!(manager.blocked(), 0);
    // Three seconds, of which it says nothing from the second one on; and then it does. A machine that stands still meanwhile tells it nothing, and it
    // is asked again.
    let noticed = (0..5)
        .any(|_| manager.block(&stream) > Duration::from_millis(1200) && manager.blocked() >= 1);
    assert!(noticed);
}

#[test]
fn whoever_announces_an_embedded_server_has_the_manager_told() {
    if let Some(waits) = told() {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let running = runtime.block_on(async { server("somebody", false).start().unwrap() });
        wireline::server::announce();
        return answer(waits, &running.handle());
    }
    let manager = Manager::of("whoever_announces_an_embedded_server_has_the_manager_told");
    assert_eq!(manager.hear().0, "READY=1");
    for _ in 0..3 {
        assert_eq!(manager.hear().0, "WATCHDOG=1");
    }
    let mut stream = manager.connect();
    assert_eq!(ask(&mut stream, "/"), "somebody");
    // The thread that the server runs on stands still, and with it whatever else would say so there.
    assert!((0..5).any(|_| manager.block(&stream) > Duration::from_millis(1200)));
}
