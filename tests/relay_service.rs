//! The register/publish service, over real sockets, with the library's own WebSocket client.

#[allow(dead_code, reason = "each test takes what it needs of it")]
#[path = "tls/common.rs"]
mod common;
#[path = "../examples/register_publish.rs"]
#[allow(dead_code, reason = "its `main` is not called")]
mod example;

use common::{Authority, any_client, connect, secure_addr, until, within};
use std::collections::{HashMap, HashSet};
use std::fmt::Debug;
use std::net::SocketAddr;
use std::sync::{Mutex, Once};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use wireline::relay::Overflow;
use wireline::relay::service::{Delivered, RegisterService, Waiting};
use wireline::test::TestServer;
use wireline::wire::number::decimal;
use wireline::ws::client::{Client, ConnectError};
use wireline::ws::message::Message;
use wireline::ws::socket::WebSocket;
use wireline::{Router, Server};

/// A service behind a real listener.
struct Scene {
    service: RegisterService,
    server: TestServer,
}

struct Answer {
    status: String,
    head: String,
    content: String,
}

impl Answer {
    fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

impl Scene {
    fn new(service: RegisterService) -> Self {
        let routes = Router::new()
            .merge(service.router())
            .get("/other", async || "other")
            .build()
            .unwrap();
        Self {
            service,
            server: TestServer::new(routes),
        }
    }

    fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    async fn ask(&self, request: &str, content: &str) -> Answer {
        let mut stream = TcpStream::connect(self.addr()).await.unwrap();
        ask(&mut stream, request, content).await
    }

    /// Registers a client; its address.
    async fn register(&self, user: u64) -> String {
        let content = format!("{{\"user_id\": {user}}}");
        url(&self.ask("POST /register", &content).await)
    }

    async fn publish(&self, content: &str) {
        let answer = self.ask("POST /publish", content).await;
        assert_eq!(
            (&*answer.status, &*answer.content),
            ("200", ""),
            "{content}"
        );
    }

    /// Registers a client, and opens its socket.
    async fn client(&self, user: u64) -> WebSocket {
        let before = self.service.connected();
        let socket = open(&self.register(user).await).await;
        until("connected", || self.service.connected() == before + 1).await;
        socket
    }

