//! Code around handlers: for every request, and for one group with a gate and a body limit of its own.
//!
//! `cargo run --example middleware`, then
//!
//! ```text
//! curl -i http://127.0.0.1:8000/
//! curl -i http://127.0.0.1:8000/notes
//! curl -i -H 'authorization: Bearer open-sesame' -d 'buy milk' http://127.0.0.1:8000/notes
//! ```

use http::{StatusCode, header};
use tokio::time::Instant;
use wireline::extract::Extension;
use wireline::router::{BuildError, Routes};
use wireline::service::middleware::Next;
use wireline::service::response::IntoResponse;
use wireline::{Request, Response, Router, Server};

/// Who asks, once the gate knows.
#[derive(Clone)]
struct User(&'static str);

/// Apart from `main`, so that a test can have them.
pub(crate) fn routes() -> Result<Routes, BuildError> {
    let notes = Router::new()
        .get("/", async |Extension(User(name)): Extension<User>| {
            format!("the notes of {name}\n")
        })
        .post("/", take_note)
        .middleware(gate)
        .max_body(1024);
    Router::new()
        .get("/", async || "anybody may read this\n")
        .nest("/notes", notes)
        .middleware(timing)
        .build()
}

/// Around everything, also around what has no route: tells how long the answer took.
async fn timing(request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let response = next.run(request).await;
    let micros = begun.elapsed().as_micros();
    response.with_header(
        "server-timing",
        format!("app;dur={}.{:03}", micros / 1000, micros % 1000),
    )
}

/// Around the notes only: answers in the handler's place, or tells it who asks.
async fn gate(mut request: Request, next: Next) -> Response {
    // A token that matters is compared in constant time, and does not stand in the source.
    if request
        .header("authorization")
        .is_some_and(|value| value == "Bearer open-sesame")
    {
        request.extensions_mut().insert(User("ali"));
        return next.run(request).await;
    }
    Response::unauthorized("say the word\n").with_header(header::WWW_AUTHENTICATE, "Bearer")
}

async fn take_note(Extension(User(name)): Extension<User>, note: String) -> impl IntoResponse {
    (StatusCode::CREATED, format!("noted for {name}: {note}\n"))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    Server::new(routes()?).bind("127.0.0.1:8000").run()?;
    Ok(())
}
