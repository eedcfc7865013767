//! Handshakes that take places and time: TL-1, TL-5.

use crate::Context;
use crate::crowd;
use crate::dribble::client_hello;
use crate::outcome::Outcome;
use crate::target::handshake;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// TL-1. All are open at the same time; `concurrency` is how many connect at once.
pub(crate) async fn silence(context: Arc<Context>) -> Outcome {
    let mut outcome = Outcome::default();
    let hello = match client_hello(&context.target.honest) {
        Ok(hello) => Arc::new(hello),
        Err(error) => return Outcome::failed(error.to_string()),
    };
    let mut open = JoinSet::new();
    for number in 0..context.count {
        match context.target.connect_from(number).await {
            Ok(stream) => drop(open.spawn(wait_for_the_end(stream, number, hello.clone()))),
            Err(error) => outcome.complain(format!("connection {number}: {error}")),
        }
        if number % context.concurrency == context.concurrency - 1 {
            tokio::time::sleep(BREATH).await;
        }
    }
    while let Some(ended) = open.join_next().await {
        match ended {
            Ok(Ok(after)) => {
                outcome.count("closed");
                outcome.raise("longest_seconds", after.as_secs_f64());
                if after > LATEST {
                    outcome.complain(format!("closed after {:.1} s", after.as_secs_f64()));
                }
            }
            Ok(Err(error)) => outcome.complain(error.to_string()),
            Err(error) => outcome.complain(error.to_string()),
        }
    }
    outcome
}

/// How long the server has kept a connection on which the handshake does not go on.
async fn wait_for_the_end(
    mut stream: TcpStream,
    number: usize,
    hello: Arc<Vec<u8>>,
) -> io::Result<Duration> {
    let begun = Instant::now();
    let waiting = async {
        match number % 4 {
            0 => {}
            1 => stream.write_all(&hello[..hello.len() / 2]).await?,
            2 => stream.write_all(&hello).await?,
            _ => {
                for octet in &hello[..] {
                    if stream.write_all(&[*octet]).await.is_err() {
                        return Ok(());
                    }
                    // Until the server says something, or is gone.
                    let read = tokio::time::timeout(Duration::from_secs(1), stream.read_u8());
                    if read.await.is_ok() {
                        break;
                    }
                }
            }
        }
        let mut buf = [0; 1024];
        while let Ok(1..) = stream.read(&mut buf).await {}
        Ok::<(), io::Error>(())
    };
    match tokio::time::timeout(LATEST * 4, waiting).await {
        Ok(Ok(())) => Ok(begun.elapsed()),
        // A reset is an end.
        Ok(Err(_)) => Ok(begun.elapsed()),
        Err(_) => Err(io::Error::other(format!(
            "connection {number} was never closed"
        ))),
    }
}

/// TL-5.
pub(crate) async fn handshakes(context: Arc<Context>) -> Outcome {
    let begun = Instant::now();
    let mut outcome = crowd::each(&context, |context, number| async move {
        // Not faster than the catalogue says.
        tokio::time::sleep_until(begun + EVERY * u32::try_from(number).unwrap_or(u32::MAX)).await;
        let mut outcome = Outcome::default();
        let stream = match context.target.connect_from(number).await {
            Ok(stream) => stream,
            Err(error) => {
                outcome.complain(error.to_string());
                return outcome;
            }
        };
        match handshake(stream, context.target.honest.clone()).await {
            Ok(_) => outcome.count("handshakes"),
            // The attacker is to be slowed down, if anybody is.
            Err(_) => outcome.count("attackers_failed"),
        }
        outcome
    })
    .await;
    let rate = context.count as f64 / begun.elapsed().as_secs_f64();
    outcome.set("handshakes_per_second", rate);
    outcome
}

/// 5 s, two ticks of 250 ms, and what a busy machine adds.
const LATEST: Duration = Duration::from_secs(7);

/// Between two crowds that connect.
const BREATH: Duration = Duration::from_millis(5);

/// 500 a second.
const EVERY: Duration = Duration::from_millis(2);
