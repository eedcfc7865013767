//! A new process in the place of the one that serves, which nobody who is served notices.

#![expect(
    clippy::disallowed_methods,
    reason = "these tests measure real time and read their own server's numbers"
)]

#[path = "restarts/chain.rs"]
mod chain;
#[path = "restarts/load.rs"]
mod load;

use chain::Chain;
use load::Seen;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

const BINARY: &str = env!("CARGO_BIN_EXE_wireline");

fn wireline(args: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.args(args);
    command
}

/// A folder of this test alone, which goes with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("wireline-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn get(addr: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    ask(&mut stream, path)
}

fn ask(stream: &mut (impl Read + Write), path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn five_restarts_under_load_and_nobody_notices() {
    let args = ["--addr", "127.0.0.1:0", "--workers", "2", "--h2c"];
    let mut chain = Chain::start(wireline(&args));
    let addr = chain.addr();
    let seen = Arc::new(Seen::default());
    let clients = std::thread::spawn({
        let seen = seen.clone();
        move || run(addr, &seen)
    });
    for _ in 0..5 {
        let before = seen.requests();
        let drain = chain.restart();
        assert!(drain < Duration::from_secs(10), "the drain took {drain:?}");
        // Whoever was sent away is back.
        while seen.requests() < before + 200 && seen.failed.load(Ordering::Relaxed) == 0 {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    seen.end();
    clients.join().unwrap();
    let lines = chain.end();
    assert_eq!(
        *seen.faults.lock().unwrap(),
        [""; 0],
        "{seen:?}: {lines:#?}"
    );
    assert_eq!(seen.failed.load(Ordering::Relaxed), 0);
    let least = [
        (&seen.http1, 1000),
        (&seen.http2, 1000),
        (&seen.uploads, 10),
        // Eight of them, each closed in each restart.
        (&seen.restarted, 40),
    ];
    for (count, least) in least {
        assert!(count.load(Ordering::Relaxed) >= least, "{seen:?}");
    }
    let cut: Vec<_> = lines
        .iter()
        .filter(|line| line.contains("cut off"))
        .collect();
    assert!(cut.is_empty(), "{cut:?}");
}

fn run(addr: SocketAddr, seen: &Arc<Seen>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut clients = tokio::task::JoinSet::new();
        for _ in 0..8 {
            clients.spawn(load::http1(addr, seen.clone()));
            clients.spawn(load::websocket(addr, seen.clone()));
        }
        for _ in 0..2 {
            clients.spawn(load::http2(addr, seen.clone()));
            clients.spawn(load::upload(addr, seen.clone()));
        }
        while let Some(ended) = clients.join_next().await {
            ended.unwrap();
        }
    });
}

#[test]
fn a_successor_that_does_not_start_leaves_the_server_as_it_is() {
    let folder = Folder::new("no-successor");
    let file = folder.path("wireline.toml");
    std::fs::write(
        &file,
        "addr = [\"127.0.0.1:0\"]\nmetrics = true\nworkers = 2\n",
    )
    .unwrap();
    let mut chain = Chain::start(wireline(&["--config", &file]));
    let addr = chain.addr();
    let first = chain.process;
    let mut kept = TcpStream::connect(addr).unwrap();
    kept.set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();

    // A mistake in the settings, and then a place that nobody has (RFC 5737), behind one that it has taken already.
    for (settings, why) in [
        (
            "addr = [\"127.0.0.1:0\"]\nworkers = \"many\"\n",
            "wireline.toml",
        ),
        (
            "addr = [\"127.0.0.1:0\", \"192.0.2.1:8000\"]\n",
            "no such address",
        ),
    ] {
        std::fs::write(&file, settings).unwrap();
        chain.signal("-USR2");
        let line = chain.wait_for("this process goes on");
        assert!(
            line.contains("error: the successor ended before it was ready (exit status: 2)"),
            "{line}"
        );
        assert!(
            chain.said.iter().any(|line| line.contains(why)),
            "{:?}",
            chain.said
        );
        assert!(get(addr, "/ready").starts_with("HTTP/1.1 200 "));
    }
    let metrics = get(addr, "/metrics");
    assert!(
        metrics
            .lines()
            .any(|line| line.contains("handovers_failed") && line.ends_with(" 2")),
        "{metrics}"
    );

    // Put right it works, with what is new in it: one worker, and a place more.
    let unix = folder.path("wireline.sock");
    let settings =
        format!("addr = [\"127.0.0.1:0\", \"unix:{unix}\"]\nworkers = 1\nmetrics = false\n");
    std::fs::write(&file, settings).unwrap();
    chain.restart();
    assert_ne!(chain.process, first);
    // A connection that was idle meanwhile has ended; nothing was ever asked on it.
    assert_eq!(kept.read(&mut [0; 16]).unwrap(), 0);
    assert!(get(addr, "/ready").starts_with("HTTP/1.1 200 "));
    assert!(get(addr, "/metrics").starts_with("HTTP/1.1 404 "));
    let ready = |unix: &str| ask(&mut UnixStream::connect(unix).unwrap(), "/ready");
    assert!(ready(&unix).starts_with("HTTP/1.1 200 "));
    // More workers than listeners; and the socket file is the next one's.
    let settings = format!("addr = [\"127.0.0.1:0\", \"unix:{unix}\"]\nworkers = 3\n");
    std::fs::write(&file, settings).unwrap();
    chain.restart();
    assert!(get(addr, "/ready").starts_with("HTTP/1.1 200 "));
    assert!(ready(&unix).starts_with("HTTP/1.1 200 "));
    chain.end();
    assert!(
        !PathBuf::from(unix).exists(),
        "the socket file was left behind"
    );
    assert!(
        TcpStream::connect(addr).is_err(),
        "a listener was left behind"
    );
}

#[test]
fn a_stop_while_a_successor_starts_ends_both() {
    let folder = Folder::new("stop-successor");
    // The program that is found where this one was is another one, which is never ready.
    let program = folder.path("wireline");
    std::os::unix::fs::symlink(BINARY, &program).unwrap();
    let mut command = Command::new(&program);
    command.args(["--addr", "127.0.0.1:0"]);
    let mut chain = Chain::start(command);
    let addr = chain.addr();
    std::fs::remove_file(&program).unwrap();
    let pid = folder.path("pid");
    std::fs::write(
        &program,
        format!(
            "#!/bin/sh\necho $$ >{pid}.new; mv {pid}.new {pid}; echo started; exec sleep 600\n"
        ),
    )
    .unwrap();
    let mode = Command::new("chmod").args(["755", &program]).status();
    assert!(mode.unwrap().success());
    chain.signal("-USR2");
    chain.wait_for("started");
    let successor = std::fs::read_to_string(&pid).unwrap();
    assert!(get(addr, "/ready").starts_with("HTTP/1.1 200 "));
    let lines = chain.end();
    assert!(
        lines.iter().any(|line| line == "wireline has stopped"),
        "{lines:?}"
    );
    let exists = PathBuf::from(format!("/proc/{}", successor.trim())).exists();
    assert!(!exists, "the successor was left behind");
}

#[test]
fn sockets_of_systemd_go_on_and_it_is_told_who_has_them() {
    let folder = Folder::new("activated");
    let (unix, manager) = (folder.path("app.sock"), folder.path("notify"));
    let told = UnixDatagram::bind(&manager).unwrap();
    told.set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let heard = || {
        let mut state = [0; 256];
        let len = told.recv(&mut state).unwrap();
        String::from_utf8(state[..len].to_vec()).unwrap()
    };
    let mut command = Command::new("systemd-socket-activate");
    command.args(["-l", &unix, "-E", &format!("NOTIFY_SOCKET={manager}")]);
    command.args([BINARY, "--addr", "systemd", "--workers", "2"]);
    // Debian's package `systemd`; without it this test fails, here.
    let mut chain = Chain::start(command);
    chain.wait_for("Listening on");
    // The program starts when somebody comes.
    let mut stream = UnixStream::connect(&unix).unwrap();
    assert!(ask(&mut stream, "/health").starts_with("HTTP/1.1 200 "));
    assert_eq!(heard(), "READY=1");
    for _ in 0..2 {
        // Nobody accepts it before the signal, perhaps, and somebody does after it.
        let mut waiting = UnixStream::connect(&unix).unwrap();
        chain.restart();
        assert_eq!(heard(), format!("MAINPID={}\nREADY=1", chain.process));
        let mut fresh = UnixStream::connect(&unix).unwrap();
        assert!(ask(&mut fresh, "/health").starts_with("HTTP/1.1 200 "));
        // It has sent nothing: its server has ended it, at the latest with itself.
        assert_eq!(waiting.read(&mut [0; 16]).unwrap(), 0);
    }
    chain.end();
    assert!(
        PathBuf::from(&unix).exists(),
        "the socket file is systemd's"
    );
}
