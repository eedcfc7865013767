//! The binary, running, and what it answers.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

const BINARY: &str = env!("CARGO_BIN_EXE_wireline");

/// A running server.
pub(crate) struct Server {
    pub(crate) child: Child,
    stdout: BufReader<ChildStdout>,
    /// The places of its first line: `127.0.0.1:4711`, `unix:/…`.
    pub(crate) places: Vec<String>,
}

impl Server {
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::start_with(args, &[])
    }

    /// The same with variables in its environment.
    pub(crate) fn start_with(args: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(BINARY)
            .args(args)
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut server = Self {
            child,
            stdout,
            places: Vec::new(),
        };
        let line = server.line();
        let version = env!("CARGO_PKG_VERSION");
        let places = line
            .strip_prefix(&format!("wireline {version} is listening on "))
            .and_then(|rest| rest.strip_suffix(" (Ctrl-C to stop)\n"))
            .unwrap_or_else(|| panic!("the first line is {line:?}"));
        let places = places
            .split(" and ")
            .map(|place| place.trim_start_matches("http://"));
        server.places = places.map(str::to_owned).collect();
        server
    }

    /// The next line of stdout.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.places[0]).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        stream
    }

    /// Sends a request that closes its connection; gives the whole answer.
    pub(crate) fn ask(&self, head: &str, content: &[u8]) -> Answer {
        Answer::to(&mut self.connect(), head, content)
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([name, &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Waits for the end: the status, the rest of stdout, and all of stderr.
    pub(crate) fn end_within(mut self, limit: Duration) -> (ExitStatus, String, String) {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if begun.elapsed() >= limit {
                panic!("still running after {limit:?}");
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        let (mut said, mut complained) = (String::new(), String::new());
        self.stdout.read_to_string(&mut said).unwrap();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut complained)
            .unwrap();
        (status, said, complained)
    }

    pub(crate) fn stop(self) {
        self.signal("-INT");
        let (status, said, complained) = self.end_within(Duration::from_secs(5));
        assert_eq!(status.code(), Some(0), "{said}{complained}");
    }
}

impl Drop for Server {
    /// A test that fails leaves nothing behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) struct Answer {
    pub(crate) head: String,
    pub(crate) content: Vec<u8>,
}

impl Answer {
    /// To a request that closes its connection.
    pub(crate) fn to(stream: &mut (impl Read + Write), head: &str, content: &[u8]) -> Self {
        let head = format!("{head}\r\nHost: test\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(content).unwrap();
        Self::read(stream)
    }

    pub(crate) fn read(stream: &mut impl Read) -> Self {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        let end = all
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .expect("an answer with a head");
        let content = all.split_off(end + 4);
        Self {
            head: String::from_utf8(all).unwrap(),
            content,
        }
    }

    pub(crate) fn status(&self) -> &str {
        &self.head[9..12]
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            line.split_once(": ")
                .filter(|(key, _)| *key == name)
                .map(|(_, value)| value)
        })
    }
}

pub(crate) fn run(args: &[&str]) -> Output {
    run_with(args, &[])
}

/// The same with variables in its environment.
pub(crate) fn run_with(args: &[&str], variables: &[(&str, &str)]) -> Output {
    let variables = variables.iter().copied();
    let mut command = Command::new(BINARY);
    command.args(args).envs(variables).output().unwrap()
}

/// Nothing on stdout, exactly one line on stderr that has `culprit` in it, exit code 2.
pub(crate) fn assert_refused(args: &[&str], culprit: &str) {
    let output = run(args);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
    assert!(output.stdout.is_empty(), "{args:?}");
    assert_eq!(stderr.matches('\n').count(), 1, "{args:?}: {stderr}");
    assert!(
        stderr.starts_with("wireline: ") && stderr.ends_with('\n') && stderr.contains(culprit),
        "{args:?}: {stderr}"
    );
}
