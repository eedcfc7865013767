//! What the page of npm's admin-ui is told, and what it asks for.

use crate::peer::{Peer, Place, with_nothing};
use serde_json::{Value, json};
use wireline::socketio::server::{AdminConfig, Data, Socket, SocketIo};

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
