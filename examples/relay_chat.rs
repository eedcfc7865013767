//! A chat with rooms, presence and the last fifty messages: `cargo run --example relay_chat --features relay,macros`, then in two
//! terminals
//!
//! ```text
//! websocat ws://127.0.0.1:8000/ws
//! {"type":"subscribe","topic":"room:garden","rewind":50,"presence":true,"payload":{"name":"ada"}}
//! {"type":"message","topic":"room:garden","event":"say","payload":"hello"}
//! ```
//!
//! and from anywhere else: `curl -d 'the shop opens' http://127.0.0.1:8000/rooms/garden`, `curl http://127.0.0.1:8000/rooms/garden`.

use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use wireline::extract::{Json, Path};
use wireline::relay;
use wireline::relay::hub::Retention;
use wireline::relay::{PresenceEntry, Relay, RelayConfig, RelayEvent, Unmatched};
use wireline::router::{BuildError, Routes};
use wireline::{Error, Router, Server};

#[derive(Deserialize)]
struct Guest {
    name: String,
}

#[relay("room:*")]
async fn room(event: RelayEvent, relay: Relay) -> Result<(), Error> {
    match event {
        RelayEvent::Join {
            topic,
            conn_id,
            payload,
            ..
        } => {
            let Ok(Guest { name }) = payload.json() else {
                return Err(Error::new(StatusCode::BAD_REQUEST, "who are you?"));
            };
            let meta = json!({ "name": name });
            relay
                .track(&topic, conn_id, &meta)
                .map_err(Error::internal)?;
        }
        RelayEvent::Message {
            topic,
            event,
            payload,
            conn_id,
            ..
        } if event == "say" => {
            let said = json!({ "by": conn_id, "text": payload });
            relay
                .push(&topic, "say", &said)
                .await
                .map_err(Error::internal)?;
        }
        RelayEvent::Message { .. } => {
            return Err(Error::new(
                StatusCode::BAD_REQUEST,
                "here people `say` things",
            ));
        }
        _ => {}
    }
    Ok(())
}

async fn members(relay: Relay, Path(room): Path<String>) -> Json<Vec<PresenceEntry>> {
    Json(relay.presence(format!("room:{room}")))
}

async fn announce(relay: Relay, Path(room): Path<String>, text: String) -> Result<String, Error> {
    let topic = format!("room:{room}");
    let pushed = relay.push(topic, "announcement", &text).await;
    let pushed = pushed.map_err(|error| Error::new(StatusCode::BAD_REQUEST, error.to_string()))?;
    Ok(format!("{} are listening\n", pushed.subscribers))
}

pub(crate) fn routes() -> Result<Routes, BuildError> {
    let last_fifty = Retention {
        messages: 50,
        octets: 256 << 10,
        age: 24 * 60 * 60 * 1000,
    };
    let config = RelayConfig::default()
        .retention(move |_| last_fifty)
        .unmatched(Unmatched::Reject)
        .discover();
    Router::new()
        .get("/rooms/{room}", members)
        .post("/rooms/{room}", announce)
        .with_relay(config)
        .build()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    Server::new(routes()?).bind("127.0.0.1:8000").run()?;
    Ok(())
}
