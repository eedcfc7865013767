//! A site of files: hashed ones for a year, the others asked about each time, all of them compressed where that makes them smaller, a page
//! for what is not there.
//!
//! `cargo run --example static_site --features compression,files -- DIRECTORY`, without which it is `public`. Then
//!
//! ```text
//! curl -i http://127.0.0.1:8000/
//! curl -i --compressed http://127.0.0.1:8000/index.html
//! curl -i -H 'range: bytes=0-99' http://127.0.0.1:8000/index.html
//! curl -i --path-as-is http://127.0.0.1:8000/../etc/passwd
//! ```

use std::path::Path;
use wireline::files::Files;
use wireline::layer::compression::Compression;
use wireline::router::{BuildError, Routes};
use wireline::{Router, Server};

/// Apart from `main`, so that a test can have them.
pub(crate) fn routes(directory: &Path) -> Result<Routes, BuildError> {
    let site = Files::new(directory)
        .precompressed()
        .cache_hashed()
        .cache_control("no-cache")
        .fallback_with(http::StatusCode::NOT_FOUND, "404.html");
    Router::new()
        // What has no compressed file beside it is compressed as it is sent.
        .layer(Compression::new())
        .get("/health", async || "well")
        .fallback(site)
        .build()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::args_os()
        .nth(1)
        .unwrap_or_else(|| "public".into());
    Server::new(routes(Path::new(&directory))?)
        .bind("127.0.0.1:8000")
        .run()?;
    Ok(())
}
