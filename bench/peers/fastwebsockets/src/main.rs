//! fastwebsockets over hyper's upgrade: any path is an echo.
//!
//!     fastwebsockets-peer PORT [WORKERS]

#![forbid(unsafe_code)]

use bytes::Bytes;
use fastwebsockets::{FragmentCollector, OpCode, WebSocketError, upgrade};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use peer_common::Arguments;

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

async fn open(mut request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, WebSocketError> {
    let (answer, upgraded) = upgrade::upgrade(&mut request)?;
    // Without tokio's cooperative budget, as the library's own echo server does.
    tokio::spawn(tokio::task::unconstrained(async {
        let _ = echo(upgraded).await;
    }));
    Ok(answer)
}

async fn echo(upgraded: upgrade::UpgradeFut) -> Result<(), WebSocketError> {
    let mut socket = upgraded.await?;
    socket.set_max_message_size(1 << 26);
    let mut socket = FragmentCollector::new(socket);
    loop {
        let frame = socket.read_frame().await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            OpCode::Text | OpCode::Binary => socket.write_frame(frame).await?,
            _ => {}
        }
    }
}
