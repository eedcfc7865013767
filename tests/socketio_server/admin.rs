//! What the page of npm's admin-ui is told, and what it asks for.

use crate::peer::{Peer, Place, with_nothing};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use wireline::service::layer::{Before, Layer, Note};
use wireline::socketio::server::{AdminConfig, Data, Socket, SocketIo};
use wireline::{Request, Router};

const LETS_IN: &str = r#"40/admin,{"username":"ada","password":"swordfish"}"#;

fn config() -> AdminConfig {
    AdminConfig::new(async |name, password| name == "ada" && password == "swordfish")
}

fn server() -> SocketIo {
    let io = with_nothing(SocketIo::new());
    io.on("join", async |socket: Socket, Data(room): Data<String>| {
        socket.join(room);
        socket.emit("joined", 1).unwrap();
    });
    io.on("leave", async |socket: Socket, Data(room): Data<String>| {
        socket.leave(&room);
    });
    io
}

/// The next event of this name; numbers come whenever they do.
async fn next(admin: &mut Peer, name: &str) -> Vec<Value> {
    loop {
        let text = admin.hear().await;
        let event = text.strip_prefix("42/admin,").expect(&text);
        let event: Vec<Value> = serde_json::from_str(event).unwrap();
        if event[0] == name {
            return event;
        }
        // The page is a socket as well.
        let is_by_the_way = event[0] == "server_stats" || event[0] == "socket_connected";
        assert!(is_by_the_way, "{text}");
    }
}

