//! A whole process: signals, inherited listeners, running out of descriptors. The process is this test itself, run again as a server.

use crate::socket::Socket;
use crate::{Seen, eventually, routes};
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use wireline::server::Handle;
use wireline::service::handler::{Service, service_fn};
use wireline::{Request, Response, Server};

/// Where the child is told to listen; without it this is the parent.
const PLACE: &str = "WIRELINE_TEST_PLACE";

/// The server in the child.
fn serve_as_child(place: &str) {
    static HANDLE: OnceLock<Handle> = OnceLock::new();
    let routes = routes(Arc::new(Seen::default()));
    let service = service_fn(move |request: Request| {
        let counters = (request.path() == "/counters").then(|| {
            let metrics = HANDLE.get().map(Handle::metrics);
            let lines = metrics.iter().flat_map(|metrics| metrics.counters());
            lines
                .map(|(name, value)| format!("{name} {value}\n"))
                .collect::<String>()
        });
        let answer = routes.call(request);
        async move {
            match counters {
                Some(text) => Response::text(text),
                None => answer.await,
            }
        }
    });
    let mut server = Server::new(service).bind(place).workers(1);
    server.config.shutdown_timeout = Duration::from_secs(2);
    let run = server.run_with(|handle| {
        let _ = HANDLE.set(handle.clone());
        for bound in handle.bound() {
            println!("listening on {bound}");
        }
    });
    run.unwrap();
}

/// The other process; it is killed when the test ends before it does.
struct Process {
    child: Child,
    addr: SocketAddr,
}

impl Process {
    /// Runs the child under a shell line, in which `"$@"` stands for it.
    fn start(test: &str, shell: &str, place: &str, stdin: Stdio) -> Self {
        let itself = std::env::current_exe().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", shell, "sh"]).arg(itself).args([
            "--exact",
            test,
            "--nocapture",
            "--test-threads=1",
        ]);
        let mut child = command
            .env(PLACE, place)
            .stdin(stdin)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines
            .find_map(|line| Some(line.ok()?.split_once("listening on http://")?.1.to_owned()));
        // What else the child says must not block it.
        std::thread::spawn(move || lines.for_each(drop));
        let addr = line.expect("the child listens");
        #[expect(clippy::disallowed_methods, reason = "it comes from our own process")]
        let addr = addr.parse().unwrap();
        Self { child, addr }
    }

    fn signal(&self, name: &str) {
        let status = Command::new("sh")
            .args(["-c", &format!("kill -{name} {}", self.child.id())])
            .status();
        assert!(status.unwrap().success());
    }

    fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the child ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// The processor time that it used, in hundredths of a second.
    fn cpu(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let after = stat.rsplit_once(')').unwrap().1;
        let number = |field: &str| {
            field
                .bytes()
                .fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
        };
        after.split_whitespace().skip(11).take(2).map(number).sum()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// S135, decision D24: SIGTERM and SIGINT drain; what is begun is finished, and the exit is a clean one.
#[test]
fn a_signal_drains() {
    if let Ok(place) = std::env::var(PLACE) {
        return serve_as_child(&place);
    }
    for signal in ["TERM", "INT"] {
        let mut process = Process::start(
            "s13_process::a_signal_drains",
            r#"exec "$@""#,
            "127.0.0.1:0",
            Stdio::null(),
        );
        let (mut slow, mut idle) = (Socket::connect(process.addr), Socket::connect(process.addr));
        assert_eq!(idle.get("/").text(), "hello");
        slow.send("GET /slow/400 HTTP/1.1\r\nHost: a\r\n\r\n");
        std::thread::sleep(Duration::from_millis(50));
        process.signal(signal);
        idle.assert_end();
        let reply = slow.reply();
        assert_eq!(
            (reply.text(), reply.field("connection")),
            ("slow", Some("close")),
            "SIG{signal}"
        );
        drop(slow);
        assert!(process.wait().success(), "SIG{signal}");
    }
}

/// A second signal ends everything at once; without one, the deadline does.
#[test]
fn a_second_signal_forces() {
    if let Ok(place) = std::env::var(PLACE) {
        return serve_as_child(&place);
    }
    for twice in [true, false] {
        let mut process = Process::start(
            "s13_process::a_second_signal_forces",
            r#"exec "$@""#,
            "127.0.0.1:0",
            Stdio::null(),
        );
        let mut parked = Socket::connect(process.addr);
        parked.send("GET /park HTTP/1.1\r\nHost: a\r\n\r\n");
        std::thread::sleep(Duration::from_millis(50));
        #[expect(
            clippy::disallowed_methods,
            reason = "another process has the real clock"
        )]
        let begun = std::time::Instant::now();
        process.signal("TERM");
        if twice {
            std::thread::sleep(Duration::from_millis(50));
            process.signal("TERM");
        }
        parked.assert_end();
        assert!(process.wait().success());
        let took = begun.elapsed();
        let expected = if twice {
            Duration::ZERO..Duration::from_millis(1500)
        } else {
            Duration::from_secs(2)..Duration::from_secs(5)
        };
        assert!(expected.contains(&took), "{took:?}");
    }
}

