//! The floors: the least work that still answers. They check nothing; no server that does may hope to be below them.
//!
//!     floor PORT WORKERS tokio      a tokio current-thread runtime per worker, a search for the blank line, a fixed answer
//!     floor PORT WORKERS epoll      the same over epoll, without a runtime
//!     floor PORT WORKERS ws         WebSocket over epoll: /ws echoes, what comes on /pub goes to every /sub, encoded once;
//!                                   /pubs and /sub/7: the first four octets of a message are its topic

#![forbid(unsafe_code)]

mod answer;
mod epoll;
mod wsframe;

use std::net::{SocketAddr, TcpListener};

use peer_common::{Arguments, listen};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn main() {
    let arguments = Arguments::from_env();
    let serve: fn(TcpListener) -> std::io::Result<()> = match arguments.mode.as_deref() {
        Some("tokio") => tokio_loop,
        Some("epoll") => |listener| epoll::serve(listener, epoll::Speaks::Http),
        Some("ws") => |listener| epoll::serve(listener, epoll::Speaks::WebSocket),
        _ => {
            eprintln!("usage: floor PORT WORKERS tokio|epoll|ws");
            std::process::exit(2);
        }
    };
    let address: SocketAddr = arguments.address();
    let workers: Vec<_> = (0..arguments.workers)
        .map(|_| {
            let listener = listen(address, true);
            std::thread::spawn(move || serve(listener))
        })
        .collect();
    for worker in workers {
        if let Ok(Err(error)) = worker.join() {
            eprintln!("{address}: {error}");
            std::process::exit(1);
        }
    }
}

fn tokio_loop(listener: TcpListener) -> std::io::Result<()> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            loop {
                if let Ok((stream, _)) = listener.accept().await {
                    let _ = stream.set_nodelay(true);
                    tokio::spawn(connection(stream));
                }
            }
        })
}

async fn connection(mut stream: tokio::net::TcpStream) -> std::io::Result<()> {
    let mut buffer: Vec<u8> = Vec::with_capacity(8192);
    let mut out = Vec::with_capacity(4096);
    loop {
        if stream.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
        let used = answer::answer(&buffer, &mut out);
        if used == buffer.len() {
            buffer.clear();
        } else if used > 0 {
            buffer.drain(..used);
        }
        if !out.is_empty() {
            stream.write_all(&out).await?;
            out.clear();
        }
    }
}
