//! A Unix domain socket beside a TCP port, as behind a reverse proxy on the same machine.
//!
//! `cargo run --example unix_socket -- /tmp/hello.sock`, then
//!
//! ```text
//! curl --unix-socket /tmp/hello.sock http://localhost/
//! curl http://127.0.0.1:8000/
//! ```

use std::path::Path;
use wireline::resource::addr::{ConnInfo, PeerAddr};
use wireline::router::{BuildError, Routes};
use wireline::{Router, Server};

/// Apart from `main`, so that a test can have them.
pub(crate) fn routes() -> Result<Routes, BuildError> {
    Router::new().get("/", who).build()
}

/// Not every peer has an IP address.
async fn who(connection: ConnInfo) -> String {
    match connection.peer {
        PeerAddr::Inet(addr) => format!("you came over TCP, from {addr}\n"),
        PeerAddr::Unix => "you came over the Unix socket\n".to_owned(),
        other => format!("you came from {other}\n"),
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args_os()
        .nth(1)
        .unwrap_or_else(|| "hello.sock".into());
    // A socket file that nobody listens at any more is replaced, and ours is removed at the end.
    let server = Server::new(routes()?)
        .bind(Path::new(&path))
        .bind("127.0.0.1:8000");
    server.run_with(|handle| {
        for place in handle.bound() {
            println!("listening on {place}");
        }
    })?;
    Ok(())
}
