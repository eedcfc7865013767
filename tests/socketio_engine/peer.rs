//! A server of Engine.IO with the times that the contract asks for, and clients that speak it by hand.

use serde_json::Value;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use wireline::layer::cors::Cors;
use wireline::service::request::Parts;
use wireline::socketio::engine::{CloseReason, Data};
use wireline::socketio::transport::{
    Application, Conversation, EngineConfig, EngineIo, Outgoing, Session,
};
use wireline::test::TestServer;
use wireline::wire::number::decimal;
use wireline::ws::message::Message;
use wireline::ws::origin::Policy;
use wireline::ws::socket::WebSocket;
use wireline::{Router, Server};

/// Long enough for anything that comes at all.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const INTERVAL: Duration = Duration::from_millis(300);
pub(crate) const TIMEOUT: Duration = Duration::from_millis(200);

/// What the contract asks for.
pub(crate) fn contract() -> EngineConfig {
    EngineConfig {
        ping_interval: INTERVAL,
        ping_timeout: TIMEOUT,
        origin: Policy::Any,
        cors: Some(Cors::new().any_origin()),
        ..EngineConfig::default()
    }
}

/// The same without pings that are due while a test runs.
pub(crate) fn calm() -> EngineConfig {
    EngineConfig {
        ping_interval: Duration::from_secs(600),
        ..contract()
    }
}

pub(crate) struct Site {
    pub(crate) server: TestServer,
    pub(crate) engine: EngineIo,
    pub(crate) seen: Arc<Seen>,
}

/// What the application has seen.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) sessions: Mutex<Vec<Session>>,
    pub(crate) closed: Mutex<Vec<(String, CloseReason)>>,
}

/// Says what it hears; `close` closes, `fill` sends more than anybody takes, `count N` sends N numbers, `volatile N` sends "first" and
/// then as many, each if it can be written at once; `plain` sends 2,000 octets that are not to be compressed.
struct Echo(Arc<Seen>);

struct EchoOf(Session, Arc<Seen>);

impl Application for Echo {
    fn open(&self, session: &Session, _parts: Parts) -> Box<dyn Conversation> {
        self.0.sessions.lock().unwrap().push(session.clone());
        Box::new(EchoOf(session.clone(), self.0.clone()))
    }
}

impl Conversation for EchoOf {
    fn receive(&mut self, data: Data) {
        let session = &self.0;
        match data {
            Data::Text(text) => match &*text {
                "close" => {
                    session.send(&Outgoing::text("goodbye"));
                    session.close(CloseReason::ForcedClose);
                }
                "fill" => {
                    let message = Outgoing::binary(vec![7; 100_000]);
                    while session.send(&message) {}
                }
                "plain" => {
                    let message = Outgoing::text(&"a".repeat(2000));
                    session.send(&message.uncompressed());
                }
                text => match text.split_once(' ') {
                    Some(("count", count)) => {
                        for number in 0..number(count) {
                            session.send(&Outgoing::text(&number.to_string()));
                        }
                    }
                    Some(("volatile", count)) => {
                        session.send(&Outgoing::text("first"));
                        for number in 0..number(count) {
                            session.send_volatile(&Outgoing::text(&number.to_string()));
                        }
                        session.send(&Outgoing::text("last"));
                    }
                    _ => drop(session.send(&Outgoing::text(text))),
                },
            },
            Data::Binary(octets) => drop(session.send(&Outgoing::binary(octets))),
        }
    }

    fn closed(self: Box<Self>, reason: CloseReason) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let id = self.0.id().to_owned();
            self.1.closed.lock().unwrap().push((id, reason));
        })
    }
}

pub(crate) fn serve(config: EngineConfig) -> Site {
    serve_with(config, Router::new())
}

pub(crate) fn serve_with(config: EngineConfig, router: Router) -> Site {
    let seen = Arc::new(Seen::default());
    let engine = EngineIo::new(config, Echo(seen.clone()));
    let routes = router.engine_io("/engine.io/", &engine).build().unwrap();
    Site {
        server: TestServer::start(Server::new(routes)),
        engine,
        seen,
    }
}

/// An answer of HTTP.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u64,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut found = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value)
    }

    /// That it was refused, with this number.
    #[track_caller]
    pub(crate) fn is_refused(&self, code: u64, message: &str) {
        assert_eq!(self.status, 400, "{self:?}");
        assert_eq!(self.field("content-type"), Some("application/json"));
        assert_eq!(
            self.body,
            format!("{{\"code\":{code},\"message\":\"{message}\"}}")
        );
    }
}

/// A request on a connection of its own.
pub(crate) async fn ask(addr: SocketAddr, request: &str, body: &[u8]) -> Reply {
    let mut stream = send(addr, request, body).await;
    timeout(PATIENCE, receive(&mut stream)).await.unwrap()
}

