//! WebSocket load by the library's own client: what a message costs the side that asks.
//!
//!     ws-load ws://127.0.0.1:8000/ws --connections 64 --messages 100000 --size 16
//!
//! Every connection keeps one binary message in flight and checks what comes back. Prints one line of JSON: messages, seconds, and the processor time
//! of this process for each message. `wsload` of the peers' workspace, which costs less than any client, is what servers are measured with.

#![forbid(unsafe_code)]

use bytes::Bytes;
use clap::Parser;
use std::process::ExitCode;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;
use wireline::wire::number;
use wireline::ws::client::Client;
use wireline::ws::close::CloseCode;
use wireline::ws::deflate;
use wireline::ws::message::Message;
use wireline::ws::socket::WebSocket;

/// Sends messages to an echo server and waits for each to come back.
#[derive(Parser)]
#[command(name = "ws-load", version)]
struct Args {
    /// Where to connect.
    url: String,
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Altogether.
    #[arg(long, default_value_t = 100_000)]
    messages: usize,
    /// Octets of a message, at most 1 MiB.
    #[arg(long, default_value_t = 16)]
    size: usize,
    /// Offers permessage-deflate.
    #[arg(long)]
    deflate: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(load(&args)),
        Err(error) => Err(error.to_string()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ws-load: {error}");
            ExitCode::from(3)
        }
    }
}

async fn load(args: &Args) -> Result<(), String> {
    let mut client = Client::new();
    if args.deflate {
        client = client.deflate(deflate::Config::default());
    }
    let mut sockets = Vec::with_capacity(args.connections);
    for at in 0..args.connections {
        let socket = client.connect(&args.url).await;
        sockets.push(socket.map_err(|error| format!("connection {at}: {error}"))?);
    }
    let payload = Bytes::from(vec![b'x'; args.size]);
    let (begun, used) = (Instant::now(), processor_time());
    let mut running = JoinSet::new();
    for (at, socket) in sockets.into_iter().enumerate() {
        // What does not divide goes to the first.
        let share =
            args.messages / args.connections + usize::from(at < args.messages % args.connections);
        running.spawn(echoes(socket, payload.clone(), share));
    }
    while let Some(done) = running.join_next().await {
        done.map_err(|error| error.to_string())??;
    }
    let (seconds, used) = (begun.elapsed().as_secs_f64(), processor_time() - used);
    let each = used.as_secs_f64() * 1e6 / args.messages.max(1) as f64;
    println!(
        r#"{{"count": {}, "seconds": {seconds:.3}, "client_cpu_us": {each:.2}}}"#,
        args.messages
    );
    Ok(())
}

async fn echoes(mut socket: WebSocket, payload: Bytes, count: usize) -> Result<(), String> {
    for _ in 0..count {
        let sent = socket.send(payload.clone()).await;
        sent.map_err(|error| error.to_string())?;
        match socket.recv().await {
            Some(Ok(Message::Binary(back))) if back == payload => {}
            other => return Err(format!("no echo: {other:?}")),
        }
    }
    let _ = socket.close(Some(CloseCode::NORMAL.into()));
    while let Some(Ok(_)) = socket.recv().await {}
    Ok(())
}

/// Of this process, user and system, by the scheduler's account.
fn processor_time() -> Duration {
    let account = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanos = account.split_whitespace().next().unwrap_or_default();
    Duration::from_nanos(number::decimal(nanos.as_bytes()).unwrap_or_default())
}
