//! Clients that come back.

use crate::peer::{Peer, Place, with_nothing};
use serde_json::Value;
use std::time::Duration;
use wireline::socketio::server::{RecoveryConfig, SocketIo, SocketIoConfig};

fn server() -> SocketIo {
    with_nothing(SocketIo::with_config(SocketIoConfig {
        recovery: Some(RecoveryConfig::default()),
        ..SocketIoConfig::default()
    }))
}

/// Connects with what a client says to come back; gives the answer.
async fn connect(place: &Place, auth: &str) -> (Peer, Value) {
    let mut peer = place.session().await;
    peer.say(&format!("40{auth}")).await;
    let hello = peer.hear().await;
    let hello: Value = serde_json::from_str(&hello[2..]).unwrap();
    peer.sid = hello["sid"].as_str().unwrap().to_owned();
    (peer, hello)
}

/// An event, and the offset behind its arguments.
fn split(event: &str) -> (String, String) {
    let mut args: Vec<Value> = serde_json::from_str(&event[2..]).unwrap();
    let offset = args.pop().unwrap().as_str().unwrap().to_owned();
    (serde_json::to_string(&args).unwrap(), offset)
}

async fn gone(io: &SocketIo) {
    while io.stats().sockets > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn who_comes_back_has_its_id_its_rooms_and_what_it_missed() {
    let io = server();
    let place = Place::new(&io);
    let (mut peer, hello) = connect(&place, "").await;
    let private_id = hello["pid"].as_str().unwrap().to_owned();
    let sid = peer.sid.clone();
    io.socket(&sid).unwrap().join("r");
    io.to("r").emit("m", 1).unwrap();
    let (event, offset) = split(&peer.hear().await);
    assert_eq!(event, r#"["m",1]"#);
    drop(peer);
    gone(&io).await;
    io.to("r").emit("m", 2).unwrap();
    io.to("other").emit("m", "not for it").unwrap();
    io.to(sid.as_str()).emit("m", 3).unwrap();
    io.volatile().emit("m", "not kept").unwrap();
    io.emit("m", 4).unwrap();

    let auth = format!(r#"{{"pid":"{private_id}","offset":"{offset}"}}"#);
    let (mut peer, hello) = connect(&place, &auth).await;
    assert_eq!(peer.sid, sid);
    // By this a client knows that it was recovered.
    assert_eq!(hello["pid"], *private_id);
    let socket = io.socket(&sid).unwrap();
    assert!(socket.recovered());
    io.to("r").emit("m", 5).unwrap();
    for number in 2..=5 {
        assert_eq!(split(&peer.hear().await).0, format!("[\"m\",{number}]"));
    }
    peer.has_nothing().await;
    assert_eq!(io.stats().recovered, 1);
    // Once only: it is here now.
    let (other, _) = connect(&place, &auth).await;
    assert_ne!(other.sid, sid);
}

#[tokio::test]
async fn who_never_had_an_event_comes_back_as_well() {
    let io = server();
    let place = Place::new(&io);
    io.emit("m", "before it came").unwrap();
    let (peer, hello) = connect(&place, "").await;
    let sid = peer.sid.clone();
    drop(peer);
    gone(&io).await;
    io.emit("m", 1).unwrap();
    let auth = format!(r#"{{"pid":{}}}"#, hello["pid"]);
    let (mut peer, _) = connect(&place, &auth).await;
    assert_eq!(peer.sid, sid);
    assert_eq!(split(&peer.hear().await).0, r#"["m",1]"#);
}

#[tokio::test]
async fn who_left_or_says_nonsense_does_not_come_back() {
    let io = server();
    let place = Place::new(&io);
    let (peer, hello) = connect(&place, "").await;
    let sid = peer.sid.clone();
    peer.say("41").await;
    drop(peer);
    gone(&io).await;
    for auth in [
        format!(r#"{{"pid":{}}}"#, hello["pid"]),
        r#"{"pid":"nobody's"}"#.to_owned(),
        r#"{"pid":7}"#.to_owned(),
    ] {
        let (peer, _) = connect(&place, &auth).await;
        assert_ne!(peer.sid, sid, "{auth}");
    }
    let (peer, hello) = connect(&place, "").await;
    let sid = peer.sid.clone();
    drop(peer);
    while io.socket(&sid).is_some() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let auth = format!(r#"{{"pid":{},"offset":"nonsense"}}"#, hello["pid"]);
    let (peer, _) = connect(&place, &auth).await;
    assert_ne!(peer.sid, sid);
}

#[tokio::test]
async fn what_is_kept_counts_with_its_names() {
    let io = with_nothing(SocketIo::with_config(SocketIoConfig {
        recovery: Some(RecoveryConfig {
            max_octets: 100_000,
            ..RecoveryConfig::default()
        }),
        ..SocketIoConfig::default()
    }));
    let place = Place::new(&io);
    // Few octets to rooms with long names.
    let (peer, hello) = connect(&place, "").await;
    let sid = peer.sid.clone();
    drop(peer);
    gone(&io).await;
    for number in 0..120 {
        let room = format!("{number}{}", "r".repeat(1000));
        io.to(room).emit("m", ()).unwrap();
    }
    let (peer, _) = connect(&place, &format!(r#"{{"pid":{}}}"#, hello["pid"])).await;
    assert_ne!(peer.sid, sid);
    drop(peer);
    gone(&io).await;
    // Sockets in many rooms: the last ones are kept.
    let mut clients = Vec::new();
    for _ in 0..3 {
        let (peer, hello) = connect(&place, "").await;
        let socket = io.socket(&peer.sid).unwrap();
        for number in 0..45 {
            socket.join(format!("{number}{}", "r".repeat(1000)));
        }
        let sid = peer.sid.clone();
        drop(peer);
        gone(&io).await;
        clients.push((sid, hello["pid"].clone()));
    }
    for (number, (sid, private_id)) in clients.iter().enumerate() {
        let (peer, _) = connect(&place, &format!(r#"{{"pid":{private_id}}}"#)).await;
        assert_eq!(peer.sid == *sid, number > 0, "{number}");
    }
}