    /// Says what the topics of a client are, and waits until they are.
    async fn choose(&self, socket: &mut WebSocket, topics: &str) {
        socket
            .send(format!("{{\"topics\":{topics}}}"))
            .await
            .unwrap();
        settle(socket).await;
    }
}

/// One request on a connection that ends with it. `Host` says nothing that is true.
async fn ask(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    request: &str,
    content: &str,
) -> Answer {
    let (line, fields) = request.split_once('\n').unwrap_or((request, ""));
    let kind = if fields.to_ascii_lowercase().contains("content-type") {
        ""
    } else {
        "Content-Type: application/json\r\n"
    };
    let fields = fields.replace('\n', "\r\n");
    let head = format!(
        "{line} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n{kind}{fields}Content-Length: {}\r\n\r\n",
        content.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(content.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    let mut answer = String::new();
    within(stream.read_to_string(&mut answer)).await.unwrap();
    let (head, content) = answer.split_once("\r\n\r\n").unwrap();
    Answer {
        status: head[9..12].to_owned(),
        head: head.to_owned(),
        content: content.to_owned(),
    }
}

/// The address that a client was given.
fn url(answer: &Answer) -> String {
    assert_eq!(answer.status, "200", "{}", answer.content);
    let url = answer.content.strip_prefix("{\"url\":\"").unwrap();
    url.strip_suffix("\"}").unwrap().to_owned()
}

async fn open(url: &str) -> WebSocket {
    within(Client::new().connect(url)).await.unwrap()
}

/// What the server does with messages it does in their order: its pong comes behind them.
async fn settle(socket: &mut WebSocket) {
    socket.send_ping("settle").await.unwrap();
    loop {
        match within(socket.recv()).await {
            Some(Ok(Message::Pong(payload))) if &payload[..] == b"settle" => return,
            Some(Ok(Message::Pong(_) | Message::Ping(_))) => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn text(socket: &mut WebSocket) -> String {
    loop {
        match within(socket.recv()).await {
            Some(Ok(Message::Text(text))) => return text.to_string(),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// The code of the Close that comes next.
async fn close(socket: &mut WebSocket) -> u16 {
    loop {
        match within(socket.recv()).await {
            Some(Ok(Message::Close(Some(close)))) => return close.code.get(),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn refused(url: &str) -> u16 {
    match within(Client::new().connect(url)).await {
        Err(error @ ConnectError::Refused(_)) => error.status().unwrap().as_u16(),
        other => panic!("{other:?}"),
    }
}

fn id(url: &str) -> &str {
    url.rsplit('/').next().unwrap()
}

#[tokio::test]
async fn s200_registering_gives_the_address_of_a_socket() {
    let scene = Scene::new(RegisterService::new());
    let prefix = format!("ws://{}/ws/", scene.addr());
    let mut ids = HashSet::new();
    for _ in 0..100 {
        let url = scene.register(1).await;
        let id = url.strip_prefix(&prefix).expect(&url);
        let is_lower_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        assert!(id.len() == 32 && id.chars().all(is_lower_hex), "{id}");
        // RFC 9562 §5.4.
        assert_eq!(&id[12..13], "4");
        assert!(matches!(&id[16..17], "8" | "9" | "a" | "b"), "{id}");
        assert!(ids.insert(id.to_owned()));
    }
    let answer = scene.ask("POST /register", "{\"user_id\": 1}").await;
    assert_eq!(answer.field("content-type"), Some("application/json"));
}

/// An address is `wss` at a TLS listener, has the path of where the service is mounted, and the public URL where there is one.
#[tokio::test]
async fn s200_the_address_is_that_of_the_listener_or_the_public_one() {
    let authority = Authority::new();
    let service = RegisterService::new();
    let routes = Router::new().nest("/feed/a", service.router()).build();
    let server = Server::new(routes.unwrap()).bind_tls("127.0.0.1:0", authority.tls("localhost"));
    let server = TestServer::start(server);
    let addr = secure_addr(server.handle());
    let mut stream = connect(addr, "localhost", &any_client(&authority))
        .await
        .unwrap();
    let answer = ask(&mut stream, "POST /feed/a/register", "{\"user_id\": 1}").await;
    let given = url(&answer);
    assert!(
        given.starts_with(&format!("wss://{addr}/feed/a/ws/")),
        "{given}"
    );
    // The certificate is for the name.
    let named = given.replace("127.0.0.1", "localhost");
    let client = Client::new().roots(authority.pem()).unwrap();
    let mut socket = within(client.connect(&named)).await.unwrap();
    settle(&mut socket).await;
    assert_eq!(service.publish(None, "cats", "meow").clients, 1);
    assert_eq!(text(&mut socket).await, "meow");

    let public = RegisterService::new().public_url("https://push.example/x/");
    let scene = Scene::new(public.unwrap());
    let given = scene.register(1).await;
    assert!(given.starts_with("wss://push.example/x/ws/"), "{given}");
    assert!(RegisterService::new().public_url("push.example").is_err());
}

#[tokio::test]
async fn s201_a_new_client_has_the_default_topics() {
    let scene = Scene::new(RegisterService::new());
    let mut socket = scene.client(1).await;
    scene.publish(r#"{"topic":"dogs","message":"woof"}"#).await;
    scene.publish(r#"{"topic":"cats","message":"meow"}"#).await;
    assert_eq!(text(&mut socket).await, "meow");

    let scene = Scene::new(RegisterService::new().topics(["a", "b"]));
    let mut socket = scene.client(1).await;
    for topic in ["cats", "a", "b"] {
        scene
            .publish(&format!(r#"{{"topic":"{topic}","message":"{topic}"}}"#))
            .await;
    }
    assert_eq!(
        [text(&mut socket).await, text(&mut socket).await],
        ["a", "b"]
    );
}

#[tokio::test]
async fn s202_a_user_may_have_several_clients() {
    let scene = Scene::new(RegisterService::new());
    let (mut phone, mut desk) = (scene.client(7).await, scene.client(7).await);
    assert_eq!(scene.service.clients(), 2);
    scene
        .publish(r#"{"user_id":7,"topic":"cats","message":"hi"}"#)
        .await;
    assert_eq!(
        (text(&mut phone).await, text(&mut desk).await),
        ("hi".to_owned(), "hi".to_owned())
    );
}

#[tokio::test]
async fn s203_deleting_a_client_closes_its_socket_and_is_always_200() {
    let scene = Scene::new(RegisterService::new());
    let url = scene.register(1).await;
    let mut socket = open(&url).await;
    until("connected", || scene.service.connected() == 1).await;
    let delete = format!("DELETE /register/{}", id(&url));
    assert_eq!(scene.ask(&delete, "").await.status, "200");
    assert_eq!(close(&mut socket).await, 1000);
    assert_eq!((scene.service.clients(), scene.service.connected()), (0, 0));
    assert_eq!(refused(&url).await, 404);
    // Once more, one that nobody ever had, and what is none.
    assert_eq!(scene.ask(&delete, "").await.status, "200");
    for id in ["0123456789abcdef0123456789abcdef", "x", "%20"] {
        assert_eq!(
            scene
                .ask(&format!("DELETE /register/{id}"), "")
                .await
                .status,
            "200"
        );
    }
    // One that has not connected yet.
    let url = scene.register(1).await;
    scene
        .ask(&format!("DELETE /register/{}", id(&url)), "")
        .await;
    assert_eq!(refused(&url).await, 404);
}

#[tokio::test]
async fn s204_an_unknown_id_is_404_before_the_upgrade() {
    let scene = Scene::new(RegisterService::new());
    let url = scene.register(1).await;
    let unknown = format!("{}0", &url[..url.len() - 1]);
    let other = format!("{}1", &url[..url.len() - 1]);
    let unknown = if unknown == url { other } else { unknown };
    assert_eq!(refused(&unknown).await, 404);
    for id in [
        "1",
        "0123456789abcdef0123456789abcdeg",
        "..",
        &format!("{}0", id(&url)),
    ] {
        assert_eq!(
            refused(&format!("ws://{}/ws/{id}", scene.addr())).await,
            404,
            "{id}"
        );
    }
    // Whoever asks without a handshake learns the same.
    let plain = scene.ask(&format!("GET /ws/{}", id(&unknown)), "").await;
    assert_eq!((&*plain.status, &*plain.content), ("404", "no such client"));
    let plain = scene.ask(&format!("GET /ws/{}", id(&url)), "").await;
    assert!(plain.status.starts_with('4') && plain.status != "404");
    // The path beside it is not the service's.
    assert_eq!(refused(&format!("ws://{}/ws", scene.addr())).await, 404);
    settle(&mut open(&url).await).await;
}

#[tokio::test]
async fn d25_a_second_socket_takes_the_place_of_the_first() {
    let scene = Scene::new(RegisterService::new());
    let url = scene.register(1).await;
    let mut first = open(&url).await;
    scene_topics(&scene, &mut first, "dogs").await;
    let mut second = open(&url).await;
    assert_eq!(close(&mut first).await, 4000);
    // The client is the same, with its topics; the end of the first socket has not forgotten it.
    drop(first);
    settle(&mut second).await;
    assert_eq!((scene.service.clients(), scene.service.connected()), (1, 1));
    scene.publish(r#"{"topic":"dogs","message":"woof"}"#).await;
    assert_eq!(text(&mut second).await, "woof");
}

/// Sets one topic, and hears of it.
async fn scene_topics(scene: &Scene, socket: &mut WebSocket, topic: &str) {
    scene.choose(socket, &format!("[\"{topic}\"]")).await;
    assert_eq!(scene.service.publish(None, topic, "there").clients, 1);
    assert_eq!(text(socket).await, "there");
}

#[tokio::test]
async fn s205_publishing_is_200_and_what_is_no_json_400() {
    let scene = Scene::new(RegisterService::new().max_message(100));
    for content in [
        r#"{"user_id":1,"topic":"cats","message":"a"}"#,
        r#"{"topic":"cats","message":"a"}"#,
        r#"{"user_id":null,"topic":"nobody has it","message":""}"#,
        r#"{"topic":"cats","message":"a","more":1}"#,
    ] {
        scene.publish(content).await;
    }
    for (request, content) in [
        ("POST /publish", ""),
        ("POST /publish", "{"),
        ("POST /publish", "[]"),
        ("POST /publish", r#"{"message":"a"}"#),
        ("POST /publish", r#"{"topic":"cats"}"#),
        ("POST /publish", r#"{"topic":"cats","message":1}"#),
        (
            "POST /publish",
            r#"{"user_id":-1,"topic":"cats","message":"a"}"#,
        ),
        ("POST /publish", r#"{"topic":"cats","message":"a"} x"#),
        ("POST /register", ""),
        ("POST /register", "{}"),
        ("POST /register", r#"{"user_id":"1"}"#),
        ("POST /register", "user_id=1"),
    ] {
        let answer = scene.ask(request, content).await;
        assert_eq!(answer.status, "400", "{request} {content}");
        assert!(
            answer.content.contains("invalid JSON"),
            "{}",
            answer.content
        );
    }
    let form = "POST /publish\nContent-Type: application/x-www-form-urlencoded\n";
    assert_eq!(
        scene
            .ask(form, r#"{"topic":"cats","message":"a"}"#)
            .await
            .status,
        "415"
    );
    let message = |len: usize| format!(r#"{{"topic":"cats","message":"{}"}}"#, "x".repeat(len));
    scene.publish(&message(100)).await;
    for len in [101, 100_000] {
        assert_eq!(
            scene.ask("POST /publish", &message(len)).await.status,
            "413"
        );
    }
    let topic = format!(r#"{{"topic":"{}","message":""}}"#, "x".repeat(256));
    assert_eq!(scene.ask("POST /publish", &topic).await.status, "413");
    assert_eq!(scene.ask("GET /publish", "").await.status, "405");
}

#[tokio::test]
async fn s206_a_message_goes_to_those_who_have_the_topic() {
    let scene = Scene::new(RegisterService::new());
    let mut ann = scene.client(1).await;
    let mut ann_dogs = scene.client(1).await;
    let mut bob = scene.client(2).await;
    scene.choose(&mut ann_dogs, "[\"dogs\"]").await;
    scene.choose(&mut bob, "[\"cats\",\"dogs\"]").await;
    for (content, to) in [
        (r#"{"user_id":1,"topic":"cats","message":"1"}"#, "a"),
        (r#"{"user_id":1,"topic":"dogs","message":"2"}"#, "d"),
        (r#"{"user_id":2,"topic":"dogs","message":"3"}"#, "b"),
        (r#"{"user_id":3,"topic":"dogs","message":"4"}"#, ""),
        (r#"{"topic":"cats","message":"5"}"#, "ab"),
        (r#"{"topic":"dogs","message":"6"}"#, "db"),
        (r#"{"topic":"cat","message":"7"}"#, ""),
        (r#"{"topic":"cats","message":"8"}"#, "ab"),
        (r#"{"topic":"dogs","message":"9"}"#, "db"),
    ] {
        scene.publish(content).await;
        let number = content
            .split("message\":\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap();
        for (name, socket) in [("a", &mut ann), ("d", &mut ann_dogs), ("b", &mut bob)] {
            if to.contains(name) {
                // Whatever it should not have got would stand before this.
                assert_eq!(text(socket).await, number, "{name}");
            }
        }
    }
}

#[tokio::test]
async fn s207_what_is_delivered_is_the_bare_text() {
    let scene = Scene::new(RegisterService::new());
    let mut socket = scene.client(1).await;
    for message in [
        "plain",
        "{\"a\": 1}",
        "\"",
        "",
        "schön 🐈\n",
        &"x".repeat(64 * 1024),
    ] {
        let content = format!(r#"{{"topic":"cats","message":{}}}"#, quoted(message));
        scene.publish(&content).await;
        assert_eq!(text(&mut socket).await, message);
    }
}

/// JSON's string for a text, with every character escaped that may be.
fn quoted(text: &str) -> String {
    let units = text.encode_utf16().map(|unit| format!("\\u{unit:04x}"));
    format!("\"{}\"", units.collect::<String>())
}

#[tokio::test]
async fn s208_a_client_replaces_its_topics() {
    let scene = Scene::new(RegisterService::new().max_topics(2));
    let mut socket = scene.client(1).await;
    let has = |topic: &str| scene.service.publish(None, topic, topic).clients;
    scene.choose(&mut socket, r#"["cats","dogs"]"#).await;
    assert_eq!((has("cats"), has("dogs")), (1, 1));
    assert_eq!(
        [text(&mut socket).await, text(&mut socket).await],
        ["cats", "dogs"]
    );
    scene.choose(&mut socket, r#"["dogs","birds"]"#).await;
    assert_eq!((has("cats"), has("dogs"), has("birds")), (0, 1, 1));
    assert_eq!(
        [text(&mut socket).await, text(&mut socket).await],
        ["dogs", "birds"]
    );
    // Too many are no list.
    scene.choose(&mut socket, r#"["a","b","c"]"#).await;
    assert_eq!((has("a"), has("dogs")), (0, 1));
    assert_eq!(text(&mut socket).await, "dogs");
    scene.choose(&mut socket, "[]").await;
    assert_eq!((has("dogs"), has("birds"), has("cats")), (0, 0, 0));
    settle(&mut socket).await;
}

#[tokio::test]
async fn s209_ping_is_silent_unless_asked_for() {
    let scene = Scene::new(RegisterService::new());
    let mut socket = scene.client(1).await;
    for ping in ["ping", "ping\n"] {
        socket.send(ping).await.unwrap();
    }
    // `settle` refuses any text.
    settle(&mut socket).await;

    let scene = Scene::new(RegisterService::new().reply_pong(true));
    let mut socket = scene.client(1).await;
    for ping in ["ping", "ping\n"] {
        socket.send(ping).await.unwrap();
        assert_eq!(text(&mut socket).await, "pong");
    }
    socket.send("ping ").await.unwrap();
    settle(&mut socket).await;
}

#[tokio::test]
async fn s210_what_a_client_may_not_say_is_ignored() {
    let log = Log::begin();
    let scene = Scene::new(RegisterService::new().max_frames_per_second(10));
    let url = scene.register(1).await;
    let mut socket = open(&url).await;
    for message in [
        Message::Binary((&br#"{"topics":["dogs"]}"#[..]).into()),
        Message::Text("hello".into()),
        Message::Text(r#"{"topics":"dogs"}"#.into()),
        Message::Text(r#"{"topic":["dogs"]}"#.into()),
    ] {
        socket.send(message).await.unwrap();
    }
    settle(&mut socket).await;
    scene.publish(r#"{"topic":"dogs","message":"woof"}"#).await;
    scene.publish(r#"{"topic":"cats","message":"meow"}"#).await;
    assert_eq!(text(&mut socket).await, "meow");
    assert_eq!(
        log.of(id(&url), "a message of a client was ignored").len(),
        3
    );
    // A client that talks too much is not heard.
    for number in 0..20 {
        socket
            .send(format!("{{\"topics\":[\"{number}\"]}}"))
            .await
            .unwrap();
    }
    settle(&mut socket).await;
    assert_eq!(scene.service.publish(None, "19", "").clients, 0);
    let ignored = log.of(id(&url), "too many messages");
    assert!((10..=20).contains(&ignored.len()), "{ignored:?}");
    // Nor is one that says too much at once.
    socket.send("x".repeat(64 * 1024 + 1)).await.unwrap();
    assert_eq!(close(&mut socket).await, 1009);
}

#[tokio::test]
async fn s211_a_client_is_forgotten_with_its_socket() {
    let scene = Scene::new(RegisterService::new());
    let gone = || (scene.service.clients(), scene.service.connected()) == (0, 0);
    // A Close.
    let url = scene.register(1).await;
    let mut socket = open(&url).await;
    settle(&mut socket).await;
    socket
        .close(wireline::ws::close::CloseCode::NORMAL)
        .unwrap();
    assert_eq!(close(&mut socket).await, 1000);
    until("forgotten", gone).await;
    assert_eq!(refused(&url).await, 404);
    // The end of the connection, without one.
    let url = scene.register(1).await;
    let mut stream = raw(&scene, &url).await;
    until("connected", || scene.service.connected() == 1).await;
    stream.shutdown().await.unwrap();
    drop(stream);
    until("forgotten", gone).await;
    assert_eq!(refused(&url).await, 404);
    // What is no frame.
    let url = scene.register(1).await;
    let mut stream = raw(&scene, &url).await;
    until("connected", || scene.service.connected() == 1).await;
    stream.write_all(b"\xff\xff\xff\xff").await.unwrap();
    until("forgotten", gone).await;
    assert_eq!(
        scene.service.publish(None, "cats", "meow"),
        Delivered::default()
    );
}

/// A socket whose octets are the test's own.
async fn raw(scene: &Scene, url: &str) -> TcpStream {
    let mut stream = TcpStream::connect(scene.addr()).await.unwrap();
    let request = format!(
        "GET /ws/{} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        id(url)
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(within(stream.read_u8()).await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "));
    stream
}

/// A client that reads nothing is closed; until its socket has ended, sending to it fails, which is logged and nobody else's trouble.
#[tokio::test]
async fn s212_a_failure_to_send_is_logged_and_not_fatal() {
    let log = Log::begin();
    let scene = Scene::new(RegisterService::new());
    let mut healthy = scene.client(1).await;
    let url = scene.register(2).await;
    let slow = raw(&scene, &url).await;
    until("connected", || scene.service.connected() == 2).await;
    let message = "x".repeat(60_000);
    let mut published = 0;
    while log.of(id(&url), "could not be sent").is_empty() {
        published += 1;
        assert!(
            published < 2000,
            "a client that reads nothing got {published} messages"
        );
        scene.service.publish(None, "cats", &message);
        assert_eq!(text(&mut healthy).await, message);
    }
    assert!(
        log.of(id(&url), "too slow").len() == 1,
        "closed with 1013 before"
    );
    scene.publish(r#"{"topic":"cats","message":"after"}"#).await;
    assert_eq!(text(&mut healthy).await, "after");
    drop(slow);
    until("forgotten", || scene.service.clients() == 1).await;
}

/// The code that it is told, once it reads; what waited is bounded.
#[tokio::test]
async fn d39_a_slow_client_is_closed_with_1013_when_too_many_octets_wait() {
    let scene = Scene::new(RegisterService::new());
    let mut slow = scene.client(1).await;
    let message = "x".repeat(60_000);
    let mut delivered = 0;
    while scene.service.publish(None, "cats", &message).failed == 0 {
        delivered += 1;
        assert!(delivered < 2000, "nothing was too much");
    }
    let mut read = 0;
    let code = loop {
        match within(slow.recv()).await {
            Some(Ok(Message::Text(_))) => read += 1,
            Some(Ok(Message::Close(Some(close)))) => break close.code.get(),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(code, 1013);
    let ended = (scene.service.dropped(), scene.service.closed_slow());
    assert_eq!(ended, (0, 1));
    // What waited outside of the socket, 1 MiB of it, is dropped.
    assert!(
        (delivered - 20..delivered).contains(&read),
        "{read} of {delivered}"
    );
    until("forgotten", || scene.service.clients() == 0).await;
}

#[tokio::test]
async fn d39_a_slow_client_misses_the_oldest_messages_of_a_topic() {
    let scene = Scene::new(RegisterService::new().waiting(Waiting {
        messages: 10,
        octets: 8 << 20,
        ..Waiting::default()
    }));
    let mut slow = scene.client(1).await;
    let padding = "x".repeat(60_000);
    // Far more than the sockets of both sides hold.
    let count = 600;
    for number in 0..count {
        let delivered = scene
            .service
            .publish(None, "cats", &format!("{number} {padding}"));
        assert_eq!(
            delivered,
            Delivered {
                clients: 1,
                failed: 0
            }
        );
    }
    let (mut last, mut read) = (None, 0_u64);
    while last != Some(count - 1) {
        let text = text(&mut slow).await;
        let number = decimal(text.split_once(' ').unwrap().0.as_bytes());
        assert!(number > last, "{number:?} behind {last:?}");
        (last, read) = (number, read + 1);
    }
    // Ten at the least: a server whose thread had no turn while they came has only what waits.
    assert!((10..count).contains(&read), "{read}");
    // It is not told what it has missed; whoever runs the server is.
    let missed = (scene.service.dropped(), scene.service.closed_slow());
    assert_eq!(missed, (count - read, 0));
    // It goes on as before.
    scene.publish(r#"{"topic":"cats","message":"next"}"#).await;
    assert_eq!(text(&mut slow).await, "next");
}

/// Nothing is lost, doubled or out of order for a client that reads slowly, within the bounds.
#[tokio::test]
async fn what_waits_comes_in_order() {
    let scene = Scene::new(RegisterService::new().waiting(Waiting {
        messages: 1000,
        octets: 64 << 20,
        beyond_messages: Overflow::Close,
        ..Waiting::default()
    }));
    let mut slow = scene.client(1).await;
    let padding = "x".repeat(30_000);
    for round in 0..4 {
        for number in 0..250 {
            scene
                .service
                .publish(None, "cats", &format!("{round} {number} {padding}"));
        }
        for number in 0..250 {
            let text = text(&mut slow).await;
            assert!(
                text.starts_with(&format!("{round} {number} ")),
                "{}",
                &text[..10]
            );
        }
    }
}

/// From the moment that a client knows that its socket is open it misses nothing.
#[tokio::test]
async fn s206_what_is_published_right_behind_the_handshake_arrives() {
    let scene = Scene::new(RegisterService::new());
    for number in 0..300 {
        let url = scene.register(1).await;
        let stream = raw(&scene, &url).await;
        let message = number.to_string();
        let delivered = scene.service.publish(None, "cats", &message);
        assert_eq!((delivered.clients, delivered.failed), (1, 0), "{number}");
        assert_eq!(frame(stream).await, message);
        until("forgotten", || scene.service.clients() == 0).await;
    }
    // A handshake that is none changes nothing.
    let url = scene.register(1).await;
    let mut socket = open(&url).await;
    settle(&mut socket).await;
    let wrong = format!(
        "GET /ws/{}\nUpgrade: websocket\nSec-WebSocket-Version: 13\n",
        id(&url)
    );
    assert!(scene.ask(&wrong, "").await.status.starts_with('4'));
    assert_eq!(scene.service.publish(None, "cats", "still").clients, 1);
    assert_eq!(text(&mut socket).await, "still");
}

/// The text of the short frame that comes next.
async fn frame(mut stream: TcpStream) -> String {
    let mut head = [0; 2];
    within(stream.read_exact(&mut head)).await.unwrap();
    assert!(head[0] == 0x81 && head[1] < 126, "{head:?}");
    let mut text = vec![0; head[1].into()];
    within(stream.read_exact(&mut text)).await.unwrap();
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn s213_a_client_without_a_socket_is_skipped() {
    let scene = Scene::new(RegisterService::new());
    let url = scene.register(1).await;
    let mut other = scene.client(1).await;
    scene
        .publish(r#"{"user_id":1,"topic":"cats","message":"before"}"#)
        .await;
    assert_eq!(text(&mut other).await, "before");
    assert_eq!(
        scene.service.publish(Some(1), "cats", "x"),
        Delivered {
            clients: 1,
            failed: 0
        }
    );
    // It hears what comes from then on, and nothing of before.
    let mut late = open(&url).await;
    until("connected", || scene.service.connected() == 2).await;
    scene.publish(r#"{"topic":"cats","message":"after"}"#).await;
    assert_eq!(text(&mut late).await, "after");
}

#[tokio::test]
async fn s214_pages_of_every_origin_may_call_it_and_nothing_else() {
    let scene = Scene::new(RegisterService::new());
    let origin = "Origin: https://page.example\n";
    for request in [
        "POST /register",
        "POST /publish",
        "DELETE /register/1",
        "GET /ws/1",
    ] {
        let answer = scene.ask(&format!("{request}\n{origin}"), "{").await;
        assert_eq!(
            answer.field("access-control-allow-origin"),
            Some("*"),
            "{request} {}",
            answer.head
        );
        assert_eq!(answer.field("access-control-allow-credentials"), None);
    }
    let (method, path) = ("DELETE", "/register/1");
    let preflight = format!(
        "OPTIONS {path}\n{origin}Access-Control-Request-Method: {method}\nAccess-Control-Request-Headers: content-type\n"
    );
    let answer = scene.ask(&preflight, "").await;
    assert_eq!(
        (&*answer.status, answer.field("access-control-allow-origin")),
        ("204", Some("*"))
    );
    assert!(
        answer
            .field("access-control-allow-methods")
            .unwrap()
            .contains("DELETE")
    );
    assert_eq!(
        answer.field("access-control-allow-headers"),
        Some("content-type")
    );
    for path in ["/other", "/ws", "/nothing"] {
        let answer = scene.ask(&format!("GET {path}\n{origin}"), "").await;
        assert_eq!(answer.field("access-control-allow-origin"), None, "{path}");
    }
    // A page may open the socket, even with cookies.
    let url = scene.register(1).await;
    let client = Client::new()
        .header("origin", "https://page.example")
        .header("cookie", "a=b");
    settle(&mut within(client.connect(&url)).await.unwrap()).await;
}

/// The port that the row names is the example's; it needs nothing else.
#[tokio::test]
async fn s214_the_example_is_the_service() {
    let source = include_str!("../examples/register_publish.rs");
    assert!(source.contains("bind(\"127.0.0.1:8000\")"));
    let server = TestServer::new(example::routes().unwrap());
    let mut stream = TcpStream::connect(server.addr()).await.unwrap();
    let mut socket = open(&url(
        &ask(&mut stream, "POST /register", "{\"user_id\":1}").await
    ))
    .await;
    settle(&mut socket).await;
    let mut stream = TcpStream::connect(server.addr()).await.unwrap();
    let published = ask(
        &mut stream,
        "POST /publish",
        r#"{"topic":"cats","message":"meow"}"#,
    )
    .await;
    assert_eq!(
        (&*published.status, &*text(&mut socket).await),
        ("200", "meow")
    );
}

/// Publications from several threads run beside each other while clients come and go, and each client hears each in its order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s215_publications_keep_their_order_while_clients_come_and_go() {
    let scene = Scene::new(RegisterService::new().waiting(Waiting {
        messages: 1000,
        ..Waiting::default()
    }));
    let mut socket = scene.client(1).await;
    let (threads, each) = (4, 200);
    let publishers: Vec<_> = (0..threads)
        .map(|thread| {
            let service = scene.service.clone();
            std::thread::spawn(move || {
                for number in 0..each {
                    service.publish(Some(1), "cats", &format!("{thread} {number}"));
                    assert_eq!(
                        (service.clients() > 0, service.connected() > 0),
                        (true, true)
                    );
                }
            })
        })
        .collect();
    for user in 2..20 {
        let url = scene.register(user).await;
        scene
            .ask(&format!("DELETE /register/{}", id(&url)), "")
            .await;
    }
    let mut next = vec![0; threads];
    for _ in 0..threads * each {
        let text = text(&mut socket).await;
        let (thread, number) = text.split_once(' ').unwrap();
        let thread = usize::try_from(decimal(thread.as_bytes()).unwrap()).unwrap();
        assert_eq!(decimal(number.as_bytes()), Some(next[thread]));
        next[thread] += 1;
    }
    for publisher in publishers {
        publisher.join().unwrap();
    }
    assert_eq!(scene.service.clients(), 1);
}

#[tokio::test]
async fn clients_are_limited_in_all_and_of_a_user() {
    let service = RegisterService::new()
        .max_clients(3)
        .max_clients_per_user(2);
    let scene = Scene::new(service);
    let first = scene.register(1).await;
    scene.register(1).await;
    let answer = scene.ask("POST /register", "{\"user_id\":1}").await;
    assert_eq!(answer.status, "429");
    scene.register(2).await;
    assert_eq!(
        scene.ask("POST /register", "{\"user_id\":3}").await.status,
        "503"
    );
    scene
        .ask(&format!("DELETE /register/{}", id(&first)), "")
        .await;
    scene.register(1).await;
}

#[tokio::test]
async fn a_client_that_does_not_connect_is_forgotten() {
    let time = Duration::from_millis(200);
    let scene = Scene::new(RegisterService::new().unconnected_for(time).max_clients(2));
    let begun = Instant::now();
    let (comes, late) = (scene.register(1).await, scene.register(1).await);
    let mut socket = open(&comes).await;
    settle(&mut socket).await;
    while begun.elapsed() < time + Duration::from_millis(50) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(refused(&late).await, 404);
    assert_eq!((scene.service.clients(), scene.service.connected()), (1, 1));
    // There is room again, and who came stays.
    scene.register(2).await;
    scene.publish(r#"{"topic":"cats","message":"meow"}"#).await;
    assert_eq!(text(&mut socket).await, "meow");
}

/// What the library says, of all tests of this program.
struct Log(&'static Mutex<Vec<HashMap<&'static str, String>>>);

struct Lines(&'static Mutex<Vec<HashMap<&'static str, String>>>);

impl Log {
    fn begin() -> Self {
        static EVENTS: Mutex<Vec<HashMap<&'static str, String>>> = Mutex::new(Vec::new());
        static BEGUN: Once = Once::new();
        BEGUN.call_once(|| tracing::subscriber::set_global_default(Lines(&EVENTS)).unwrap());
        Self(&EVENTS)
    }

    /// The messages of events of a client that have `part` in them.
    fn of(&self, id: &str, part: &str) -> Vec<String> {
        let events = self.0.lock().unwrap();
        let of_client = events
            .iter()
            .filter(|event| event.get("client").is_some_and(|client| client == &id[..8]));
        let said = of_client
            .filter_map(|event| event.get("message"))
            .filter(|said| said.contains(part));
        said.cloned().collect()
    }
}

struct Fields<'a>(&'a mut HashMap<&'static str, String>);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("wireline::relay::service")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut said = HashMap::new();
        event.record(&mut Fields(&mut said));
        self.0.lock().unwrap().push(said);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
