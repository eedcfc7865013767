//! A relay on a port of its own, and the commands that talk to it.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Output, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use wireline::relay::hub::{Retention, Topic};
use wireline::relay::{Relay, RelayConfig, Whom};
use wireline::server::Handle;
use wireline::service::middleware::Next;
use wireline::ws::close::CloseCode;
use wireline::ws::message::Message;
use wireline::ws::socket::{WebSocket, WsSender};
use wireline::{Request, Response, Router, Server};

/// The relay at `/ws`, the same for who is signed in at `/guarded/ws`, `POST /api/publish` with a key, and a server at `/broken` that
/// loses messages.
pub(crate) struct Place {
    relay: Relay,
    handle: Handle,
    thread: Option<JoinHandle<()>>,
    address: String,
}

pub(crate) fn kept() -> RelayConfig {
    RelayConfig::default().retention(|_| Retention {
        messages: 100,
        octets: 1 << 20,
        age: 600_000,
    })
}

impl Place {
    pub(crate) fn new(config: RelayConfig) -> Self {
        let relay = Relay::new(config);
        let publishing = relay.clone();
        let publish = move |request: Request| {
            let relay = publishing.clone();
            async move { publish(&relay, request).await }
        };
        let hub = Arc::new(Broken::default());
        let broken = move |socket: WebSocket| {
            let hub = hub.clone();
            async move { hub.serve(socket).await }
        };
        let guarded = Router::new().relay(&relay).middleware(sign_in);
        let routes = Router::new()
            .post("/api/publish", publish)
            .websocket("/broken", broken)
            .nest("/guarded", guarded)
            .relay(&relay)
            .build()
            .unwrap();
        let server = Server::new(routes)
            .bind("127.0.0.1:0")
            .workers(1)
            .signals(false);
        let (sender, receiver) = mpsc::sync_channel(1);
        let thread = std::thread::spawn(move || {
            server
                .run_with(move |handle| sender.send(handle.clone()).unwrap())
                .unwrap();
        });
        let handle = receiver.recv().unwrap();
        let address = handle.bound()[0].to_string();
        Self {
            relay,
            handle,
            thread: Some(thread),
            address: address.trim_start_matches("http://").to_owned(),
        }
    }

    pub(crate) fn ws(&self) -> String {
        format!("ws://{}", self.address)
    }

    pub(crate) fn guarded(&self) -> String {
        format!("ws://{}/guarded/ws", self.address)
    }

    pub(crate) fn broken(&self) -> String {
        format!("ws://{}/broken", self.address)
    }

