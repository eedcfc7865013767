//! A server on which one thing in ten panics, each time in another place, and clients that know what they are to get.

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use wireline::extract::Json;
use wireline::relay::{Relay, RelayConfig, RelayEvent};
use wireline::resource::counters::Counter;
use wireline::server::{Bound, Running};
use wireline::service::middleware::Next;
use wireline::service::request::Request;
use wireline::socketio::server::{Data, SocketIo};
use wireline::ws::prelude::*;
use wireline::{Body, Error, Response, Router, Server};

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) asked: u64,
    /// How often each place panicked, as its clients saw it.
    pub(crate) panics: BTreeMap<&'static str, u64>,
    /// Whatever was not as it should be, the first of it.
    pub(crate) complaints: Vec<String>,
    pub(crate) rss_kib: (u64, u64),
}

#[derive(Default)]
struct Tally(Mutex<Outcome>);

impl Tally {
    fn with<T>(&self, change: impl FnOnce(&mut Outcome) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn asked(&self) {
        self.with(|outcome| outcome.asked += 1);
    }

    fn panicked(&self, place: &'static str) {
        self.with(|outcome| {
            outcome.asked += 1;
            *outcome.panics.entry(place).or_default() += 1;
        });
    }

    fn complain(&self, place: &str, got: impl Debug) {
        self.with(|outcome| {
            if outcome.complaints.len() < 20 {
                outcome.complaints.push(format!("{place}: {got:?}"));
            }
        });
    }
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("in a drop");
    }
}

static LOCK: Mutex<u64> = Mutex::new(0);

async fn guard(request: Request, next: Next) -> Response {
    assert!(request.path() != "/middleware", "in a middleware");
    next.run(request).await
}

async fn room(event: RelayEvent, relay: Relay) -> Result<Option<Json<Value>>, Error> {
    match event {
        RelayEvent::Join { topic, conn_id, .. } => {
            relay
                .track(&topic, conn_id, &json!({}))
                .map_err(Error::internal)?;
        }
        RelayEvent::Message { event, .. } => assert!(event != "panic", "in a handler of the relay"),
        _ => {}
    }
    Ok(None)
}

fn serve() -> (Running, Relay, SocketIo) {
    let relay = Relay::new(RelayConfig::default().channel("room:*", room));
    let io = SocketIo::new();
    io.on("panic", async || {
        let is_asked = true;
        assert!(!is_asked, "in a handler of Socket.IO");
    });
    io.on("nothing", async || Data(()));
    let routes = Router::new()
        .get("/ok", async || "ok")
        .get("/middleware", async || "never")
        .get("/handler", async || -> &'static str {
            panic!("in a handler")
        })
        .get("/drop", async || {
            let bomb = Bomb;
            tokio::task::yield_now().await;
            drop(bomb);
            "never"
        })
        .get("/lock", async || -> &'static str {
            let mut held = LOCK.lock().unwrap_or_else(PoisonError::into_inner);
            *held += 1;
            panic!("while a lock is held");
        })
        .get("/body", async || {
            let parts = (0..).map(|part| {
                assert!(part < 2, "in a body");
                Bytes::from_static(b"part")
            });
            Response::new(Body::from_chunks(parts))
        })
        .websocket("/echo", async |mut socket: WebSocket| {
            while let Some(Ok(message)) = socket.recv().await {
                assert!(message.as_text() != Some("panic"), "in a WebSocket");
                if socket.send(message).await.is_err() {
                    return;
                }
            }
        })
        .relay(&relay)
        .socket_io(&io)
        .middleware(guard)
        .build()
        .unwrap();
    let mut server = Server::new(routes)
        .bind("127.0.0.1:0")
        .h2c(true)
        .signals(false)
        .max_connections(10 * CLIENTS);
    // Fewer than panics, by far: one that is not given back would show soon.
    server.config.max_in_flight = Some(16 * CLIENTS);
    (server.start().unwrap(), relay, io)
}

