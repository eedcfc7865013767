//! Ten messages a minute, and five errors: `cargo run --example ws_rate_limited`, then
//! `websocat ws://127.0.0.1:8000/greet` and a few names.

use http::StatusCode;
use wireline::router::{BuildError, Routes};
use wireline::service::error::Error;
use wireline::ws::message::Message;
use wireline::ws::socket::WsSender;
use wireline::ws::socket::each::Each;
use wireline::ws::socket::rate::RateLimit;
use wireline::{Router, Server};

async fn greet(sender: WsSender, message: Message) -> Result<(), Error> {
    let name = message.as_text().unwrap_or_default().trim();
    if name.is_empty() {
        return Err(Error::new(StatusCode::BAD_REQUEST, "who are you?"));
    }
    sender.send(format!("Hello, {name}!")).await?;
    Ok(())
}

/// Apart from `main`, so that a test can have them.
pub(crate) fn routes() -> Result<Routes, BuildError> {
    let each = Each {
        // The default: ten in 60 seconds.
        rate: Some(RateLimit::default()),
        ..Each::default()
    };
    Router::new()
        .websocket_messages("/greet", each, greet)
        .build()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    Server::new(routes()?).bind("127.0.0.1:8000").run()?;
    Ok(())
}