/// Its beginning, for who wants to end it otherwise.
pub(crate) async fn send(addr: SocketAddr, request: &str, body: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let (line, fields) = request.split_once('\n').unwrap_or((request, ""));
    let fields: String = fields.lines().map(|line| format!("{line}\r\n")).collect();
    let framing = if line.starts_with("GET") {
        String::new()
    } else {
        format!("content-length: {}\r\n", body.len())
    };
    let head =
        format!("{line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{framing}{fields}\r\n");
    stream
        .write_all(&[head.as_bytes(), body].concat())
        .await
        .unwrap();
    stream
}

pub(crate) async fn receive(stream: &mut TcpStream) -> Reply {
    let mut octets = Vec::new();
    // A server that does not want what still comes may reset.
    let _ = stream.read_to_end(&mut octets).await;
    let text = String::from_utf8(octets).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = number(head.split(' ').nth(1).unwrap_or("0"));
    Reply {
        status,
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

impl Site {
    pub(crate) fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    pub(crate) async fn get(&self, query: &str) -> Reply {
        ask(self.addr(), &format!("GET /engine.io/?{query}"), b"").await
    }

    /// Opens a session that polls.
    pub(crate) async fn open(&self) -> String {
        let reply = self.get("EIO=4&transport=polling").await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let open: Value = serde_json::from_str(reply.body.strip_prefix('0').unwrap()).unwrap();
        open["sid"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn poll(&self, sid: &str) -> Reply {
        self.get(&format!("EIO=4&transport=polling&sid={sid}"))
            .await
    }

    pub(crate) async fn post(&self, sid: &str, body: &str) -> Reply {
        self.post_as(
            sid,
            "content-type: text/plain;charset=UTF-8",
            body.as_bytes(),
        )
        .await
    }

    pub(crate) async fn post_as(&self, sid: &str, fields: &str, body: &[u8]) -> Reply {
        let request = format!("POST /engine.io/?EIO=4&transport=polling&sid={sid}\n{fields}");
        ask(self.addr(), &request, body).await
    }

    /// That there is no such session.
    #[track_caller]
    pub(crate) fn is_gone(&self, sid: &str) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let reply = self.poll(sid).await;
            assert_eq!(reply.status, 400, "{caller}: {reply:?}");
            reply.is_refused(1, "Session ID unknown");
        }
    }

    pub(crate) async fn socket(&self, query: &str) -> Option<WebSocket> {
        let url = format!("ws://{}/engine.io/?{query}", self.addr());
        let connecting = wireline::ws::client::connect(&url);
        timeout(PATIENCE, connecting).await.unwrap().ok()
    }

    /// Opens a session by a WebSocket.
    pub(crate) async fn open_socket(&self) -> (WebSocket, String) {
        let mut socket = self.socket("EIO=4&transport=websocket").await.unwrap();
        let text = text(&mut socket).await.unwrap();
        let open: Value = serde_json::from_str(text.strip_prefix('0').unwrap()).unwrap();
        let sid = open["sid"].as_str().unwrap().to_owned();
        (socket, sid)
    }

    fn closed(&self, sid: &str) -> Option<CloseReason> {
        let closed = self.seen.closed.lock().unwrap();
        let found: Vec<_> = closed.iter().filter(|(id, _)| id == sid).collect();
        assert!(found.len() <= 1, "it ends once");
        found.first().map(|(_, reason)| *reason)
    }

    pub(crate) fn session(&self, sid: &str) -> Session {
        let sessions = self.seen.sessions.lock().unwrap();
        let session = sessions.iter().find(|session| session.id() == sid);
        session.unwrap().clone()
    }

    /// Waits until a poll waits.
    pub(crate) async fn is_polled(&self, sid: &str) {
        let session = self.session(sid);
        let polled = async {
            while !session.is_writable() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, polled).await.unwrap();
    }

    /// Why a session has ended, once it has.
    pub(crate) async fn reason(&self, sid: &str) -> CloseReason {
        let found = async {
            loop {
                if let Some(reason) = self.closed(sid) {
                    return reason;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, found).await.expect("the session ends")
    }
}

/// The next message, if it is text; `None` at the end.
pub(crate) async fn text(socket: &mut WebSocket) -> Option<String> {
    match message(socket).await? {
        Message::Text(text) => Some(text.to_string()),
        other => panic!("{other:?}"),
    }
}

/// The next message; `None` at the end.
pub(crate) async fn message(socket: &mut WebSocket) -> Option<Message> {
    let received = timeout(PATIENCE, socket.recv()).await;
    match received.expect("a message or the end") {
        Some(Ok(Message::Close(_)) | Err(_)) | None => None,
        Some(Ok(message)) => Some(message),
    }
}

pub(crate) fn number(text: &str) -> u64 {
    decimal(text.as_bytes()).unwrap()
}
