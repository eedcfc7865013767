//! The client of the Autobahn test suite: `autobahn_client ws://127.0.0.1:9001 AGENT` walks every case of
//! `wstest --mode=fuzzingserver`, sends back what each one sends, and has the report written.
//!
//! The agent `plain` does not offer permessage-deflate, `takeover` keeps the compression contexts from
//! message to message, any other has the defaults.

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;
use wireline::wire::number::decimal;
use wireline::ws::client::Client;
use wireline::ws::deflate;
use wireline::ws::limits::Limits;
use wireline::ws::message::Message;
use wireline::ws::socket::WebSocket;
use wireline::ws::socket::config::Config;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let (Some(url), Some(agent), None) = (words.next(), words.next(), words.next()) else {
        eprintln!("usage: autobahn_client URL AGENT");
        return ExitCode::from(2);
    };
    match walk(&url, &agent).await {
        Ok(cases) => {
            println!("{cases} cases");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn walk(url: &str, agent: &str) -> Result<u64, Box<dyn Error>> {
    let mut counting = Client::new()
        .connect(&format!("{url}/getCaseCount"))
        .await?;
    let count = counting.recv_msg().await;
    let count = count.as_ref().and_then(Message::as_text);
    let cases = count
        .and_then(|count| decimal(count.as_bytes()))
        .ok_or("the suite did not say how many cases there are")?;
    finish(counting).await;

    let client = client(agent);
    for case in 1..=cases {
        let target = format!("{url}/runCase?case={case}&agent={agent}");
        let mut socket = client
            .connect(&target)
            .await
            .map_err(|error| format!("case {case}: {error}"))?;
        echo(&mut socket).await;
    }
    // The suite notes a case when its connection has gone, of which it may learn after us.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let target = format!("{url}/updateReports?agent={agent}");
    finish(Client::new().connect(&target).await?).await;
    Ok(cases)
}

/// Until the end, whatever it is: the suite judges.
async fn echo(socket: &mut WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
            break;
        }
    }
}

async fn finish(mut socket: WebSocket) {
    while let Some(Ok(_)) = socket.recv().await {}
}

fn client(agent: &str) -> Client {
    let client = Client::new().config(Config {
        // As large as any message of the suite. What does not compress is a little longer compressed.
        limits: Limits {
            frame: 17 << 20,
            message: 16 << 20,
            ..Limits::default()
        },
        // Some cases wait long before they go on.
        write_timeout: Duration::from_secs(120),
        ..Config::default()
    });
    match agent {
        "plain" => client,
        "takeover" => client.deflate(deflate::Config {
            send_window_bits: 15,
            receive_window_bits: 15,
            send_takeover: true,
            receive_takeover: true,
            ..deflate::Config::default()
        }),
        _ => client.deflate(deflate::Config::default()),
    }
}
