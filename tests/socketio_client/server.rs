//! Servers with the same application, each a process of its own: they can be killed, frozen and started again.

use rustix::process::{Pid, Signal, kill_process};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Whose server it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Of {
    /// Of the packages `socket.io` and `engine.io`.
    Npm,
    /// Of this library: `examples/socketio_probe.rs`.
    Us,
}

pub(crate) const BOTH: [Of; 2] = [Of::Npm, Of::Us];

pub(crate) struct Server {
    of: Of,
    child: Child,
    place: String,
}

impl Server {
    /// Starts one on a port that is free.
    pub(crate) async fn start(of: Of) -> Self {
        Self::start_at(of, "127.0.0.1:0").await
    }

    pub(crate) async fn start_at(of: Of, place: &str) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/socketio/reference.cjs");
        let mut command = match of {
            Of::Npm => Command::new("node"),
            // The test that serves.
            Of::Us => Command::new(std::env::current_exe().unwrap()),
        };
        match of {
            Of::Npm => command.args([script, place]).env("NODE_PATH", packages()),
            Of::Us => command
                .args(["--exact", SERVES, "--nocapture"])
                .env(PLACE, place),
        };
        let mut child = command
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node runs: `bash tests/tools.sh` installs it");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let place = loop {
            let line = timeout(Duration::from_secs(20), lines.next_line()).await;
            let line = line.expect("the server starts in time").unwrap();
            let line = line.expect("the packages are there: `bash tests/tools.sh` installs them");
            if let Some((_, place)) = line.split_once("listening on ") {
                break place.to_owned();
            }
        };
        Self { of, child, place }
    }

    /// Kills it, and starts another in its place.
    pub(crate) async fn restart(&mut self) {
        self.kill().await;
        *self = Self::start_at(self.of, &self.place).await;
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.place)
    }

    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
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

/// The test that serves, and what says where.
pub(crate) const SERVES: &str = "serves_the_probe_where_it_is_told_to";
pub(crate) const PLACE: &str = "SOCKETIO_PROBE_PLACE";