    pub(crate) fn http(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn push(&self, topic: &str, payload: &u32) {
        let mut pushed = std::pin::pin!(self.relay.push(topic, "n", payload));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        // It waits for nobody.
        assert!(pushed.as_mut().poll(&mut cx).is_ready());
    }

    /// Waits until so many subscribe.
    pub(crate) fn subscribers(&self, topic: &str, count: usize) {
        let topic = Topic::new(topic).unwrap();
        let begun = Instant::now();
        while self.relay.hub().subscribers(&topic) != count {
            assert!(
                begun.elapsed() < LIMIT,
                "{topic} has no {count} subscribers"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Closes every connection with this code.
    pub(crate) fn disconnect(&self, code: u16) {
        for connection in self.relay.connections(100) {
            let code = CloseCode::new(code).unwrap();
            self.relay
                .disconnect(Whom::Connection(connection.conn_id), code, "as asked");
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.handle.stop();
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || ended.is_none_or(|ended| ended.is_ok()));
    }
}

async fn sign_in(request: Request, next: Next) -> Response {
    let field = request.headers().get("authorization");
    match field.is_some_and(|value| value.as_bytes() == b"Bearer let-me-in") {
        true => next.run(request).await,
        false => Response::new("").with_status(http::StatusCode::UNAUTHORIZED),
    }
}

async fn publish(relay: &Relay, mut request: Request) -> Response {
    let field = request.headers().get("authorization");
    if field.is_none_or(|value| value.as_bytes() != b"Bearer secret") {
        return Response::new("").with_status(http::StatusCode::UNAUTHORIZED);
    }
    let body: Value = request.body_json().await.unwrap();
    let (topic, event) = (
        body["topic"].as_str().unwrap(),
        body["event"].as_str().unwrap(),
    );
    match relay.push(topic, event, &body["payload"]).await {
        Ok(published) => {
            Response::json(&json!({"epoch":1,"offset":1,"subscribers":published.subscribers}))
                .unwrap()
        }
        Err(error) => Response::new(error.to_string()).with_status(http::StatusCode::BAD_REQUEST),
    }
}

/// A hub that loses the fourth message of ten, sends the sixth twice, and the eighth behind the ninth.
#[derive(Default)]
struct Broken {
    readers: Mutex<Vec<(Value, WsSender)>>,
    count: Mutex<(u64, Option<String>)>,
}

impl Broken {
    async fn serve(&self, mut socket: WebSocket) {
        let sender = socket.sender();
        while let Some(Ok(message)) = socket.recv().await {
            let Message::Text(text) = message else {
                continue;
            };
            let asked: Value = serde_json::from_str(&text).unwrap();
            let (reference, topic) = (&asked["ref"], &asked["topic"]);
            if asked["type"] == "subscribe" {
                self.readers
                    .lock()
                    .unwrap()
                    .push((topic.clone(), sender.clone()));
                let answer = json!({"type":"subscribed","topic":topic,"ref":reference});
                let _ = sender.send(answer.to_string()).await;
            } else if asked["type"] == "message" {
                let ok = json!({"type":"ok","ref":reference});
                let _ = sender.send(ok.to_string()).await;
                let push =
                    json!({"type":"push","topic":topic,"event":"e","payload":asked["payload"]});
                self.tell(topic, push.to_string());
            }
        }
    }

    fn tell(&self, topic: &Value, push: String) {
        let (count, kept) = &mut *self.count.lock().unwrap();
        let messages = match *count % 10 {
            3 => vec![],
            5 => vec![push.clone(), push],
            7 => {
                *kept = Some(push);
                vec![]
            }
            8 => [Some(push), kept.take()].into_iter().flatten().collect(),
            _ => vec![push],
        };
        *count += 1;
        let readers = self.readers.lock().unwrap();
        for (_, reader) in readers.iter().filter(|(place, _)| place == topic) {
            for message in &messages {
                let _ = reader.try_send(message.as_str());
            }
        }
    }
}

/// A command that runs.
pub(crate) struct Command {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Command {
    pub(crate) fn start(args: &[&str]) -> Self {
        let mut child = std::process::Command::new(BINARY)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { child, stdout }
    }

    /// The next line of stdout.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "it has ended");
        line
    }

    pub(crate) fn json(&mut self) -> Value {
        serde_json::from_str(&self.line()).unwrap()
    }

    pub(crate) fn interrupt(self) -> (Option<i32>, String) {
        let id = self.child.id().to_string();
        let sent = std::process::Command::new("kill")
            .args(["-INT", &id])
            .status()
            .unwrap();
        assert!(sent.success());
        self.end()
    }

    /// Waits for the end: the exit code, and what was complained.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(begun.elapsed() < LIMIT, "still running");
            std::thread::sleep(Duration::from_millis(5));
        };
        let mut complained = String::new();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut complained)
            .unwrap();
        (status.code(), complained)
    }
}

impl Drop for Command {
    /// A test that fails leaves nothing behind.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command to its end with this on stdin.
pub(crate) fn run(args: &[&str], stdin: &str) -> Output {
    let mut child = std::process::Command::new(BINARY)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Whoever does not read it closes it.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    child.wait_with_output().unwrap()
}

/// Nothing on stdout, this code, and one line that names the culprit.
pub(crate) fn assert_fails(args: &[&str], code: i32, culprit: &str) {
    let output = run(args, "");
    let complained = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {complained}");
    assert!(output.stdout.is_empty(), "{args:?}");
    assert_eq!(
        complained.matches('\n').count(),
        1,
        "{args:?}: {complained}"
    );
    assert!(
        complained.starts_with("wireline: ") && complained.contains(culprit),
        "{args:?}: {complained}"
    );
}

const BINARY: &str = env!("CARGO_BIN_EXE_wireline");

const LIMIT: Duration = Duration::from_secs(30);
