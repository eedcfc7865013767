//! Whatever goes to one socket goes behind what was sent to its rooms before.

use crate::peer::{Place, with_nothing};
use wireline::socketio::server::SocketIo;

#[tokio::test]
async fn what_is_sent_comes_in_the_order_of_the_calls() {
    let io = with_nothing(SocketIo::new());
    let place = Place::new(&io);
    let (mut a, mut b) = (place.peer().await, place.peer().await);
    let (of_a, of_b) = (io.socket(&a.sid).unwrap(), io.socket(&b.sid).unwrap());
    of_a.join("r");
    of_b.join("r");
    for round in 0..100 {
        io.to("r").emit("room", round).unwrap();
        of_a.emit("own", round).unwrap();
        io.emit("all", round).unwrap();
        io.to("r").to("other").emit("rooms", round).unwrap();
        of_a.to("r").emit("others", round).unwrap();
        for event in ["room", "own", "all", "rooms"] {
            assert_eq!(a.hear().await, format!("42[\"{event}\",{round}]"));
        }
        for event in ["room", "all", "rooms", "others"] {
            assert_eq!(b.hear().await, format!("42[\"{event}\",{round}]"));
        }
    }
}

#[tokio::test]
async fn who_leaves_has_what_was_sent_before() {
    let io = with_nothing(SocketIo::new());
    let place = Place::new(&io);
    let mut peer = place.peer().await;
    let socket = io.socket(&peer.sid).unwrap();
    for round in 0..50 {
        io.to("r").emit("before", round).unwrap();
        socket.join("r");
        io.to("r").emit("in", round).unwrap();
        socket.leave("r");
        io.to("r").emit("behind", round).unwrap();
        assert_eq!(peer.hear().await, format!("42[\"in\",{round}]"));
    }
    socket.join("r");
    io.to("r").emit("last", ()).unwrap();
    io.to("r").disconnect(false);
    io.emit("never", ()).unwrap();
    assert_eq!(peer.hear().await, r#"42["last"]"#);
    assert_eq!(peer.hear().await, "41");
    let mut peer = place.peer().await;
    io.emit("last", ()).unwrap();
    io.all().disconnect(true);
    assert_eq!(peer.hear().await, r#"42["last"]"#);
    assert_eq!(peer.hear().await, "41");
    assert_eq!(peer.hear().await, "closed");
}

/// The same with threads that deliver at any time.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn the_order_holds_with_several_workers() {
    let io = with_nothing(SocketIo::new());
    let place = Place::new(&io);
    let mut peers = Vec::new();
    for _ in 0..8 {
        peers.push(place.peer().await);
    }
    let mut tasks = Vec::new();
    for peer in &peers {
        let (io, socket) = (io.clone(), io.socket(&peer.sid).unwrap());
        tasks.push(tokio::spawn(async move {
            let own = socket.id().to_owned();
            let room = format!("room of {own}");
            socket.join(room.as_str());
            for round in 0..200 {
                io.to(room.as_str()).emit("m", (&own, 2 * round)).unwrap();
                socket.emit("m", (&own, 2 * round + 1)).unwrap();
                if round % 16 == 0 {
                    tokio::task::yield_now().await;
                }
            }
        }));
    }
    // Somebody else keeps the tasks of the groups at work.
    let noise = {
        let io = io.clone();
        tokio::spawn(async move {
            for round in 0..200 {
                io.emit("noise", round).unwrap();
                tokio::task::yield_now().await;
            }
        })
    };
    for peer in &mut peers {
        let (mut next, mut noise) = (0, 0);
        while next < 400 || noise < 200 {
            let heard = peer.hear().await;
            if heard == format!("42[\"noise\",{noise}]") {
                noise += 1;
            } else {
                assert_eq!(heard, format!("42[\"m\",\"{}\",{next}]", peer.sid));
                next += 1;
            }
        }
    }
    for task in tasks {
        task.await.unwrap();
    }
    noise.await.unwrap();
}