/// Asks `count` times in all. Panics are told nobody.
pub(crate) async fn run(count: u64) -> Outcome {
    let (running, relay, io) = serve();
    let handle = running.handle();
    let Some(Bound::Tcp(addr)) = handle.bound().first().cloned() else {
        panic!("it listens nowhere");
    };
    let tally = Arc::<Tally>::default();
    // What is allocated once is there from the first hundredth on.
    let each = count / (4 * CLIENTS as u64);
    round(addr, &tally, each / 100 + 10).await;
    let before = resident();
    round(addr, &tally, each).await;
    let after = resident();

    // Everybody is gone, and has left nothing.
    let emptied = async {
        while handle.metrics().connections() > 0 || !relay.hub().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    if timeout(PATIENCE, emptied).await.is_err() {
        let live = (handle.metrics().connections(), relay.stats().subscriptions);
        tally.complain("what is left", live);
    }
    let mut outcome = tally.with(std::mem::take);
    outcome.rss_kib = (before, after);
    let of_http: u64 = ["handler", "middleware", "drop", "lock", "body", "websocket"]
        .iter()
        .filter_map(|place| outcome.panics.get(place))
        .sum();
    let of = |place| outcome.panics.get(place).copied().unwrap_or(0);
    let counted = [
        (
            "handler_panics",
            handle.metrics().get(Counter::HandlerPanics),
            of_http,
        ),
        ("panics of Socket.IO", io.stats().panics, of("socketio")),
        ("presence", relay.presence_count("room:1") as u64, 0),
        ("buffered", handle.metrics().buffered() as u64, 0),
        (
            "refused in flight",
            handle.metrics().get(Counter::RefusedInFlight),
            0,
        ),
    ];
    for (what, counted, expected) in counted {
        if counted != expected {
            outcome
                .complaints
                .push(format!("{what}: {counted} instead of {expected}"));
        }
    }
    handle.stop();
    running.wait().await;
    outcome
}

/// Clients of each kind, `each` times all of them.
async fn round(addr: SocketAddr, tally: &Arc<Tally>, each: u64) {
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS as u64 {
        clients.spawn(http1(addr, tally.clone(), client, each));
        clients.spawn(http2(addr, tally.clone(), client, each));
        clients.spawn(websocket(addr, tally.clone(), client, each));
        clients.spawn(events(addr, tally.clone(), client, each));
    }
    while let Some(ended) = clients.join_next().await {
        if let Err(error) = ended {
            tally.complain("a client", error);
        }
    }
}

/// One in ten panics; where, goes round.
fn place(client: u64, turn: u64) -> Option<&'static str> {
    const PLACES: [&str; 5] = ["handler", "middleware", "drop", "lock", "body"];
    let turn = turn + client;
    turn.is_multiple_of(10)
        .then(|| PLACES[(turn / 10 % 5) as usize])
}

async fn http1(addr: SocketAddr, tally: Arc<Tally>, client: u64, each: u64) {
    let mut kept: Option<TcpStream> = None;
    for turn in 0..each {
        let mut stream = match kept.take() {
            Some(stream) => stream,
            None => TcpStream::connect(addr).await.unwrap(),
        };
        let panics = place(client, turn);
        let path = panics.unwrap_or("ok");
        let request = format!("GET /{path} HTTP/1.1\r\nHost: a\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let whole = async {
            while !answer.ends_with(b"\r\n\r\nok")
                && !answer.ends_with(b"internal server error\n")
                && stream
                    .read_buf(&mut answer)
                    .await
                    .is_ok_and(|count| count > 0)
            {}
        };
        if timeout(PATIENCE, whole).await.is_err() {
            tally.complain(path, "no answer");
        }
        let answer = String::from_utf8_lossy(&answer);
        match panics {
            None if answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("ok") => tally.asked(),
            // The head was sent: the end of the content is what is missing.
            Some("body")
                if answer.starts_with("HTTP/1.1 200 ") && !answer.ends_with("0\r\n\r\n") =>
            {
                tally.panicked("body");
                continue;
            }
            Some(place) if place != "body" && answer.starts_with("HTTP/1.1 500 ") => {
                tally.panicked(place);
            }
            _ => tally.complain(path, &answer),
        }
        if !answer.contains("connection: close") {
            kept = Some(stream);
        }
    }
}

