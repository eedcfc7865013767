//! A client of Socket.IO for the terminal: `cargo run --example socketio_client --features client,socketio --
//! http://127.0.0.1:3000` sends each line that it reads as an event `message`, and shows each event that it receives.
//!
//! A path in the URL is the namespace. The end of the input disconnects.

use std::error::Error;
use std::io::BufRead;
use tokio::sync::mpsc;
use wireline::socketio::client::{Builder, EventName, SocketIoClient};
use wireline::socketio::packet::Args;

/// Shows every event, and how the client is connected. Apart from `main`, so that a test can have it.
pub(crate) fn client(url: &str, show: impl Fn(String) + Clone + Send + Sync + 'static) -> Builder {
    let (events, connects, disconnects) = (show.clone(), show.clone(), show);
    SocketIoClient::builder(url)
        .on_any(move |EventName(name): EventName, args: Args| {
            events(format!("{name} {}", args.array()));
            async {}
        })
        .on_connect(move |client| {
            connects(format!("connected as {}", client.id().unwrap_or_default()));
            async {}
        })
        .on_disconnect(move |_, reason| {
            disconnects(format!("disconnected: {reason}"));
            async {}
        })
}

/// Sends what comes from `input`, until that ends.
pub(crate) async fn talk(
    client: SocketIoClient,
    mut input: mpsc::Receiver<String>,
) -> Result<(), Box<dyn Error>> {
    while let Some(line) = input.recv().await {
        client.emit("message", line)?;
    }
    client.shut_down().await;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1);
    let url = url.as_deref().unwrap_or("http://127.0.0.1:3000");
    let client = client(url, |line| println!("{line}")).connect().await?;
    let (lines, input) = mpsc::channel(64);
    // Reading the terminal blocks; a thread of its own may.
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if lines.blocking_send(line).is_err() {
                return;
            }
        }
    });
    talk(client, input).await
}
