//! Events, answers, and how they end.

use crate::peer::{Place, channel, with_nothing};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::timeout;
use wireline::extract::Json;
use wireline::socketio::packet::{Args, Binary};
use wireline::socketio::server::{
    Ack, AckError, Auth, Data, DisconnectReason, EmitError, EventName, Socket, SocketIo,
    SocketIoConfig,
};

#[tokio::test]
async fn s219_s220_s221_a_socket_connects_and_says_things() {
    let io = with_nothing(SocketIo::new());
    io.on_connection(async |socket: Socket, Auth(auth): Auth<Value>| {
        assert_eq!(socket.id().len(), 20);
        socket.emit("auth", auth).unwrap();
        socket.on("own", async |socket: Socket, Data(number): Data<u64>| {
            socket.emit("own-back", number + 1).unwrap();
        });
    });
    io.on("message", async |socket: Socket, args: Args| {
        socket.emit("message-back", args).unwrap();
    });
    let place = Place::new(&io);
    let mut peer = place.peer().await;
    assert_eq!(peer.hear().await, r#"42["auth",{}]"#);
    peer.say(r#"42["message",1,"two",{"three":[null]}]"#).await;
    assert_eq!(
        peer.hear().await,
        r#"42["message-back",1,"two",{"three":[null]}]"#
    );
    peer.say(r#"42["own",7]"#).await;
    assert_eq!(peer.hear().await, r#"42["own-back",8]"#);
    // Octets, there and back.
    peer.say(r#"451-["message",{"_placeholder":true,"num":0}]"#)
        .await;
    peer.socket.send(&[1_u8, 2, 3][..]).await.unwrap();
    assert_eq!(
        peer.hear().await,
        r#"451-["message-back",{"_placeholder":true,"num":0}]"#
    );
    assert_eq!(peer.hear().await, r#"b"\x01\x02\x03""#);
    peer.has_nothing().await;
    assert_eq!(io.len(), 1);
    assert!(io.socket(&peer.sid).is_some());
}

#[tokio::test]
async fn s222_what_a_handler_gives_back_answers() {
    let io = with_nothing(SocketIo::new());
    io.on("add", async |Data((a, b)): Data<(i64, i64)>| Data(a + b));
    io.on("pair", async || Data((1, "two")));
    io.on("some", async |Data(is): Data<bool>| {
        is.then(|| json!({"a": 1}))
    });
    io.on("json", async || Json([1, 2]));
    io.on("echo", async |args: Args| args);
    io.on("octets", async || Data(Binary::from(vec![9])));
    io.on("null", async || Value::Null);
    io.on("wrong", async || Err::<(), _>("no way"));
    io.on("twice", async |ack: Ack| {
        assert!(ack.send(1).unwrap());
        Data(2)
    });
    io.on(
        "name",
        async |EventName(name): EventName, ack: Option<Ack>| {
            assert!(ack.is_none());
            assert_eq!(name, "name");
        },
    );
    let mut peer = Place::new(&io).peer().await;
    for (asked, answer) in [
        (r#"420["add",2,3]"#, "430[5]"),
        (r#"421["pair"]"#, r#"431[1,"two"]"#),
        (r#"4212["some",true]"#, r#"4312[{"a":1}]"#),
        (r#"423["json"]"#, "433[[1,2]]"),
        (r#"424["echo",{},"x"]"#, r#"434[{},"x"]"#),
        (r#"425["null"]"#, "435[null]"),
        (r#"426["wrong"]"#, r#"436[{"error":"no way"}]"#),
        (
            r#"427["add","x"]"#,
            r#"437[{"error":"other arguments are expected"}]"#,
        ),
        (r#"428["twice"]"#, "438[1]"),
    ] {
        peer.say(asked).await;
        assert_eq!(peer.hear().await, answer, "{asked}");
    }
    peer.say(r#"429["octets"]"#).await;
    assert_eq!(peer.hear().await, r#"461-9[{"_placeholder":true,"num":0}]"#);
    assert_eq!(peer.hear().await, r#"b"\t""#);
    // Neither who gives nothing, nor who is not asked to, answers.
    peer.say(r#"4210["some",false]"#).await;
    peer.say(r#"42["add",1,2]"#).await;
    peer.say(r#"42["name"]"#).await;
    peer.say(r#"4211["nobody"]"#).await;
    peer.has_nothing().await;
    assert_eq!(io.stats().unhandled, 1);
    assert_eq!(io.stats().failed, 2);
}

#[tokio::test]
async fn the_server_asks_and_is_answered() {
    let io = with_nothing(SocketIo::with_config(SocketIoConfig {
        max_acks: 2,
        ..SocketIoConfig::default()
    }));
    let mut peer = Place::new(&io).peer().await;
    let socket = io.socket(&peer.sid).unwrap();
    let asked = socket.emit_with_ack("name?", ());
    assert_eq!(peer.hear().await, r#"420["name?"]"#);
    peer.say(r#"430["me",1]"#).await;
    let answer = asked.await.unwrap();
    assert_eq!(answer.to::<(String, u8)>().unwrap(), ("me".to_owned(), 1));

    let late = socket
        .emit_with_ack("late", ())
        .timeout(Duration::from_millis(10));
    assert!(matches!(late.await, Err(AckError::Timeout)));
    let given_up = socket.emit_with_ack("given up", ());
    drop(given_up);
    let never = (socket.emit_with_ack("a", ()), socket.emit_with_ack("b", ()));
    assert!(matches!(
        socket.emit_with_ack("c", ()).await,
        Err(AckError::TooMany)
    ));
    assert!(matches!(
        socket.emit_with_ack("connect", ()).await,
        Err(AckError::Emit(EmitError::Reserved))
    ));
    // An answer that nobody waits for is counted.
    peer.say("431[]").await;
    for _ in 0..4 {
        peer.hear().await;
    }
    peer.has_nothing().await;
    assert_eq!(io.stats().stray_acks, 1);
    // Who goes answers nothing.
    drop(peer);
    assert!(matches!(never.0.await, Err(AckError::Disconnected)));
    assert!(matches!(never.1.await, Err(AckError::Disconnected)));
    assert!(matches!(socket.emit("x", ()), Err(EmitError::Disconnected)));
}

#[tokio::test]
async fn s223_the_end_has_a_reason() {
    let io = with_nothing(SocketIo::new());
    let (ended, mut ends) = channel();
    io.on_connection(move |socket: Socket| {
        let ended = ended.clone();
        socket.on_disconnect(move |socket: Socket, reason: DisconnectReason| {
            let ended = ended.clone();
            async move {
                assert!(!socket.is_connected());
                ended.send(reason.as_str());
            }
        });
        async {}
    });
    let place = Place::new(&io);

    let mut leaves = place.peer().await;
    leaves.say("41").await;
    assert_eq!(ends.next().await, "client namespace disconnect");
    // The session is still there.
    leaves.say("40").await;
    assert!(leaves.hear().await.starts_with("40{\"sid\":"));
    drop(leaves);
    assert_eq!(ends.next().await, "transport close");

    let mut put_out = place.peer().await;
    io.socket(&put_out.sid).unwrap().disconnect(false);
    assert_eq!(put_out.hear().await, "41");
    assert_eq!(ends.next().await, "server namespace disconnect");
    // What it sent before it knew does no harm.
    put_out.say(r#"42["x"]"#).await;
    put_out.say("40").await;
    assert!(put_out.hear().await.starts_with("40{\"sid\":"));

    let mut closed = place.peer().await;
    io.socket(&closed.sid).unwrap().disconnect(true);
    assert_eq!(closed.hear().await, "41");
    assert_eq!(closed.hear().await, "closed");
    assert_eq!(ends.next().await, "server namespace disconnect");

    let mut wrong = place.peer().await;
    wrong.say("42{}").await;
    assert_eq!(wrong.hear().await, "closed");
    assert_eq!(ends.next().await, "parse error");
    drop(put_out);
    assert_eq!(ends.next().await, "transport close");
    assert_eq!(io.len(), 0);
    assert_eq!(io.stats().malformed, 1);
}

#[tokio::test]
async fn handlers_begin_in_order_and_wait_beside_each_other() {
    let io = with_nothing(SocketIo::new());
    let go = Arc::new(Notify::new());
    let wait = go.clone();
    io.on("wait", move |Data(number): Data<u8>| {
        let wait = wait.clone();
        async move {
            wait.notified().await;
            Data(number)
        }
    });
    let panics = Arc::new(Notify::new());
    io.on("panic", async || {
        if true {
            panic!("a handler panics");
        }
    });
    let mut peer = Place::new(&io).peer().await;
    peer.say(r#"421["wait",1]"#).await;
    peer.say(r#"422["wait",2]"#).await;
    peer.say(r#"42["panic"]"#).await;
    peer.has_nothing().await;
    go.notify_one();
    assert_eq!(peer.hear().await, "431[1]");
    go.notify_one();
    assert_eq!(peer.hear().await, "432[2]");
    assert_eq!(io.stats().panics, 1);
    drop(panics);
}

#[tokio::test]
async fn no_more_is_read_than_there_are_handlers_for() {
    let io = with_nothing(SocketIo::with_config(SocketIoConfig {
        max_handlers: 2,
        ..SocketIoConfig::default()
    }));
    let go = Arc::new(Notify::new());
    let wait = go.clone();
    io.on("wait", move || {
        let wait = wait.clone();
        async move { wait.notified().await }
    });
    let mut peer = Place::new(&io).peer().await;
    peer.say(r#"42["wait"]"#).await;
    peer.say(r#"42["wait"]"#).await;
    peer.say(r#"42999["nothing"]"#).await;
    let early = timeout(Duration::from_millis(50), peer.socket.recv());
    assert!(early.await.is_err());
    go.notify_one();
    assert_eq!(peer.hear().await, "43999[]");
    go.notify_one();
}

#[tokio::test]
async fn no_more_is_read_than_there_is_memory_for() {
    let io = with_nothing(SocketIo::with_config(SocketIoConfig {
        max_payload: 1000,
        ..SocketIoConfig::default()
    }));
    let go = Arc::new(Notify::new());
    let wait = go.clone();
    io.on("wait", move |_: Args| {
        let wait = wait.clone();
        async move { wait.notified().await }
    });
    let mut peer = Place::new(&io).peer().await;
    let long = format!(r#"42["wait","{}"]"#, "x".repeat(900));
    for _ in 0..3 {
        peer.say(&long).await;
    }
    peer.say(r#"42999["nothing"]"#).await;
    let early = timeout(Duration::from_millis(50), peer.socket.recv());
    assert!(early.await.is_err());
    assert_eq!(io.stats().events, 3);
    go.notify_one();
    assert_eq!(peer.hear().await, "43999[]");
    go.notify_waiters();
}

#[tokio::test]
async fn listeners_for_everything() {
    let io = with_nothing(SocketIo::new());
    let (told, mut heard) = channel();
    let tell = told.clone();
    io.on_any(move |EventName(name): EventName, args: Args| {
        tell.send(format!("in {name} {args:?}"));
        async {}
    });
    io.on_connection(move |socket: Socket| {
        let told = told.clone();
        socket.on_any_outgoing(move |event, args| told.send(format!("out {event} {args:?}")));
        async {}
    });
    let mut peer = Place::new(&io).peer().await;
    peer.say(r#"42["a",1]"#).await;
    assert_eq!(heard.next().await, "in a [1]");
    let socket = io.socket(&peer.sid).unwrap();
    socket.emit("b", (2, 3)).unwrap();
    assert_eq!(heard.next().await, "out b [2,3]");
    assert_eq!(peer.hear().await, r#"42["b",2,3]"#);
    // Values of a program's own, kept with the socket.
    socket.insert(7_u32);
    assert_eq!((socket.get::<u32>(), socket.get::<u8>()), (Some(7), None));
}

#[tokio::test]
async fn event_middleware_refuses_with_data() {
    let io = with_nothing(SocketIo::new());
    io.use_event_middleware(
        async |EventName(name): EventName, Data(first): Data<Value>| {
            use wireline::socketio::server::ConnectError;
            if name == "secret" && first != "password" {
                return Err(ConnectError::new("not you").with_data(7));
            }
            Ok(())
        },
    );
    io.on("secret", async || Data("gold"));
    let mut peer = Place::new(&io).peer().await;
    peer.say(r#"420["secret","guess"]"#).await;
    assert_eq!(peer.hear().await, r#"430[{"data":7,"error":"not you"}]"#);
    peer.say(r#"421["secret","password"]"#).await;
    assert_eq!(peer.hear().await, r#"431["gold"]"#);
}
