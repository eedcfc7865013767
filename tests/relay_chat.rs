//! The example `relay_chat`, through the test client.

use serde_json::{Value, json};
use wireline::test::TestClient;
use wireline::ws::prelude::*;

#[path = "../examples/relay_chat.rs"]
#[expect(dead_code, reason = "the test has a server of its own")]
mod relay_chat;

async fn ask(socket: &mut WebSocket, message: Value) -> Value {
    socket.send(message.to_string()).await.unwrap();
    hear(socket).await
}

async fn hear(socket: &mut WebSocket) -> Value {
    let heard = socket.recv_msg().await.unwrap();
    serde_json::from_slice(&heard.into_bytes()).unwrap()
}

#[tokio::test]
async fn guests_have_names_hear_each_other_and_who_comes_late_hears_what_was_said() {
    let client = TestClient::new(relay_chat::routes().unwrap());
    let mut ada = client.websocket("/ws").await;
    let nameless = ask(&mut ada, json!({"type":"subscribe","topic":"room:garden"})).await;
    assert_eq!(nameless["message"], "join rejected: who are you?");
    let elsewhere = ask(&mut ada, json!({"type":"subscribe","topic":"garden"})).await;
    assert_eq!(elsewhere["message"], "unknown topic garden");
    let come = |name: &str| json!({"type":"subscribe","topic":"room:garden","rewind":50,"presence":true,"payload":{"name":name}});
    assert_eq!(ask(&mut ada, come("ada")).await["type"], "subscribed");
    let state = hear(&mut ada).await;
    let id = state["members"][0]["conn_id"].clone();
    assert_eq!(
        state["members"],
        json!([{"conn_id":id,"meta":{"name":"ada"}}])
    );
    let say = |event: &str| json!({"type":"message","topic":"room:garden","event":event,"payload":"hello"});
    let said = ask(&mut ada, say("say")).await;
    assert_eq!(said["payload"], json!({"by":id,"text":"hello"}));
    let shouted = ask(&mut ada, say("shout")).await;
    assert_eq!(
        shouted["message"],
        "message handler error: here people `say` things"
    );

    let answer = client.post("/rooms/garden").body("the shop opens").await;
    assert_eq!(answer.text(), "1 are listening\n");
    assert_eq!(hear(&mut ada).await["payload"], "the shop opens");
    let mut bo = client.websocket("/ws").await;
    assert_eq!(ask(&mut bo, come("bo")).await["recovered"], true);
    assert_eq!(hear(&mut bo).await["members"].as_array().unwrap().len(), 2);
    assert_eq!(hear(&mut bo).await["payload"]["text"], "hello");
    assert_eq!(hear(&mut bo).await["event"], "announcement");
    let members: Value = client.get("/rooms/garden").await.json();
    assert_eq!(members[1]["meta"], json!({"name":"bo"}));
}
