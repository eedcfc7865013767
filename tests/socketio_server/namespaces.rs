//! Namespaces, and who may be in them.

use crate::peer::{Place, channel, with_nothing};
use serde_json::{Value, json};
use std::time::Duration;
use wireline::Router;
use wireline::extract::State;
use wireline::service::headers::Headers;
use wireline::socketio::packet::{Args, Decoder, Form, Packet};
use wireline::socketio::server::{
    Auth, ConnectError, Data, DisconnectReason, RecoveryConfig, Socket, SocketIo, SocketIoConfig,
};
use wireline::test::TestClient;
use wireline::ws::prelude::*;

#[tokio::test]
async fn s219_namespaces_of_one_session() {
    let io = with_nothing(SocketIo::new());
    io.of("/admin")
        .on_connection(async |socket: Socket, Auth(auth): Auth<Value>| {
            assert_eq!(socket.namespace(), "/admin");
            socket.emit("auth", auth).unwrap();
        });
    io.of("/admin").on("who", async |socket: Socket| {
        Data(socket.namespace().to_owned())
    });
    let place = Place::new(&io);
    let mut peer = place.peer().await;
    peer.say(r#"40/admin,{"token":1}"#).await;
    assert!(peer.hear().await.starts_with(r#"40/admin,{"sid":""#));
    assert_eq!(peer.hear().await, r#"42/admin,["auth",{"token":1}]"#);
    peer.say(r#"42/admin,1["who"]"#).await;
    assert_eq!(peer.hear().await, r#"43/admin,1["/admin"]"#);
    peer.say("40/random").await;
    assert_eq!(
        peer.hear().await,
        r#"44/random,{"message":"Invalid namespace"}"#
    );
    io.of("/admin").emit("m", ()).unwrap();
    assert_eq!(peer.hear().await, r#"42/admin,["m"]"#);
    peer.say("41/admin").await;
    peer.has_nothing().await;
    assert_eq!((io.len(), io.of("admin").len()), (1, 0));
    assert_eq!(io.stats().refused, 1);
}

#[tokio::test]
async fn s226_s227_s228_who_may_connect_decides_a_function() {
    let io = with_nothing(SocketIo::new());
    let admin = io.of("/admin");
    admin.use_auth(async |auth: Value| {
        // Somebody has to be asked.
        tokio::time::sleep(Duration::from_millis(5)).await;
        match auth["token"].as_str() {
            Some("right") => Ok(json!({"user": "me"})),
            Some(_) => Err(ConnectError::new("wrong token").with_data(json!({"code": 7}))),
            None => Err("no token".into()),
        }
    });
    admin.use_middleware(async |socket: Socket| {
        socket.join(format!("user:{}", socket.auth()["user"].as_str().unwrap()));
        assert!(socket.emit("early", ()).is_err());
        Ok::<_, ConnectError>(())
    });
    admin.on("me", async |Auth(auth): Auth<Value>| auth);
    let place = Place::new(&io);
    // The main namespace has no function: everybody may.
    let mut peer = place.peer().await;
    for (auth, answer) in [
        ("", r#"44/admin,{"message":"no token"}"#),
        (
            r#"{"token":"x"}"#,
            r#"44/admin,{"data":{"code":7},"message":"wrong token"}"#,
        ),
    ] {
        peer.say(&format!("40/admin,{auth}")).await;
        assert_eq!(peer.hear().await, answer);
    }
    peer.say(r#"40/admin,{"token":"right"}"#).await;
    assert!(peer.hear().await.starts_with("40/admin,{"));
    peer.say(r#"42/admin,1["me"]"#).await;
    assert_eq!(peer.hear().await, r#"43/admin,1[{"user":"me"}]"#);
    admin.to("user:me").emit("m", ()).unwrap();
    assert_eq!(peer.hear().await, r#"42/admin,["m"]"#);
}

#[tokio::test]
async fn what_a_client_says_to_connect_is_not_large() {
    let io = SocketIo::new();
    io.of_pattern("/*");
    let mut peer = Place::new(&io).session().await;
    let auth = |len: usize| format!(r#"{{"a":"{}"}}"#, "a".repeat(len - 8));
    peer.say(&format!("40/a,{}", auth((16 << 10) + 1))).await;
    assert_eq!(
        peer.hear().await,
        r#"44/a,{"message":"Authentication too large"}"#
    );
    assert_eq!(io.namespaces().len(), 1);
    peer.say(&format!("40/a,{}", auth(16 << 10))).await;
    assert!(peer.hear().await.starts_with("40/a,{"));
}

#[tokio::test]
async fn namespaces_by_pattern_come_and_go() {
    let io = with_nothing(SocketIo::new());
    io.of_pattern("/workspace-*")
        .on("who", async |socket: Socket| {
            Data(socket.namespace().to_owned())
        });
    io.of_fn(|name| name.ends_with("!"))
        .on("who", async || Data("!"));
    let place = Place::new(&io);
    let mut peer = place.peer().await;
    for (name, answer) in [("/workspace-7", "/workspace-7"), ("/now!", "!")] {
        peer.say(&format!("40{name}")).await;
        assert!(peer.hear().await.starts_with(&format!("40{name},")));
        peer.say(&format!("42{name},1[\"who\"]")).await;
        assert_eq!(peer.hear().await, format!("43{name},1[\"{answer}\"]"));
    }
    assert_eq!(io.namespaces().len(), 3);
    for name in ["/workspace-7", "/now!"] {
        peer.say(&format!("41{name},")).await;
    }
    peer.has_nothing().await;
    assert_eq!(io.namespaces().len(), 1);
    // A name that would be a room of another namespace.
    peer.say("40/workspace-#x").await;
    assert_eq!(
        peer.hear().await,
        r#"44/workspace-#x,{"message":"Invalid namespace"}"#
    );
}

/// Waits until there are so many namespaces.
async fn namespaces(io: &SocketIo, number: usize) {
    let reached = async {
        while io.namespaces().len() != number {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), reached).await;
    waited.unwrap_or_else(|_| panic!("{} instead of {number}", io.namespaces().len()));
}

#[tokio::test]
async fn si8_who_hangs_up_leaves_no_namespaces() {
    let io = SocketIo::new();
    io.of_pattern("/workspace-*").use_auth(async |_: Value| {
        std::future::pending::<()>().await;
        Ok::<_, ConnectError>(Value::Null)
    });
    let peer = Place::new(&io).peer().await;
    for number in 0..10 {
        peer.say(&format!("40/workspace-{number}")).await;
    }
    namespaces(&io, 11).await;
    drop(peer);
    namespaces(&io, 1).await;
}

#[tokio::test(start_paused = true)]
async fn si8_namespaces_stay_for_those_alone_who_may_come_back() {
    let io = with_nothing(SocketIo::with_config(SocketIoConfig {
        recovery: Some(RecoveryConfig::default()),
        ..SocketIoConfig::default()
    }));
    io.of_pattern("/*").use_middleware(async |socket: Socket| {
        let is_refused = socket.namespace().ends_with('-');
        if is_refused { Err("no") } else { Ok(()) }
    });
    let place = Place::new(&io);
    let mut peer = place.peer().await;
    peer.say("40/refused-").await;
    assert_eq!(peer.hear().await, r#"44/refused-,{"message":"no"}"#);
    assert_eq!(io.namespaces().len(), 1);
    for turn in 0..7 {
        let mut peer = place.peer().await;
        for number in 0..10 {
            peer.say(&format!("40/{turn}{number}")).await;
            assert!(peer.hear().await.starts_with("40/"));
        }
        drop(peer);
        while io.stats().sockets > 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    assert_eq!(io.namespaces().len(), 71);
    tokio::time::sleep(Duration::from_secs(130)).await;
    // Those who would have come back are late: once there are twice as many, theirs are gone.
    let mut peers = Vec::new();
    for turn in 0..6 {
        let mut peer = place.peer().await;
        for number in 0..10 {
            peer.say(&format!("40/new{turn}{number}")).await;
            assert!(peer.hear().await.starts_with("40/"));
        }
        peers.push(peer);
    }
    assert_eq!(io.namespaces().len(), 61);
}

#[tokio::test]
async fn a_namespace_has_no_long_name_that_a_client_made_up() {
    let io = with_nothing(SocketIo::new());
    io.of_pattern("/*");
    let static_name = format!("/{}", "s".repeat(300));
    io.of(&static_name);
    let mut peer = Place::new(&io).peer().await;
    for (name, is_taken) in [
        (format!("/{}", "n".repeat(254)), true),
        (format!("/{}", "n".repeat(255)), false),
        (static_name, true),
    ] {
        peer.say(&format!("40{name}")).await;
        let kind = if is_taken { "40/" } else { "44/" };
        assert!(peer.hear().await.starts_with(kind), "{}", name.len());
    }
}

#[tokio::test(start_paused = true)]
async fn si8_who_connects_to_nothing_is_closed() {
    let io = SocketIo::new();
    let place = Place::new(&io);
    let mut silent = place.session().await;
    assert_eq!(silent.hear().await, "closed");
    let mut wrong = place.session().await;
    for _ in 0..100 {
        wrong.say("40/x").await;
        assert!(wrong.hear().await.starts_with("44/x,"));
    }
    assert_eq!(wrong.hear().await, "closed");
    assert_eq!((io.stats().late, io.stats().refused), (2, 100));
    // An event for a namespace that the client is not in.
    let mut early = place.session().await;
    early.say("42[\"x\"]").await;
    assert_eq!(early.hear().await, "closed");
    // Attachments that do not come.
    let mut halves = place.peer().await;
    halves
        .say(r#"452-["x",{"_placeholder":true,"num":0}]"#)
        .await;
    halves.socket.send(&[1_u8][..]).await.unwrap();
    assert_eq!(halves.hear().await, "closed");
    assert_eq!(io.stats().late, 3);
}

#[tokio::test(start_paused = true)]
async fn attachments_have_to_come_when_they_were_announced_before_the_namespace() {
    let io = SocketIo::new();
    io.use_auth(async |_: Value| {
        tokio::time::sleep(Duration::from_secs(5)).await;
        Ok::<_, ConnectError>(Value::Null)
    });
    let mut peer = Place::new(&io).session().await;
    peer.say("40").await;
    peer.say(r#"451-["x",{"_placeholder":true,"num":0}]"#).await;
    assert!(peer.hear().await.starts_with("40{"));
    assert_eq!(peer.hear().await, "closed");
    assert_eq!(io.stats().late, 1);
}

#[tokio::test]
async fn si8_a_session_has_sixteen_namespaces() {
    let io = with_nothing(SocketIo::new());
    io.of_pattern("/*");
    let mut peer = Place::new(&io).peer().await;
    for number in 1..16 {
        peer.say(&format!("40/{number}")).await;
        assert!(peer.hear().await.starts_with(&format!("40/{number},")));
    }
    peer.say("40/16").await;
    assert_eq!(
        peer.hear().await,
        r#"44/16,{"message":"Too many namespaces"}"#
    );
    peer.say("41/1").await;
    peer.say("40/16").await;
    assert!(peer.hear().await.starts_with("40/16,"));
    // Twice is once too often.
    peer.say("40/16").await;
    assert_eq!(peer.hear().await, "closed");
}

#[tokio::test]
async fn handlers_read_the_request_and_the_state() {
    let io = SocketIo::new();
    let (told, mut heard) = channel();
    io.on(
        "read",
        async |headers: Headers, State(State2(number)): State<State2>| {
            let agent = headers
                .get("user-agent")
                .map_or("none", |value| value.to_str().unwrap());
            Data((agent.to_owned(), number))
        },
    );
    io.on_disconnect(
        move |State(State2(number)): State<State2>, reason: DisconnectReason| {
            told.send((number, reason.to_string()));
            async {}
        },
    );
    let forgotten = Router::new().socket_io(&io).build().unwrap_err();
    assert!(forgotten.to_string().contains("State2"), "{forgotten}");
    let routes = Router::new()
        .socket_io(&io)
        .state(State2(7))
        .build()
        .unwrap();
    let client = TestClient::new(routes);
    let target = "/socket.io/?EIO=4&transport=websocket";
    let mut socket = client.websocket(target).header("user-agent", "test").await;
    for text in ["40", r#"421["read"]"#] {
        socket.send(text).await.unwrap();
    }
    let mut last = String::new();
    while !last.starts_with('4') || last.starts_with("40") {
        last = socket
            .recv()
            .await
            .unwrap()
            .unwrap()
            .as_text()
            .unwrap()
            .to_owned();
    }
    assert_eq!(last, r#"431["test",7]"#);
    drop(socket);
    assert_eq!(heard.next().await, (7, "transport close".to_owned()));
}

#[derive(Clone)]
struct State2(u8);

#[tokio::test]
async fn handlers_of_http_send_to_sockets() {
    let io = with_nothing(SocketIo::new());
    let announce = async |io: SocketIo, text: String| {
        io.emit("announced", text).unwrap();
    };
    let routes = Router::new().post("/", announce).socket_io(&io).build();
    let client = TestClient::new(routes.unwrap());
    let mut socket = client
        .websocket("/socket.io/?EIO=4&transport=websocket")
        .await;
    socket.recv().await.unwrap().unwrap();
    socket.send("40").await.unwrap();
    socket.recv().await.unwrap().unwrap();
    client.post("/").body("hello").send().await.unwrap();
    let heard = socket.recv().await.unwrap().unwrap();
    assert_eq!(heard.as_text(), Some(r#"42["announced","hello"]"#));
    assert!(Router::new().post("/", announce).build().is_err());
}

#[tokio::test]
async fn packets_may_be_messagepack() {
    let io = with_nothing(SocketIo::with_config(SocketIoConfig {
        form: Form::MessagePack,
        ..SocketIoConfig::default()
    }));
    io.on("echo", async |args: Args| args);
    let mut peer = Place::new(&io).session().await;
    let mut decoder = Decoder::new(Form::MessagePack);
    let connect = Packet {
        namespace: "/".into(),
        body: wireline::socketio::packet::Body::Connect(None),
    };
    let args = Args::new((1, wireline::socketio::packet::Binary::from(vec![2]))).unwrap();
    let event = Packet::event("/".into(), Some(3), "echo".into(), args.clone());
    for packet in [connect, event] {
        let wireline::socketio::packet::Encoded::Binary(octets) = packet.encode(Form::MessagePack)
        else {
            panic!("no MessagePack")
        };
        peer.socket.send(Message::Binary(octets)).await.unwrap();
    }
    let mut heard = Vec::new();
    while heard.len() < 2 {
        let message = peer.socket.recv().await.unwrap().unwrap();
        if let Message::Binary(octets) = message {
            heard.push(decoder.binary(octets).unwrap().unwrap());
        }
    }
    assert_eq!(heard[1], Packet::ack("/".into(), 3, args));
}

#[tokio::test]
async fn the_end_of_a_session_is_told_in_each_of_its_namespaces() {
    let (told, mut heard) = channel();
    let io = with_nothing(SocketIo::new());
    let spaces = ["/", "/b", "/a"].map(|name| io.of(name));
    for space in &spaces {
        let told = told.clone();
        space.on_disconnect(move |socket: Socket, reason: DisconnectReason| {
            told.send((socket.namespace().to_owned(), reason));
            async {}
        });
    }
    spaces[1].on("end", async |socket: Socket| {
        socket.disconnect(true);
        assert!(!socket.is_connected());
        assert!(socket.emit("late", ()).is_err());
    });
    let place = Place::new(&io);
    // From a handler, and from anywhere; in whichever namespace, all are told in the order in which the client came.
    for is_in_handler in [true, false] {
        let mut peer = place.peer().await;
        for name in ["/b", "/a"] {
            peer.say(&format!("40{name}")).await;
            let hello = peer.hear().await;
            assert!(hello.starts_with(&format!("40{name},{{")), "{hello}");
        }
        if is_in_handler {
            peer.say(r#"42/b,["end"]"#).await;
        } else {
            // What was sent before comes before.
            io.of("/a").emit("x", ()).unwrap();
            let sockets = io.of("/a").some_sockets(1);
            sockets[0].disconnect(true);
            assert_eq!(peer.hear().await, r#"42/a,["x"]"#);
        }
        for said in ["41", "41/b,", "41/a,", "closed"] {
            assert_eq!(peer.hear().await, said);
        }
        for name in ["/", "/b", "/a"] {
            assert_eq!(
                heard.next().await,
                (name.to_owned(), DisconnectReason::Server)
            );
        }
    }
    assert_eq!(spaces.map(|space| space.len()), [0, 0, 0]);
    // Several at once, of which some share a session.
    let mut both = place.peer().await;
    both.say("40/a").await;
    both.hear().await;
    let mut one = place.peer().await;
    io.all().disconnect(true);
    for said in ["41", "41/a,", "closed"] {
        assert_eq!(both.hear().await, said);
    }
    for said in ["41", "closed"] {
        assert_eq!(one.hear().await, said);
    }
}
