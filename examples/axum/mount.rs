//! An axum router under a prefix, beside wireline's own routes and inside its layers: moving from one to the other route by route.
//!
//! It needs axum, so that it belongs to the workspace of the interop tests:
//! `cargo run --manifest-path tests/interop/rust/Cargo.toml --example axum_mount`, then
//!
//! ```text
//! curl -i http://127.0.0.1:8000/health
//! curl -i http://127.0.0.1:8000/v1/books/7
//! curl -i http://127.0.0.1:8000/v2/books/7
//! ```

use axum::extract::{Path as AxumPath, State as AxumState};
use axum::routing::get as on_get;
use std::sync::Arc;
use wireline::extract::{Path, State};
use wireline::router::{BuildError, Routes};
use wireline::{Router, Server};

/// What both of them read: an `Arc` serves either kind of state.
struct Library {
    titles: Vec<&'static str>,
}

impl Library {
    fn title(&self, place: usize) -> &'static str {
        self.titles.get(place).copied().unwrap_or("nothing")
    }
}

/// The old application, as it is.
fn old(library: Arc<Library>) -> axum::Router {
    async fn book(
        AxumState(library): AxumState<Arc<Library>>,
        AxumPath(place): AxumPath<usize>,
    ) -> String {
        format!("{} (by axum)\n", library.title(place))
    }
    axum::Router::new()
        .route("/books/{place}", on_get(book))
        .with_state(library)
}

async fn book(State(library): State<Arc<Library>>, Path(place): Path<usize>) -> String {
    format!("{} (by wireline)\n", library.title(place))
}

/// Apart from `main`, so that a test can have them.
pub(crate) fn routes() -> Result<Routes, BuildError> {
    let library = Arc::new(Library {
        titles: vec!["Walden", "Middlemarch"],
    });
    Router::new()
        .get("/health", async || ())
        .mount_tower("/v1", old(library.clone()))
        .get("/v2/books/{place}", book)
        .state(library)
        .build()
}

#[allow(dead_code, reason = "a test includes this file for its routes")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    Server::new(routes()?).bind("127.0.0.1:8000").run()?;
    Ok(())
}
