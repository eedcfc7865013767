//! What is rare, and right all the same.

use crate::peer::{Place, channel, with_nothing};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use wireline::socketio::server::{
    ConnectError, Data, EventName, RecoveryConfig, Socket, SocketIo, SocketIoConfig,
};

#[tokio::test]
async fn a_room_without_a_name_is_nobody_s() {
    let io = with_nothing(SocketIo::new());
    let mut peer = Place::new(&io).peer().await;
    io.to("").emit("said", 1).unwrap();
    io.to("").to("").emit("said", 2).unwrap();
    assert!(io.to("").sockets().is_empty());
    peer.has_nothing().await;
}

#[tokio::test]
async fn a_namespace_s_name_is_no_room_of_another() {
    let io = with_nothing(SocketIo::new());
    let other = io.of("/a#b");
    assert_eq!(io.of("/a\0b").name(), "/ab");
    let mut peer = Place::new(&io).peer().await;
    with_handler(&io);
    peer.say("40/a,").await;
    assert!(peer.hear().await.starts_with("40/a,"));
    other.emit("said", 1).unwrap();
    other.to("c").emit("said", 2).unwrap();
    let socket = io.of("/a").all().sockets().remove(0);
    socket.join("b");
    socket.join("b#c");
    other.emit("said", 3).unwrap();
    other.to("c").emit("said", 4).unwrap();
    io.of("/a").to("b").emit("said", 5).unwrap();
    assert_eq!(peer.hear().await, r#"42/a,["said",5]"#);
    let largest = io.largest_rooms(10);
    assert!(largest.rooms.iter().any(|room| room.room == "b#c"));
    peer.has_nothing().await;
}

fn with_handler(io: &SocketIo) {
    io.of("/a").on("x", async || ());
}

#[tokio::test]
async fn middleware_is_asked_about_events_that_nobody_waits_for() {
    let io = SocketIo::new();
    io.use_event_middleware(async |EventName(name): EventName| {
        Err::<(), ConnectError>(ConnectError::new(format!("no {name}")))
    });
    let mut peer = Place::new(&io).peer().await;
    peer.say(r#"421["nobody"]"#).await;
    assert_eq!(peer.hear().await, r#"431[{"error":"no nobody"}]"#);
    assert_eq!(io.stats().unhandled, 1);
}

#[tokio::test]
async fn a_time_without_end_is_long() {
    let io = with_nothing(SocketIo::with_config(SocketIoConfig {
        recovery: Some(RecoveryConfig {
            max_disconnection: Duration::MAX,
            ..RecoveryConfig::default()
        }),
        ack_timeout: Duration::MAX,
        ..SocketIoConfig::default()
    }));
    let mut peer = Place::new(&io).peer().await;
    let all = io.all().timeout(Duration::MAX).emit_with_ack("a", ());
    assert!(peer.hear().await.starts_with("420["));
    peer.say("430[1]").await;
    assert!(all.await.unwrap().is_complete());
    drop(peer);
    while io.stats().sockets > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(io.stats().panics, 0);
}

#[tokio::test]
async fn who_comes_back_has_its_data_and_all_that_it_missed() {
    let io = with_nothing(SocketIo::with_config(SocketIoConfig {
        recovery: Some(RecoveryConfig::default()),
        ..SocketIoConfig::default()
    }));
    io.use_middleware(async |socket: Socket| {
        socket.set_data("ada");
        socket.insert(7_u8);
        Ok::<(), ConnectError>(())
    });
    let place = Place::new(&io);
    let mut peer = place.session().await;
    peer.say("40").await;
    let hello: serde_json::Value = serde_json::from_str(&peer.hear().await[2..]).unwrap();
    drop(peer);
    while io.stats().sockets > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // More than may wait for anybody else.
    let text = "x".repeat(100_000);
    for number in 0..60 {
        io.emit("m", (number, &text)).unwrap();
    }
    let mut peer = place.session().await;
    peer.say(&format!("40{{\"pid\":{}}}", hello["pid"])).await;
    assert_eq!(peer.hear().await, format!("40{hello}"));
    for number in 0..60 {
        let heard = peer.hear().await;
        let begin = format!("42[\"m\",{number},");
        assert!(heard.starts_with(&begin), "{number} {}", heard.len());
    }
    let socket = io.all().sockets().remove(0);
    assert_eq!((socket.data(), socket.get()), ("ada".into(), Some(7_u8)));
    peer.has_nothing().await;
}

#[tokio::test]
async fn a_handler_may_say_much_at_once() {
    let io = with_nothing(SocketIo::new());
    io.on("much", async |socket: Socket| {
        let text = "x".repeat(30_000);
        for _ in 0..100 {
            socket.emit("m", &text).unwrap();
        }
    });
    let mut peer = Place::new(&io).peer().await;
    peer.say(r#"42["much"]"#).await;
    for _ in 0..100 {
        assert_eq!(peer.hear().await.len(), 30_000 + r#"42["m",""]"#.len());
    }
    peer.has_nothing().await;
}

#[tokio::test]
async fn who_was_put_out_may_come_back_at_once() {
    let io = with_nothing(SocketIo::new());
    let mut peer = Place::new(&io).peer().await;
    let socket = io.socket(&peer.sid).unwrap();
    // Both are there before the session's task is.
    peer.say("40").await;
    socket.disconnect(false);
    assert_eq!(peer.hear().await, "41");
    assert!(peer.hear().await.starts_with("40{"));
    peer.has_nothing().await;
}

#[tokio::test]
async fn who_waits_for_too_much_is_missing() {
    let io = SocketIo::with_config(SocketIoConfig {
        max_acks: 1,
        ..SocketIoConfig::default()
    });
    let place = Place::new(&io);
    let (mut one, mut other) = (place.peer().await, place.peer().await);
    let waits = io.socket(&one.sid).unwrap().emit_with_ack("first", ());
    let asked = io.all().emit_with_ack("all", ());
    assert_eq!(one.hear().await, r#"420["first"]"#);
    assert_eq!(other.hear().await, r#"421["all"]"#);
    other.say("431[2]").await;
    let answers = asked.await.unwrap();
    assert_eq!(answers.answers.len(), 1);
    assert_eq!(answers.missing, [one.sid.as_str()]);
    drop(waits);
}

#[tokio::test]
async fn who_is_put_out_before_it_is_in_is_told_of_both() {
    let io = SocketIo::new();
    let (told, mut heard) = channel();
    io.use_middleware(async |socket: Socket| {
        socket.disconnect(false);
        Ok::<(), ConnectError>(())
    });
    io.on_disconnect(move || {
        told.send("gone");
        async {}
    });
    let mut peer = Place::new(&io).session().await;
    peer.say("40").await;
    assert!(peer.hear().await.starts_with("40{"));
    assert_eq!(peer.hear().await, "41");
    assert_eq!(heard.next().await, "gone");
    assert!(io.all().sockets().is_empty());
}

#[tokio::test]
async fn rooms_are_there_until_the_end_is_told() {
    let io = with_nothing(SocketIo::new());
    let (told, mut heard) = channel();
    let later = Arc::new(Notify::new());
    let wait = later.clone();
    io.on_disconnect(move |socket: Socket| {
        let (told, wait) = (told.clone(), wait.clone());
        async move {
            told.send(socket.rooms().len());
            wait.notified().await;
            told.send(socket.rooms().len());
        }
    });
    io.on("join", async |socket: Socket, Data(room): Data<String>| {
        socket.join(room);
        Data(())
    });
    let mut peer = Place::new(&io).peer().await;
    peer.say(r#"420["join","a"]"#).await;
    assert_eq!(peer.hear().await, "430[]");
    peer.say("41").await;
    assert_eq!(heard.next().await, 2);
    later.notify_one();
    assert_eq!(heard.next().await, 1);
}
