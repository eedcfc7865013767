//! The smallest server: `cargo run --example hello`, then `curl http://127.0.0.1:8000/hello/world`.

use wireline::extract::Path;
use wireline::{Router, Server};

async fn hello(Path(name): Path<String>) -> String {
    format!("Hello, {name}!")
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let routes = Router::new()
        .get("/", async || "Hello, World!")
        .get("/hello/{name}", hello)
        .build()?;
    Server::new(routes).bind("127.0.0.1:8000").run()?;
    Ok(())
}
