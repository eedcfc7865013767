//! What only the compiler knows: it points at the type that cannot stand there.

use wireline::extract::Path;
use wireline::ws::socket::WebSocket;
use wireline::{get, post, websocket};

struct Unknown;

#[get("/unknown/{id}")]
async fn an_argument_that_is_none(unknown: Unknown, Path(id): Path<u64>) -> String {
    id.to_string()
}

#[post("/body")]
async fn the_body_before_the_end(body: String, Path(id): Path<u64>) {}

#[get("/answer")]
async fn no_response() -> Unknown {
    Unknown
}

#[websocket("/ws")]
async fn a_body_beside_a_socket(socket: WebSocket, body: String) {}

fn main() {}
