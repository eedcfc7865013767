//! Channel handlers that are marked where they are written, and found.

use serde_json::json;
use wireline::relay::{Relay, RelayConfig};
use wireline::test::TestClient;
use wireline::{Error, Router};

/// The handlers of most tests.
mod rooms {
    use super::*;
    use wireline::extract::Json;
    use wireline::relay;
    use wireline::relay::RelayEvent;

    #[relay("room:*")]
    async fn any(_: RelayEvent, _: Relay) -> Json<&'static str> {
        Json("any room")
    }

    #[relay("room:vip:*")]
    async fn vip(_: RelayEvent, _: Relay) -> Json<&'static str> {
        Json("a room for few")
    }

    #[relay("room:vip:1")]
    pub(super) async fn one(event: RelayEvent, _: Relay) -> Result<Json<&'static str>, Error> {
        let _ = event;
        Ok(Json("this room"))
    }
}

/// A pattern that another handler has as well.
mod twice {
    use super::*;
    use wireline::relay;
    use wireline::relay::RelayEvent;

    #[relay("twice")]
    async fn first(_: RelayEvent, _: Relay) {}

    #[relay("twice")]
    async fn second(_: RelayEvent, _: Relay) {}
}

#[tokio::test]
async fn handlers_are_found_and_the_longest_beginning_wins() {
    let config = RelayConfig::default().discover_in(concat!(module_path!(), "::rooms"));
    let client = TestClient::new(Router::new().with_relay(config).build().unwrap());
    let mut socket = client.websocket("/ws").await;
    for (topic, reply) in [
        ("room:1", "any room"),
        ("room:vip:2", "a room for few"),
        ("room:vip:1", "this room"),
    ] {
        socket
            .send(json!({"type":"subscribe","topic":topic}).to_string())
            .await
            .unwrap();
        let heard = socket.recv_msg().await.unwrap().into_bytes();
        let heard: serde_json::Value = serde_json::from_slice(&heard).unwrap();
        assert_eq!(
            heard,
            json!({"type":"subscribed","topic":topic,"reply":reply})
        );
    }
}

#[tokio::test]
async fn two_of_one_pattern_are_named() {
    let config = RelayConfig::default().discover_in(concat!(module_path!(), "::twice"));
    let problem = Router::new().with_relay(config).build().unwrap_err();
    let told = problem.to_string();
    assert!(
        told.contains("\"twice\"") && told.contains("relay_discover.rs:"),
        "{told}"
    );
    let all = RelayConfig::default().discover();
    assert!(Router::new().with_relay(all).build().is_err());
}

#[tokio::test]
async fn a_marked_function_stays_what_it_is() {
    let config = RelayConfig::default().channel("other:*", rooms::one);
    assert!(Router::new().with_relay(config).build().is_ok());
}
