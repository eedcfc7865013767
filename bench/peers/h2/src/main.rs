//! The h2 crate without a server around it, by prior knowledge, on one thread: a fixed answer to whatever is asked.
//!
//!     h2-peer PORT 1 batched      takes requests until none is there, answers them all, then lets h2 write
//!     h2-peer PORT 1 spawned      a task for each request, as its documentation does it

#![forbid(unsafe_code)]

use std::future::poll_fn;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::server::{Connection, SendResponse, handshake};
use h2::{Error, RecvStream};
use http::{Request, Response};
use peer_common::{Arguments, accept};
use peer_secure::alone;
use tokio::net::TcpStream;

fn main() {
    let arguments = Arguments::from_env();
    let address = arguments.address();
    match arguments.mode.as_deref() {
        Some("batched") => alone(accept(address, async |stream| drop(batched(stream).await))),
        Some("spawned") => alone(accept(address, async |stream| drop(spawned(stream).await))),
        _ => {
            eprintln!("usage: h2-peer PORT 1 batched|spawned");
            std::process::exit(2);
        }
    }
}

async fn batched(stream: TcpStream) -> Result<(), Error> {
    let mut connection = handshake(stream).await?;
    let mut batch = Vec::new();
    poll_fn(|cx| serve(&mut connection, &mut batch, cx)).await
}

fn serve(
    connection: &mut Connection<TcpStream, Bytes>,
    batch: &mut Vec<SendResponse<Bytes>>,
    cx: &mut Context<'_>,
) -> Poll<Result<(), Error>> {
    loop {
        // What was answered is written by h2 when it is asked for more.
        match connection.poll_accept(cx) {
            Poll::Ready(Some(Ok((_, respond)))) => batch.push(respond),
            Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
            Poll::Ready(None) => return Poll::Ready(Ok(())),
            Poll::Pending if batch.is_empty() => return Poll::Pending,
            Poll::Pending => {
                for respond in batch.drain(..) {
                    answer(respond)?;
                }
            }
        }
    }
}

async fn spawned(stream: TcpStream) -> Result<(), Error> {
    let mut connection = handshake(stream).await?;
    while let Some(asked) = connection.accept().await {
        let asked: (Request<RecvStream>, _) = asked?;
        tokio::spawn(async move { answer(asked.1) });
    }
    Ok(())
}

fn answer(mut respond: SendResponse<Bytes>) -> Result<(), Error> {
    let response = Response::builder()
        .header("content-type", "text/plain")
        .header("content-length", "13")
        .header("date", "Sat, 21 Nov 2026 09:00:00 GMT")
        .body(())
        .expect("a good response");
    respond
        .send_response(response, false)?
        .send_data(Bytes::from_static(b"Hello, World!"), true)
}
