//! A server of npm that does what it is told.

use serde_json::{Value, json};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

pub(crate) struct Node {
    child: Child,
    to: ChildStdin,
    from: Lines<BufReader<ChildStdout>>,
    happened: VecDeque<Value>,
    asked: u64,
    /// The ids of its clients, by their names.
    pub(crate) ready: Value,
}

impl Node {
    pub(crate) async fn start(redis: SocketAddr) -> Self {
        let tools = std::env::var_os("WIRELINE_TOOLS")
            .map_or_else(|| repository().join("target/tools"), PathBuf::from);
        let packages = tools.join("socketio/node_modules");
        assert!(
            packages.is_dir(),
            "run tests/tools.sh: there is no {}",
            packages.display()
        );
        let mut child = Command::new("node")
            .arg(repository().join(SCRIPT))
            .arg(format!("redis://{redis}"))
            .env("NODE_PATH", packages)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node");
        let mut node = Self {
            to: child.stdin.take().expect("a pipe"),
            from: BufReader::new(child.stdout.take().expect("a pipe")).lines(),
            child,
            happened: VecDeque::new(),
            asked: 0,
            ready: Value::Null,
        };
        node.ready = node.line().await["ready"].take();
        node
    }

    /// The id of one of its clients.
    pub(crate) fn id(&self, name: &str) -> String {
        self.ready[name].as_str().expect("an id").to_owned()
    }

    async fn line(&mut self) -> Value {
        let line = self.from.next_line().await.expect("a line");
        serde_json::from_str(&line.expect("it runs")).expect("JSON")
    }

    /// Has it do something, and gives what it found.
    pub(crate) async fn does(&mut self, what: &str, with: Value) -> Value {
        self.asked += 1;
        let mut line = json!({"do": what, "id": self.asked});
        let (Value::Object(line_of), Value::Object(with)) = (&mut line, with) else {
            panic!("an object");
        };
        line_of.extend(with);
        self.to
            .write_all(format!("{line}\n").as_bytes())
            .await
            .unwrap();
        loop {
            let mut line = self.line().await;
            if line["done"] == self.asked {
                assert_eq!(line["error"], Value::Null, "{what}");
                return line["result"].take();
            }
            self.happened.push_back(line);
        }
    }

    /// What happened to its clients next, or to itself.
    pub(crate) async fn next(&mut self) -> Value {
        match self.happened.pop_front() {
            Some(line) => line,
            None => self.line().await,
        }
    }

    /// Stops it: its sockets stay, and it answers nobody.
    pub(crate) async fn freeze(&self) {
        let id = self.child.id().expect("it runs");
        let status = Command::new("kill")
            .args(["-STOP", &id.to_string()])
            .status()
            .await;
        assert!(status.unwrap().success());
    }

    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}

/// Tests of other packages of the workspace have this as well.
fn repository() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = own.ancestors().find(|folder| folder.join(SCRIPT).is_file());
    found.expect("the tests are in the repository")
}

const SCRIPT: &str = "tests/socketio/adapter_node.cjs";
