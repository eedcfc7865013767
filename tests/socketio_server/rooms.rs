//! Rooms, and everything that is sent to several sockets.

use crate::peer::{Peer, Place, with_nothing};
use std::time::Duration;
use wireline::socketio::packet::Binary;
use wireline::socketio::server::{Data, Socket, SocketIo, SocketIoConfig};

fn chat() -> SocketIo {
    let io = with_nothing(SocketIo::new());
    io.on("join", async |socket: Socket, Data(room): Data<String>| {
        socket.join(room);
        Data(())
    });
    io.on("leave", async |socket: Socket, Data(room): Data<String>| {
        socket.leave(&room);
        Data(())
    });
    io.on("all", async |socket: Socket, Data(text): Data<String>| {
        socket.broadcast().emit("said", text).unwrap();
    });
    io.on(
        "say",
        async |socket: Socket, Data((room, text)): Data<(String, String)>| {
            socket.to(room).emit("said", text).unwrap();
        },
    );
    io
}

async fn join(peer: &mut Peer, room: &str) {
    peer.say(&format!("427[\"join\",\"{room}\"]")).await;
    assert_eq!(peer.hear().await, "437[]");
}

#[tokio::test]
async fn s224_s225_rooms_and_everybody_else() {
    let io = chat();
    let place = Place::new(&io);
    let (mut a, mut b, mut c) = (place.peer().await, place.peer().await, place.peer().await);
    a.say(r#"42["all","hello"]"#).await;
    assert_eq!(b.hear().await, r#"42["said","hello"]"#);
    assert_eq!(c.hear().await, r#"42["said","hello"]"#);
    a.has_nothing().await;

    join(&mut a, "x").await;
    join(&mut b, "x").await;
    // Twice is once.
    join(&mut b, "x").await;
    a.say(r#"42["say","x","to x"]"#).await;
    assert_eq!(b.hear().await, r#"42["said","to x"]"#);
    b.has_nothing().await;
    a.has_nothing().await;
    c.has_nothing().await;
    // Who is not in it may send to it.
    c.say(r#"42["say","x","from c"]"#).await;
    assert_eq!(a.hear().await, r#"42["said","from c"]"#);
    assert_eq!(b.hear().await, r#"42["said","from c"]"#);
    // A socket is a room of its own.
    let say = format!(r#"42["say","{}","to b"]"#, b.sid);
    c.say(&say).await;
    assert_eq!(b.hear().await, r#"42["said","to b"]"#);
    a.has_nothing().await;

    b.say(r#"427["leave","x"]"#).await;
    assert_eq!(b.hear().await, "437[]");
    c.say(r#"42["say","x","again"]"#).await;
    assert_eq!(a.hear().await, r#"42["said","again"]"#);
    b.has_nothing().await;
    let mut rooms = io.rooms();
    rooms.sort_unstable();
    let mut expected = vec![a.sid.clone(), b.sid.clone(), c.sid.clone(), "x".to_owned()];
    expected.sort_unstable();
    assert_eq!(rooms, expected);
}

#[tokio::test]
async fn several_rooms_are_reached_once_and_some_are_left_out() {
    let io = chat();
    let place = Place::new(&io);
    let (mut a, mut b, mut c) = (place.peer().await, place.peer().await, place.peer().await);
    for room in ["x", "y"] {
        join(&mut a, room).await;
    }
    join(&mut b, "y").await;
    io.to("x").to("y").emit("m", 1).unwrap();
    io.to("x")
        .to(c.sid.as_str())
        .except("y")
        .emit("m", 2)
        .unwrap();
    io.except("x").emit("m", 3).unwrap();
    io.emit("m", 4).unwrap();
    io.to("nobody").emit("m", 5).unwrap();
    io.local().to("y").emit("m", Binary::from(vec![6])).unwrap();
    for (peer, expected) in [
        (&mut a, &["1", "4"][..]),
        (&mut b, &["1", "3", "4"]),
        (&mut c, &["2", "3", "4"]),
    ] {
        for number in expected {
            assert_eq!(peer.hear().await, format!("42[\"m\",{number}]"));
        }
    }
    for peer in [&mut a, &mut b] {
        assert_eq!(
            peer.hear().await,
            r#"451-["m",{"_placeholder":true,"num":0}]"#
        );
        assert_eq!(peer.hear().await, r#"b"\x06""#);
        peer.has_nothing().await;
    }
    c.has_nothing().await;
}

#[tokio::test]
async fn several_sockets_are_asked_at_once() {
    let io = chat();
    let place = Place::new(&io);
    let (mut a, mut b, mut c) = (place.peer().await, place.peer().await, place.peer().await);
    for peer in [&mut a, &mut b, &mut c] {
        join(peer, "x").await;
    }
    let asked = io.to("x").timeout(Duration::from_millis(200));
    let asked = asked.emit_with_ack("vote", "?");
    for (peer, vote) in [(&mut a, "1"), (&mut b, "2")] {
        assert_eq!(peer.hear().await, r#"420["vote","?"]"#);
        peer.say(&format!("430[{vote}]")).await;
    }
    let answers = asked.await.unwrap();
    let mut votes: Vec<u8> = answers
        .answers
        .iter()
        .map(|(_, args)| args.to().unwrap())
        .collect();
    votes.sort_unstable();
    assert_eq!(votes, [1, 2]);
    assert_eq!(answers.missing, [c.sid.as_str()]);
    assert!(!answers.is_complete());
    // Who goes is not waited for.
    let asked = io
        .to("x")
        .timeout(Duration::from_secs(60))
        .emit_with_ack("vote", "!");
    for peer in [&mut a, &mut b] {
        peer.hear().await;
        peer.say("431[]").await;
    }
    drop(c);
    let answers = asked.await.unwrap();
    assert_eq!((answers.answers.len(), answers.missing.len()), (2, 1));
}

#[tokio::test]
async fn the_server_moves_sockets() {
    let io = chat();
    let place = Place::new(&io);
    let (mut a, mut b) = (place.peer().await, place.peer().await);
    io.to(a.sid.as_str()).join("x");
    io.all().join("y");
    io.to("x").emit("m", "x").unwrap();
    io.to("y").leave("x");
    io.to("x").emit("m", "nobody").unwrap();
    assert_eq!(a.hear().await, r#"42["m","x"]"#);
    assert_eq!(io.to("y").sockets().len(), 2);
    let socket = io.socket(&a.sid).unwrap();
    let mut rooms = socket.rooms();
    rooms.sort_unstable();
    let mut expected = vec![a.sid.clone(), "y".to_owned()];
    expected.sort_unstable();
    assert_eq!(rooms, expected);
    io.to("y").except(a.sid.as_str()).disconnect(true);
    assert_eq!(b.hear().await, "41");
    assert_eq!(b.hear().await, "closed");
    a.has_nothing().await;
    io.volatile().to("y").emit("m", "v").unwrap();
    assert_eq!(a.hear().await, r#"42["m","v"]"#);
    assert_eq!(io.len(), 1);
}

#[tokio::test]
async fn a_socket_is_in_so_many_rooms_with_names_that_are_not_too_long() {
    let io = with_nothing(SocketIo::with_config(SocketIoConfig {
        max_rooms: 3,
        ..SocketIoConfig::default()
    }));
    io.use_middleware(async |socket: Socket| {
        for room in ["a", "b", "a", "c", "d"] {
            socket.join(room);
        }
    });
    let mut peer = Place::new(&io).peer().await;
    let socket = io.socket(&peer.sid).unwrap();
    assert_eq!(socket.rooms(), [&*peer.sid, "a", "b", "c"]);
    assert_eq!(io.stats().unjoined, 1);
    // It is in it: nothing is refused.
    socket.join("a");
    socket.join("e");
    socket.join("n".repeat(1025));
    assert_eq!((socket.rooms().len(), io.stats().unjoined), (4, 3));
    socket.leave("a");
    socket.join("n".repeat(1024));
    socket.join("f");
    assert_eq!((socket.rooms().len(), io.stats().unjoined), (4, 4));
    // Of the namespace it hears all the same, whatever it has left.
    for room in ["b", "c"] {
        socket.leave(room);
    }
    io.to("n".repeat(1024)).emit("room", ()).unwrap();
    io.emit("all", ()).unwrap();
    assert_eq!(peer.hear().await, r#"42["room"]"#);
    assert_eq!(peer.hear().await, r#"42["all"]"#);
    peer.has_nothing().await;
}

#[tokio::test]
async fn who_would_miss_something_is_closed() {
    let mut config = SocketIoConfig::default();
    config.engine.queue = 64 << 20;
    config.engine.queue_messages = 1_000_000;
    let io = with_nothing(SocketIo::with_config(config));
    let place = Place::new(&io);
    let (mut inside, mut outside) = (place.peer().await, place.peer().await);
    io.socket(&inside.sid).unwrap().join("r");
    let text = "x".repeat(100_000);
    // The worker does not have its turn meanwhile.
    for _ in 0..200 {
        io.to("r").emit("m", text.as_str()).unwrap();
    }
    assert_eq!(inside.hear().await, "closed");
    outside.has_nothing().await;
}
