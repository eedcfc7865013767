//! Processes of the ready server, one after the other, each started by the one before it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

/// The process that serves now, and what all of them have said.
pub(crate) struct Chain {
    first: Child,
    /// The process that serves now.
    pub(crate) process: u32,
    lines: Receiver<String>,
    pub(crate) said: Vec<String>,
}

impl Chain {
    /// Starts the first one. All of them write to its pipes.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut first = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = sync_channel(1024);
        let pipes: [Box<dyn std::io::Read + Send>; 2] = [
            Box::new(first.stdout.take().unwrap()),
            Box::new(first.stderr.take().unwrap()),
        ];
        for pipe in pipes {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                    let _ = sender.send(line);
                }
            });
        }
        Self {
            process: first.id(),
            first,
            lines,
            said: Vec::new(),
        }
    }

    /// Waits for a line with this in it, from any of the processes.
    pub(crate) fn wait_for(&mut self, what: &str) -> String {
        let begun = Instant::now();
        loop {
            let left = LIMIT.saturating_sub(begun.elapsed());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.said.push(line.clone());
                    if line.contains(what) {
                        return line;
                    }
                }
                Err(_) => panic!("nobody said {what:?}: {:#?}", self.said),
            }
        }
    }

    /// The address of the place where it listens, from its first line.
    pub(crate) fn addr(&mut self) -> SocketAddr {
        let line = self.wait_for("is listening on");
        let place = line.split("http://").nth(1).unwrap();
        place.split(' ').next().unwrap().parse().unwrap()
    }

    /// A restart, up to the end of the process that served before. Gives how long its drain took.
    pub(crate) fn restart(&mut self) -> Duration {
        self.signal("-USR2");
        let line = self.wait_for("goes on in process ");
        let drains = Instant::now();
        self.process = line.rsplit(' ').next().unwrap().parse().unwrap();
        self.wait_for("wireline has stopped");
        drains.elapsed()
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.process.to_string();
        let sent = Command::new("kill").args([name, &pid]).status().unwrap();
        assert!(sent.success(), "{name} to {pid}: {:#?}", self.said);
    }

    /// Ends the process that serves now, waits until none is left, and gives all lines.
    pub(crate) fn end(mut self) -> Vec<String> {
        self.signal("-TERM");
        loop {
            match self.lines.recv_timeout(LIMIT) {
                Ok(line) => self.said.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end: {:#?}", self.said),
            }
        }
        // Nothing is left to be killed, and its number may be another's.
        self.process = self.first.id();
        std::mem::take(&mut self.said)
    }
}

impl Drop for Chain {
    /// A test that fails leaves nothing behind.
    fn drop(&mut self) {
        let pid = self.process.to_string();
        let mut kill = Command::new("kill");
        let kill = kill.args(["-KILL", &pid]).stderr(Stdio::null());
        if self.process == self.first.id() {
            let _ = self.first.kill();
        } else {
            let _ = kill.status();
        }
        let _ = self.first.wait();
    }
}

const LIMIT: Duration = Duration::from_secs(40);
