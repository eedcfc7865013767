//! yawc over hyper's upgrade: any path is an echo.
//!
//!     yawc-peer PORT [WORKERS]

#![forbid(unsafe_code)]

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use peer_common::Arguments;
use yawc::frame::OpCode;
use yawc::{Options, UpgradeFut, WebSocket};

fn main() {
    let arguments = Arguments::from_env();
    peer_common::run(
        arguments.workers,
        peer_common::accept(arguments.address(), |stream| async {
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service_fn(open))
                .with_upgrades()
                .await;
        }),
    );
}

async fn open(mut request: Request<Incoming>) -> yawc::Result<Response<Empty<Bytes>>> {
    // Text is checked, as every other server here does.
    let options = Options::default().with_limits(1 << 26, 1 << 27).with_utf8();
    let (answer, upgraded) = WebSocket::upgrade_with_options(&mut request, options)?;
    tokio::spawn(async {
        let _ = echo(upgraded).await;
    });
    Ok(answer)
}

async fn echo(upgraded: UpgradeFut) -> yawc::Result<()> {
    let mut socket = upgraded.await?;
    while let Some(frame) = socket.next().await {
        match frame.opcode() {
            OpCode::Text | OpCode::Binary => socket.send(frame).await?,
            OpCode::Close => break,
            _ => {}
        }
    }
    Ok(())
}
