//! Uploads and downloads of any size in constant memory.
//!
//! `cargo run --release --example streaming`, then
//!
//! ```text
//! head -c 1G /dev/zero | curl -T - -X POST http://127.0.0.1:8000/upload
//! curl http://127.0.0.1:8000/download/1000000000 | wc -c
//! ```

use bytes::Bytes;
use wireline::extract::Path;
use wireline::router::{BuildError, Routes};
use wireline::{Body, Response, Result, Router, Server};

/// Apart from `main`, so that a test can have them.
pub(crate) fn routes() -> Result<Routes, BuildError> {
    Router::new()
        .get("/download/{octets}", download)
        .post("/upload", upload)
        // What is looked at and let go needs no limit: the deadlines and the least rate still hold.
        .max_body(u64::MAX)
        .build()
}

/// Takes the content chunk by chunk. A handler that is slow slows the client down: nothing is read from
/// the socket before the chunk before it was taken.
async fn upload(mut body: Body) -> Result<String> {
    let (mut octets, mut sum) = (0_u64, 0_u8);
    while let Some(chunk) = body.chunk().await {
        let chunk = chunk?;
        octets += chunk.len() as u64;
        sum = chunk
            .iter()
            .fold(sum, |sum, octet| sum.wrapping_add(*octet));
    }
    Ok(format!("{octets} octets, sum {sum}\n"))
}

/// Sends content that does not exist yet. `send` waits until the client has taken the chunk before, and
/// is an error once the client is gone, which ends the task.
async fn download(Path(octets): Path<u64>) -> Response {
    let (mut sender, body) = Body::channel();
    tokio::spawn(async move {
        let block = Bytes::from_static(&[b'.'; 64 * 1024]);
        let mut left = octets;
        while left > 0 {
            let len = usize::try_from(left).unwrap_or(usize::MAX).min(block.len());
            if sender.send(block.slice(..len)).await.is_err() {
                return;
            }
            left -= len as u64;
        }
    });
    // The length is known, so the client is told; without it the content goes out in chunks.
    Response::new(body)
        .with_content_type("application/octet-stream")
        .with_header("content-length", octets)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    Server::new(routes()?).bind("127.0.0.1:8000").run()?;
    Ok(())
}
