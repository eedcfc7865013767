//! A server that says what a test tells it to.

use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::copy_bidirectional;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use wireline::relay::client::{Builder, RelayClient};
use wireline::resource::io::Io;
use wireline::resource::io::memory;
use wireline::service::headers::Headers;
use wireline::test::TestClient;
use wireline::ws::close::CloseCode;
use wireline::ws::message::Message;
use wireline::ws::route::WebSocketUpgrade;
use wireline::ws::socket::WebSocket;
use wireline::{Response, Router};

pub(crate) struct Script {
    server: Arc<TestClient>,
    sockets: mpsc::Receiver<Served>,
    /// The status that it answers in place of 101; 0 is none.
    refuses: Arc<AtomicU16>,
    /// The cable of the last connection.
    cable: Arc<Mutex<Option<AbortHandle>>>,
}

/// The server's end of a connection.
pub(crate) struct Served {
    pub(crate) socket: WebSocket,
    pub(crate) authorization: String,
    pub(crate) origin: String,
    /// Dropped with the rest: the connection ends with 1001.
    _over: oneshot::Sender<()>,
}

impl Script {
    pub(crate) fn new() -> Self {
        let (sender, sockets) = mpsc::channel(16);
        let refuses = Arc::new(AtomicU16::new(0));
        let refused = refuses.clone();
        let serve = move |upgrade: WebSocketUpgrade, headers: Headers| {
            std::future::ready(answer(upgrade, &headers, &refused, sender.clone()))
        };
        let routes = Router::new().get("/ws", serve).build().unwrap();
        Self {
            server: Arc::new(TestClient::new(routes)),
            sockets,
            refuses,
            cable: Arc::default(),
        }
    }

    /// A client of this server.
    pub(crate) fn builder(&self) -> Builder {
        let (server, cable) = (self.server.clone(), self.cable.clone());
        RelayClient::builder("ws://test/ws").over(move || {
            let mut far = server.connect();
            let (ours, mut near) = memory::pair(64 * 1024);
            let task =
                tokio::spawn(async move { copy_bidirectional(&mut near, &mut far).await.is_ok() });
            *cable.lock().unwrap() = Some(task.abort_handle());
            async move { Ok(Io::Dyn(Box::new(ours))) }
        })
    }

    /// Cuts the last connection: nobody says a word.
    pub(crate) fn cut(&self) {
        self.cable
            .lock()
            .unwrap()
            .take()
            .expect("a connection")
            .abort();
    }

    /// The next connection.
    pub(crate) async fn accept(&mut self) -> Served {
        self.sockets.recv().await.expect("a connection")
    }

    /// From now on connections are answered with this status; 0 takes them again.
    pub(crate) fn refuse(&self, status: u16) {
        self.refuses.store(status, Ordering::SeqCst);
    }
}

impl Served {
    pub(crate) async fn say(&self, text: &str) {
        self.socket.send(text).await.expect("an open connection");
    }

    /// The next message of the client, or how it closed.
    pub(crate) async fn hear(&mut self) -> String {
        loop {
            let received = timeout(Duration::from_secs(300), self.socket.recv());
            match received.await.expect("a message in time") {
                Some(Ok(Message::Text(text))) => return text.to_string(),
                Some(Ok(Message::Close(Some(frame)))) => return format!("closed {}", frame.code),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Answers a message with its `ref`, and its `join` if it has one.
    pub(crate) async fn answer(&self, asked: &str, kind: &str, more: &str) {
        let asked: serde_json::Value = serde_json::from_str(asked).unwrap();
        let mut answer = format!(r#"{{"type":"{kind}","ref":{}"#, asked["ref"]);
        if kind != "ok" && asked["topic"].is_string() {
            answer.push_str(&format!(r#","topic":{}"#, asked["topic"]));
        }
        if asked["join"].is_u64() {
            answer.push_str(&format!(r#","join":{}"#, asked["join"]));
        }
        if !more.is_empty() {
            answer.push(',');
            answer.push_str(more);
        }
        answer.push('}');
        self.say(&answer).await;
    }

    /// Lets the client subscribe.
    pub(crate) async fn joins(&mut self, more: &str) {
        let asked = self.hear().await;
        assert!(asked.contains(r#""type":"subscribe""#), "{asked}");
        self.answer(&asked, "subscribed", more).await;
    }
}

/// Takes the next connection, which must come.
pub(crate) async fn begin(script: &mut Script) {
    drop(script.accept().await);
}

fn answer(
    upgrade: WebSocketUpgrade,
    headers: &Headers,
    refuses: &AtomicU16,
    sender: mpsc::Sender<Served>,
) -> Response {
    let status = refuses.load(Ordering::SeqCst);
    if status != 0 {
        return Response::new(()).with_status(http::StatusCode::from_u16(status).unwrap());
    }
    let field = |name| {
        let value = headers.get(name);
        value.map_or(String::new(), |value| value.to_str().unwrap().to_owned())
    };
    let (authorization, origin) = (field("authorization"), field("origin"));
    upgrade
        .origin(wireline::ws::origin::Policy::Any)
        .subprotocols(wireline::ws::handshake::subprotocol::Subprotocols::list([
            "chat",
        ]))
        .on_upgrade(async move |socket: WebSocket| {
            let (over, waits) = oneshot::channel();
            let served = Served {
                socket,
                authorization,
                origin,
                _over: over,
            };
            if sender.send(served).await.is_ok() {
                let _ = waits.await;
            }
            CloseCode::AWAY
        })
}