async fn sign_in(place: &Place) -> (Peer, String) {
    let mut admin = place.session().await;
    admin.say(LETS_IN).await;
    assert!(admin.hear().await.starts_with("40/admin,"));
    let session = next(&mut admin, "session").await;
    (admin, session[1].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn the_admin_page_sees_what_happens_and_acts() {
    let io = server();
    assert!(io.admin(config().verbose(true).server_id("one")));
    assert!(!io.admin(config()), "once is enough");
    let place = Place::new(&io);
    let mut peer = place.peer().await;
    let (mut admin, _) = sign_in(&place).await;
    let features = next(&mut admin, "config").await;
    let features = features[1]["supportedFeatures"].as_array().unwrap();
    assert!(features.contains(&json!("EMIT")) && features.contains(&json!("ALL_EVENTS")));
    let all = next(&mut admin, "all_sockets").await;
    let all = all[1].as_array().unwrap();
    let known = all.iter().find(|known| known["id"] == peer.sid.as_str());
    let known = known.unwrap();
    assert_eq!(
        (&known["nsp"], &known["transport"]),
        (&json!("/"), &json!("websocket"))
    );
    assert_eq!(known["rooms"], json!([peer.sid]));
    assert_eq!(known["clientId"].as_str().unwrap().len(), 12);

    // What others do.
    peer.say(r#"42["join","x"]"#).await;
    assert_eq!(peer.hear().await, r#"42["joined",1]"#);
    let received = next(&mut admin, "event_received").await;
    assert_eq!(
        received[1..4],
        [json!("/"), json!(peer.sid), json!(["join", "x"])]
    );
    let joined = next(&mut admin, "room_joined").await;
    assert_eq!(joined[1..4], [json!("/"), json!("x"), json!(peer.sid)]);
    assert!(joined[4].as_u64().unwrap() > 1_700_000_000_000);
    let sent = next(&mut admin, "event_sent").await;
    assert_eq!(sent[3], json!(["joined", 1]));

    // What the page asks for.
    admin
        .say(r#"42/admin,["emit","/","x","news",1,"two"]"#)
        .await;
    assert_eq!(peer.hear().await, r#"42["news",1,"two"]"#);
    admin
        .say(&format!(r#"42/admin,["join","/","y","{}"]"#, peer.sid))
        .await;
    assert_eq!(next(&mut admin, "room_joined").await[2], "y");
    admin.say(r#"42/admin,["leave","/","y",null]"#).await;
    assert_eq!(next(&mut admin, "room_left").await[2], "y");
    admin
        .say(r#"42/admin,["emit","/nowhere",null,"news"]"#)
        .await;
    admin.say(r#"42/admin,["_disconnect","/",false,"x"]"#).await;
    assert_eq!(peer.hear().await, "41");
    let gone = next(&mut admin, "socket_disconnected").await;
    assert_eq!(
        gone[1..4],
        [
            json!("/"),
            json!(peer.sid),
            json!("server namespace disconnect")
        ]
    );
    let namespaces = io.namespaces();
    assert!(namespaces.iter().all(|known| known.name() != "/nowhere"));
}

#[tokio::test]
async fn the_admin_page_wants_a_password_once_and_may_be_for_looking_only() {
    let io = server();
    io.admin(config().readonly(true).server_id("one"));
    let place = Place::new(&io);
    let mut peer = place.peer().await;
    for auth in [
        "",
        "{}",
        r#"{"username":"ada","password":"x"}"#,
        r#"{"sessionId":"AAAAAAAAAAAAAAAAAAAA"}"#,
    ] {
        let mut stranger = place.session().await;
        stranger.say(&format!("40/admin,{auth}")).await;
        let refused = stranger.hear().await;
        assert_eq!(refused, r#"44/admin,{"message":"invalid credentials"}"#);
    }
    let (mut admin, session) = sign_in(&place).await;
    let features = next(&mut admin, "config").await;
    assert_eq!(
        features[1],
        json!({"supportedFeatures": ["AGGREGATED_EVENTS"]})
    );
    // Nobody hears this, and nobody is told of anything but numbers.
    admin.say(r#"42/admin,["emit","/",null,"news"]"#).await;
    admin.say(r#"42/admin,["_disconnect","/",true]"#).await;
    peer.say(r#"42["join","x"]"#).await;
    assert_eq!(peer.hear().await, r#"42["joined",1]"#);
    let text = admin.hear().await;
    let event: Vec<Value> = serde_json::from_str(text.strip_prefix("42/admin,").unwrap()).unwrap();
    assert_eq!(event[0], "server_stats");
    assert_eq!(event[1]["serverId"], "one");
    assert!(event[1]["clientsCount"].as_u64().unwrap() >= 2);
    let spaces = event[1]["namespaces"].as_array().unwrap();
    assert!(
        spaces.contains(&json!({"name": "/", "socketsCount": 1})),
        "{text}"
    );
    // The page comes back with what it was given.
    let mut again = place.session().await;
    again
        .say(&format!(r#"40/admin,{{"sessionId":"{session}"}}"#))
        .await;
    assert!(again.hear().await.starts_with("40/admin,"));
}

#[tokio::test(start_paused = true)]
async fn who_guesses_passwords_is_not_heard_for_a_while() {
    let io = server();
    let admin = AdminConfig::with_password("ada", "swordfish");
    io.admin(admin.max_guesses(3).server_id("one"));
    let place = Place::new(&io);
    let answer = async |auth: &str| {
        let mut stranger = place.session().await;
        stranger.say(&format!("40/admin,{auth}")).await;
        stranger.hear().await
    };
    let wrong = r#"44/admin,{"message":"invalid credentials"}"#;
    let unheard = r#"44/admin,{"message":"too many attempts"}"#;
    // What is no attempt does not count.
    for _ in 0..5 {
        assert_eq!(answer("{}").await, wrong);
        assert_eq!(
            answer(r#"{"sessionId":"AAAAAAAAAAAAAAAAAAAAAA"}"#).await,
            wrong
        );
    }
    let (_, session) = sign_in(&place).await;
    for guess in ["", "Swordfish", "swordfish "] {
        let auth = json!({"username": "ada", "password": guess});
        assert_eq!(answer(&auth.to_string()).await, wrong);
    }
    // The right one is not heard either, but who has signed in comes back.
    let right = r#"{"username":"ada","password":"swordfish"}"#;
    assert_eq!(answer(right).await, unheard);
    let back = json!({ "sessionId": session }).to_string();
    assert!(answer(&back).await.starts_with("40/admin,"));
    let stats = io.stats();
    assert_eq!((stats.wrong_passwords, stats.throttled), (3, 1));
    tokio::time::advance(Duration::from_secs(60)).await;
    assert!(answer(right).await.starts_with("40/admin,"));
    for _ in 0..3 {
        assert_eq!(
            answer(r#"{"username":"bob","password":"swordfish"}"#).await,
            wrong
        );
    }
    assert_eq!(answer(right).await, unheard);
}

#[tokio::test]
async fn what_is_waited_for_and_what_was_dropped_is_counted() {
    let io = server();
    let place = Place::new(&io);
    let (mut one, mut two) = (place.peer().await, place.peer().await);
    let alone = io.to(one.sid.clone()).sockets().remove(0);
    assert_eq!(io.stats().acks, 0);
    let asked = alone.emit_with_ack("name?", ());
    assert_eq!(io.stats().acks, 1);
    assert_eq!(one.hear().await, r#"420["name?"]"#);
    one.say(r#"430["ada"]"#).await;
    assert_eq!(asked.await.unwrap().to::<String>().unwrap(), "ada");
    assert_eq!(io.stats().acks, 0);
    // Of all at a time, and of one that goes without an answer.
    let all = tokio::spawn(io.emit_with_ack("lunch?", ()).into_future());
    assert!(one.hear().await.ends_with(r#"["lunch?"]"#));
    assert!(two.hear().await.ends_with(r#"["lunch?"]"#));
    assert_eq!(io.stats().acks, 2);
    two.say("41").await;
    while io.stats().acks == 2 {
        tokio::task::yield_now().await;
    }
    alone.disconnect(true);
    let answers = all.await.unwrap().unwrap();
    assert_eq!((answers.missing.len(), io.stats().acks), (2, 0));
    // Whoever is gone gets nothing.
    assert_eq!(io.stats().dropped, 0);
}

/// Leaves something in every request, and counts them.
struct Mark(Arc<()>, Arc<AtomicUsize>);

impl Layer for Mark {
    fn before(&self, request: &mut Request, _: &mut Note) -> Before {
        request.extensions_mut().insert(self.0.clone());
        self.1.fetch_add(1, Ordering::Relaxed);
        Before::Go
    }
}

#[tokio::test]
async fn the_admin_page_makes_no_session_keep_its_request() {
    let io = server();
    assert!(io.admin(config()));
    let (mark, requests) = (Arc::new(()), Arc::new(AtomicUsize::new(0)));
    let marks = Router::new().layer(Mark(mark.clone(), requests.clone()));
    let place = Place::with(marks, &io);
    let mut peer = place.peer().await;
    let (_admin, _) = sign_in(&place).await;
    peer.has_nothing().await;
    assert_eq!(requests.load(Ordering::Relaxed), 2);
    // This one, and that of the layer.
    let only_ours = async {
        while Arc::strong_count(&mark) > 2 {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), only_ours).await;
    assert!(waited.is_ok(), "{} are kept", Arc::strong_count(&mark) - 2);
}
