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
        let until_stopped = request.path() == "/until-stopped";
        let answer = routes.call(request);
        async move {
            if let Some(handle) = HANDLE.get().filter(|_| until_stopped) {
                handle.stopping().await;
                return Response::text("slow");
            }
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

    /// How many descriptors it has open.
    fn descriptors(&self) -> usize {
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.child.id()));
        open.unwrap().count()
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

/// A counter of the child, as it tells on this connection.
fn count(socket: &mut Socket, name: &str) -> u64 {
    let text = socket.get("/counters").text().to_owned();
    let line = text.lines().find_map(|line| {
        line.strip_prefix(name)?
            .strip_prefix(' ')
            .map(str::to_owned)
    });
    line.unwrap()
        .bytes()
        .fold(0, |value, digit| value * 10 + u64::from(digit - b'0'))
}

/// Waits until the child has so many requests without a response.
#[track_caller]
fn running(socket: &mut Socket, requests: u64) {
    eventually("the handlers run", || {
        // Counting is two requests, and the first of them is answered when the second one counts.
        let begun = count(socket, "requests");
        let answered = count(socket, "responses");
        begun == answered + requests
    });
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
        slow.send("GET /until-stopped HTTP/1.1\r\nHost: a\r\n\r\n");
        running(&mut idle, 1);
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
        let mut idle = Socket::connect(process.addr);
        running(&mut idle, 1);
        #[expect(
            clippy::disallowed_methods,
            reason = "another process has the real clock"
        )]
        let begun = std::time::Instant::now();
        process.signal("TERM");
        if twice {
            // The drain has begun: nothing is waited for on a connection without a request.
            idle.assert_end();
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
    // Seven descriptors are taken already, so that they run out before nine tenths of them are connections.
    let shell = r#"ulimit -n 64; exec 3<&0 4<&0 5<&0 6<&0 7<&0 8<&0 9<&0; exec "$@""#;
    let process = Process::start(
        "s13_process::out_of_descriptors_the_server_backs_off",
        shell,
        "127.0.0.1:0",
        Stdio::null(),
    );
    let mut all: Vec<Socket> = (0..100).map(|_| Socket::connect(process.addr)).collect();
    let mut errors = 0;
    eventually("accepting fails", || {
        errors = count(&mut all[0], "accept_errors");
        errors > 0
    });
    // After each failed call it waits, twice as long as before, whoever comes meanwhile.
    let (cpu, before) = (process.cpu(), errors);
    #[expect(
        clippy::disallowed_methods,
        reason = "another process has the real clock"
    )]
    let begun = std::time::Instant::now();
    let mut more = 0;
    eventually("accepting fails six times more", || {
        let mut refused = Socket::connect(process.addr);
        assert_eq!(refused.reply().status, 503);
        refused.assert_end();
        more += 1;
        count(&mut all[0], "accept_errors") >= before + 6
    });
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(600), "only {took:?}");
    let spent = process.cpu() - cpu;
    assert!(spent <= 15, "{spent} hundredths of a second in {took:?}");
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
    let expected = 36 + more..70 + more;
    assert!(expected.contains(&refused), "{refused} were refused");
    all.drain(10..80);
    let mut late = Socket::connect(process.addr);
    assert_eq!(late.get("/").text(), "hello", "descriptors are free again");
}

/// Those who are refused must not take the last descriptors: handlers need them.
#[test]
fn refused_clients_leave_descriptors() {
    if let Ok(place) = std::env::var(PLACE) {
        return serve_as_child(&place);
    }
    let shell = r#"ulimit -n 256; exec "$@""#;
    let process = Process::start(
        "s13_process::refused_clients_leave_descriptors",
        shell,
        "127.0.0.1:0",
        Stdio::null(),
    );
    // As many as are served: 90 % of the descriptors.
    let mut served: Vec<Socket> = (0..225).map(|_| Socket::connect(process.addr)).collect();
    for socket in &mut served {
        assert_eq!(socket.get("/").text(), "hello");
    }
    let mut refused: Vec<Socket> = (0..100).map(|_| Socket::connect(process.addr)).collect();
    std::thread::sleep(Duration::from_millis(700));
    // They go on coming, faster than one after the other could linger.
    let (mut free, rounds) = (0, 60);
    for _ in 0..rounds {
        refused.extend((0..4).map(|_| Socket::connect(process.addr)));
        std::thread::sleep(Duration::from_millis(10));
        free += usize::from(process.descriptors() <= 253);
    }
    assert!(free > rounds * 9 / 10, "free {free} times of {rounds}");
    for socket in &mut refused {
        let reply = socket.reply();
        assert_eq!((reply.status, reply.field("retry-after")), (503, Some("1")));
        socket.assert_end();
    }
    assert_eq!(served[0].get("/").text(), "hello");
    drop(served);
    drop(refused);
    eventually("there is room again", || {
        let mut socket = Socket::connect(process.addr);
        socket.get("/").status == 200
    });
}
