//! The register/publish service: `cargo run --example register_publish --features relay`, then
//!
//! ```text
//! curl -H 'content-type: application/json' -d '{"user_id": 1}' http://127.0.0.1:8000/register
//! websocat -t ws://127.0.0.1:8000/ws/<the id that it gave>
//! curl -H 'content-type: application/json' -d '{"topic": "cats", "message": "meow"}' http://127.0.0.1:8000/publish
//! ```
//!
//! Type `{"topics": ["dogs"]}` into websocat, and it hears of dogs instead.

use wireline::relay::service::RegisterService;
use wireline::router::{BuildError, Routes};
use wireline::{Router, Server};

/// Apart from `main`, so that a test can have them.
pub(crate) fn routes() -> Result<Routes, BuildError> {
    Router::new()
        .merge(RegisterService::new().router())
        .get("/health", async || "ok")
        .build()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    Server::new(routes()?).bind("127.0.0.1:8000").run()?;
    Ok(())
}
