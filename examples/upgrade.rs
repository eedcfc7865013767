//! Another protocol on the same connection (RFC 9110 §7.8): after 101 every octet comes back, in capitals.
//!
//! `cargo run --example upgrade`, then
//!
//! ```text
//! (printf 'GET /shout HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: shout\r\n\r\n'; cat) | nc 127.0.0.1 8000
//! ```

use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wireline::router::{BuildError, Routes};
use wireline::service::upgrade::Upgraded;
use wireline::{Request, Response, Router, Server};

/// Apart from `main`, so that a test can have them.
pub(crate) fn routes() -> Result<Routes, BuildError> {
    Router::new().get("/shout", shout).build()
}

async fn shout(request: Request) -> Response {
    let offered = request
        .header("upgrade")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if !offered
        .split(',')
        .any(|protocol| protocol.trim().eq_ignore_ascii_case("shout"))
    {
        // RFC 9110 §15.5.22: 426 names the protocol that would do.
        return Response::text("this speaks the shout protocol only\n")
            .with_status(StatusCode::UPGRADE_REQUIRED)
            .with_header("upgrade", "shout");
    }
    Response::upgrade("shout", speak)
}

/// Runs once the 101 is on the wire. The server's drain waits for it, and HTTP's deadlines no longer
/// hold: a real protocol brings its own.
async fn speak(mut connection: Upgraded) {
    let mut buf = [0; 4096];
    loop {
        match connection.read(&mut buf).await {
            Ok(0) | Err(_) => break,
            Ok(len) => {
                buf[..len].make_ascii_uppercase();
                if connection.write_all(&buf[..len]).await.is_err() {
                    return;
                }
            }
        }
    }
    let _ = connection.shutdown().await;
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    Server::new(routes()?).bind("127.0.0.1:8000").run()?;
    Ok(())
}