/// A listener that the process inherits, as systemd hands it over, keeps its port over a restart.
#[test]
fn an_inherited_listener_is_served() {
    if let Ok(place) = std::env::var(PLACE) {
        return serve_as_child(&place);
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    // A client that comes before there is a server waits in the backlog.
    let mut early = Socket::connect(addr);
    early.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    for _ in 0..2 {
        let handed = Stdio::from(OwnedFd::from(listener.try_clone().unwrap()));
        let shell = r#"exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@""#;
        let mut process = Process::start(
            "s13_process::an_inherited_listener_is_served",
            shell,
            "systemd",
            handed,
        );
        assert_eq!(process.addr, addr);
        assert_eq!(Socket::connect(addr).get("/").text(), "hello");
        process.signal("TERM");
        assert!(process.wait().success());
    }
    assert_eq!(early.reply().text(), "hello");
}

/// RESILIENCE SL-8: out of descriptors the server waits instead of spinning, serves whom it has, and accepts again.
#[test]
fn out_of_descriptors_the_server_backs_off() {
    if let Ok(place) = std::env::var(PLACE) {
        return serve_as_child(&place);
    }
    let shell = r#"ulimit -n 64; exec "$@""#;
    let process = Process::start(
        "s13_process::out_of_descriptors_the_server_backs_off",
        shell,
        "127.0.0.1:0",
        Stdio::null(),
    );
    let mut all: Vec<Socket> = (0..100).map(|_| Socket::connect(process.addr)).collect();
    let count = |socket: &mut Socket, name: &str| {
        let text = socket.get("/counters").text().to_owned();
        let line = text.lines().find_map(|line| {
            line.strip_prefix(name)?
                .strip_prefix(' ')
                .map(str::to_owned)
        });
        line.unwrap()
            .bytes()
            .fold(0, |value, digit| value * 10 + u64::from(digit - b'0'))
    };
    let mut errors = 0;
    eventually("accepting fails", || {
        errors = count(&mut all[0], "accept_errors");
        errors > 0
    });
    let (cpu, before) = (process.cpu(), errors);
    std::thread::sleep(Duration::from_millis(1500));
    let spent = process.cpu() - cpu;
    assert!(
        spent <= 15,
        "{spent} hundredths of a second in one and a half"
    );
    let failed = count(&mut all[0], "accept_errors") - before;
    assert!(failed < 50, "{failed} failed calls in a second and a half");
    for socket in &mut all[..30] {
        assert_eq!(socket.get("/").text(), "hello");
    }
    // Whom it has no descriptor for is told, not left hanging.
    for socket in &mut all[64..] {
        let reply = socket.reply();
        assert_eq!((reply.status, reply.field("retry-after")), (503, Some("1")));
        socket.assert_end();
    }
    let refused = count(&mut all[0], "connections_refused");
    assert!((36..70).contains(&refused), "{refused} were refused");
    all.drain(10..80);
    let mut late = Socket::connect(process.addr);
    assert_eq!(late.get("/").text(), "hello", "descriptors are free again");
}
