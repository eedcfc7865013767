//! See the library beside it.

use wireline::Server;
use wireline_opentelemetry::{export_to, router};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let endpoint = std::env::args().nth(1);
    let provider = export_to(
        endpoint
            .as_deref()
            .unwrap_or("http://localhost:4318/v1/traces"),
    );
    Server::new(router().build()?)
        .bind("127.0.0.1:8000")
        .run()?;
    // What was not yet sent.
    provider.shutdown()?;
    Ok(())
}
