//! The server of the packages `socket.io` and `engine.io`, a process of its own: it can be killed, frozen and started again.

use rustix::process::{Pid, Signal, kill_process};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

pub(crate) struct Server {
    child: Child,
    place: String,
}

impl Server {
    /// Starts one on a port that is free.
    pub(crate) async fn start() -> Self {
        Self::start_at("127.0.0.1:0").await
    }

    pub(crate) async fn start_at(place: &str) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/socketio/reference.cjs");
        let mut child = Command::new("node")
            .args([script, place])
            .env("NODE_PATH", packages())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node runs: `bash tests/tools.sh` installs it");
        let output = child.stdout.take().unwrap();
        let mut lines = BufReader::new(output).lines();
        let line = timeout(Duration::from_secs(20), lines.next_line()).await;
        let line = line.expect("the server starts in time").unwrap();
        let line = line.expect("the packages are there: `bash tests/tools.sh` installs them");
        let place = line.rsplit(' ').next().unwrap().to_owned();
        Self { child, place }
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.place)
    }

    /// Kills it, and gives where it was.
    pub(crate) async fn kill(mut self) -> String {
        self.child.kill().await.unwrap();
        self.place
    }

    /// It takes no turn any more.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    pub(crate) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok());
        kill_process(id.and_then(Pid::from_raw).unwrap(), signal).unwrap();
    }
}

/// Where `tests/tools.sh` puts the packages.
fn packages() -> PathBuf {
    let tools = std::env::var_os("WIRELINE_TOOLS").map(PathBuf::from);
    let tools = tools.unwrap_or_else(|| {
        let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
        let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        target.unwrap_or_else(|| here.join("target")).join("tools")
    });
    tools.join("socketio/node_modules")
}
