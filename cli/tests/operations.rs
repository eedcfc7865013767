//! The server where the machine gives out: descriptors, the reader of its log, the disk, the broker.

#![expect(
    clippy::disallowed_methods,
    reason = "these tests measure real time and read their own server's numbers"
)]

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

const BINARY: &str = env!("CARGO_BIN_EXE_wireline");

/// A running server, whose stdout is read no further than its first line.
struct Running {
    child: Child,
    addr: SocketAddr,
    stdout: Option<BufReader<std::process::ChildStdout>>,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let place = line.split("http://").nth(1);
        let place = place.unwrap_or_else(|| panic!("the first line is {line:?}"));
        Self {
            child,
            addr: place.split(' ').next().unwrap().parse().unwrap(),
            stdout: Some(stdout),
        }
    }

    /// A request on a connection that goes on; gives the status.
    fn ask(stream: &mut TcpStream) -> io::Result<u16> {
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        status(stream)
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.addr).unwrap();
        let limit = Some(Duration::from_secs(10));
        stream.set_read_timeout(limit).unwrap();
        stream
    }

    /// The time that the process has had a core.
    fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        let ticks: u64 = fields[11..13]
            .iter()
            .map(|field| field.parse::<u64>().unwrap())
            .sum();
        // A hundred a second, on every Linux.
        Duration::from_millis(ticks * 10)
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([name, &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    fn ends_within(&mut self, limit: Duration) {
        let begun = Instant::now();
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None if begun.elapsed() > limit => panic!("still running after {limit:?}"),
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        assert_eq!(status.code(), Some(0));
    }
}

impl Drop for Running {
    /// A test that fails leaves nothing behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads a response with its content; gives the status.
fn status(stream: &mut TcpStream) -> io::Result<u16> {
    let mut head = Vec::new();
    let mut octet = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut octet)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        head.push(octet[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut content = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut content)?;
    Ok(head[9..12].parse().unwrap())
}

fn wireline(args: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.args(["--addr", "127.0.0.1:0"]).args(args);
    command
}

/// 256 descriptors, 200 clients that are there, and as many others as come: who is there is served, nobody hangs, the core is not burnt,
/// and there is room again as soon as somebody has left.
#[test]
fn out_of_descriptors_it_serves_whoever_is_there() {
    let mut command = Command::new("prlimit");
    command.args(["--nofile=256", BINARY, "--addr", "127.0.0.1:0"]);
    command.args(["--workers", "1", "--max-connections", "10000"]);
    let server = Running::start(command);
    let mut kept: Vec<TcpStream> = (0..200).map(|_| server.connect()).collect();
    for stream in &mut kept {
        assert_eq!(Running::ask(stream).unwrap(), 200);
    }
    // They say nothing, and hold what they can get.
    let mut others: Vec<TcpStream> = (0..800).map(|_| server.connect()).collect();

    let (begun, before) = (Instant::now(), server.cpu());
    let mut rounds = 0;
    while begun.elapsed() < Duration::from_secs(4) {
        for stream in &mut kept {
            assert_eq!(Running::ask(stream).unwrap(), 200);
        }
        rounds += 1;
        std::thread::sleep(Duration::from_millis(900));
    }
    let share = (server.cpu() - before).as_secs_f64() / begun.elapsed().as_secs_f64();
    assert!(
        rounds >= 3 && share < 0.2,
        "{share:.2} of a core, {rounds} rounds"
    );

    // Most of the others were told: nobody of those hangs.
    let mut refused = 0;
    for stream in &mut others {
        stream.set_nonblocking(true).unwrap();
        let mut answer = [0; 12];
        match stream.read(&mut answer) {
            Ok(12) => {
                assert_eq!(&answer, b"HTTP/1.1 503");
                refused += 1;
            }
            // It was closed, or holds one of the last places, or has waited too long there.
            Ok(_) => refused += 1,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => refused += 1,
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
    }
    assert!(refused >= 740, "{refused} were told");

    drop((others, kept.split_off(100)));
    let begun = Instant::now();
    let mut fresh = loop {
        let mut stream = server.connect();
        match Running::ask(&mut stream) {
            Ok(200) => break stream,
            _ if begun.elapsed() > Duration::from_secs(1) => panic!("it does not accept again"),
            _ => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(Running::ask(&mut fresh).unwrap(), 200);
    for stream in &mut kept {
        assert_eq!(Running::ask(stream).unwrap(), 200);
    }
}

/// Nobody reads the access log on stdout, nor the log on stderr, and both pipes are full.
#[test]
fn logs_that_nobody_reads_hold_nobody_up() {
    let mut command = wireline(&["--access-log", "-", "--log", "text"]);
    // Every event there is, several for each request.
    command.env("RUST_LOG", "trace").stderr(Stdio::piped());
    let mut server = Running::start(command);
    let mut stream = server.connect();
    for round in 0..5000 {
        let status = Running::ask(&mut stream);
        assert_eq!(
            status.unwrap_or_else(|error| panic!("{error} in {round}")),
            200
        );
    }
    server.signal("-TERM");
    server.ends_within(Duration::from_secs(8));
    drop(server.stdout.take());
}

#[test]
fn a_full_disk_holds_nobody_up() {
    // Every write there is ENOSPC.
    let mut server = Running::start(wireline(&["--access-log", "/dev/full"]));
    let mut stream = server.connect();
    for _ in 0..2000 {
        assert_eq!(Running::ask(&mut stream).unwrap(), 200);
    }
    server.signal("-TERM");
    server.ends_within(Duration::from_secs(8));
}

/// Nobody listens where the broker should be, and later somebody might: until then every topic is this node's own.
#[test]
fn without_its_broker_it_starts_all_the_same() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = nobody.local_addr().unwrap();
    drop(nobody);
    for (broker, shown) in [
        (format!("redis://{addr}"), format!("redis://{addr}")),
        (
            format!("nats://me:secret@{addr}"),
            format!("nats://me:(redacted)@{addr}"),
        ),
        (UNKNOWN.to_owned(), UNKNOWN.to_owned()),
    ] {
        let mut command = wireline(&["--backplane", &broker]);
        command.stderr(Stdio::piped());
        let mut server = Running::start(command);
        let mut stream = server.connect();
        assert_eq!(Running::ask(&mut stream).unwrap(), 200, "{broker}");
        stream
            .write_all(b"GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .unwrap();
        assert_eq!(status(&mut stream).unwrap(), 200, "{broker}");
        // It may be a wrong address: somebody is told, without a log.
        let mut stderr = BufReader::new(server.child.stderr.take().unwrap());
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let _ = stderr.read_line(&mut line);
            let _ = sender.send(line);
        });
        let line = receiver.recv_timeout(Duration::from_secs(20)).unwrap();
        let told = format!("wireline: warning: no connection to the broker at {shown} yet: ");
        assert!(line.starts_with(&told), "{line}");
    }
}

const UNKNOWN: &str = "redis://no-such-host.invalid:6379";