async fn http2(addr: SocketAddr, tally: Arc<Tally>, client: u64, each: u64) {
    let stream = TcpStream::connect(addr).await.unwrap();
    let (mut sender, connection) = h2::client::handshake(stream).await.unwrap();
    let driven = tokio::spawn(connection);
    for turn in 0..each {
        let panics = place(client, turn);
        let path = panics.unwrap_or("ok");
        let request = http::Request::get(format!("http://a/{path}"))
            .body(())
            .unwrap();
        let answer = async {
            sender = sender.clone().ready().await?;
            let (response, _) = sender.send_request(request, true)?;
            let response = response.await?;
            let (status, mut body) = (response.status(), response.into_body());
            while let Some(part) = body.data().await {
                body.flow_control().release_capacity(part?.len())?;
            }
            Ok::<_, h2::Error>(status)
        };
        match (panics, timeout(PATIENCE, answer).await) {
            (None, Ok(Ok(StatusCode::OK))) => tally.asked(),
            (Some("body"), Ok(Err(error)))
                if error.reason() == Some(h2::Reason::INTERNAL_ERROR) =>
            {
                tally.panicked("body");
            }
            (Some(place), Ok(Ok(StatusCode::INTERNAL_SERVER_ERROR))) if place != "body" => {
                tally.panicked(place);
            }
            (_, other) => tally.complain(path, other),
        }
    }
    drop(sender);
    let _ = timeout(PATIENCE, driven).await;
}

async fn websocket(addr: SocketAddr, tally: Arc<Tally>, client: u64, each: u64) {
    let url = format!("ws://{addr}/echo");
    let mut kept: Option<WebSocket> = None;
    for turn in 0..each {
        let mut socket = match kept.take() {
            Some(socket) => socket,
            None => wireline::ws::client::connect(&url).await.unwrap(),
        };
        let panics = place(client, turn).is_some();
        let text = if panics { "panic" } else { "ok" };
        let _ = socket.send(text).await;
        match (panics, timeout(PATIENCE, socket.recv()).await) {
            (false, Ok(Some(Ok(Message::Text(text))))) if text.as_str() == "ok" => {
                tally.asked();
                kept = Some(socket);
            }
            (true, Ok(Some(Ok(Message::Close(Some(close))))))
                if close.code == CloseCode::INTERNAL =>
            {
                tally.panicked("websocket");
                while let Ok(Some(Ok(_))) = timeout(PATIENCE, socket.recv()).await {}
            }
            (_, other) => tally.complain("websocket", other),
        }
    }
}

/// The relay and Socket.IO: their handlers panic, and their sockets go on.
async fn events(addr: SocketAddr, tally: Arc<Tally>, client: u64, each: u64) {
    let mut relay = wireline::ws::client::connect(&format!("ws://{addr}/ws"))
        .await
        .unwrap();
    let url = format!("ws://{addr}/socket.io/?EIO=4&transport=websocket");
    let mut io = wireline::ws::client::connect(&url).await.unwrap();
    let join = json!({"type":"subscribe","topic":"room:1","ref":1});
    relay.send(join.to_string()).await.unwrap();
    hear(&mut relay, "subscribed").await;
    hear(&mut io, "\"sid\"").await;
    io.send("40").await.unwrap();
    hear(&mut io, "\"sid\"").await;
    for turn in 0..each {
        let panics = place(client, turn).is_some();
        if (turn / 10).is_multiple_of(2) {
            let event = if panics { "panic" } else { "say" };
            let say =
                json!({"type":"message","topic":"room:1","event":event,"payload":1,"ref":turn});
            relay.send(say.to_string()).await.unwrap();
            let heard = hear(&mut relay, &format!("\"ref\":{turn}")).await;
            match (panics, heard.contains("internal server error")) {
                (true, true) => tally.panicked("relay"),
                (false, false) => tally.asked(),
                _ => tally.complain("relay", heard),
            }
        } else {
            // An event whose handler panics is not answered; the next one is.
            if panics {
                io.send(r#"42["panic"]"#).await.unwrap();
            }
            io.send(format!(r#"42{turn}["nothing"]"#)).await.unwrap();
            let heard = hear(&mut io, &format!("43{turn}[")).await;
            match heard.is_empty() {
                true => tally.complain("socketio", "no answer"),
                false if panics => tally.panicked("socketio"),
                false => tally.asked(),
            }
        }
    }
}

/// The next message with this in it; empty when none comes.
async fn hear(socket: &mut WebSocket, what: &str) -> String {
    let heard = async {
        while let Some(Ok(message)) = socket.recv().await {
            if let Message::Text(text) = message {
                match text.as_str() {
                    "2" => drop(socket.send("3").await),
                    text if text.contains(what) => return text.to_owned(),
                    _ => {}
                }
            }
        }
        String::new()
    };
    timeout(PATIENCE, heard).await.unwrap_or_default()
}

/// The resident memory of this process, clients and all.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kib.unwrap_or(0)
}

/// Of each of the four kinds.
const CLIENTS: usize = 8;

const PATIENCE: Duration = Duration::from_secs(20);
