//! The publishers of one node: one for each topic, over one connection.

use super::Clock;
use super::Failure;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

/// Publishes to the topics in turn, so often a second, until it is told to stop; gives how many messages each topic had.
pub(crate) async fn publish(
    port: u16,
    by: usize,
    topics: usize,
    rate: u32,
    clock: Arc<Clock>,
    stop: watch::Receiver<bool>,
) -> Result<Vec<u64>, Failure> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let mut counts = vec![0_u64; topics];
    let mut ticks = interval(Duration::from_secs(1) / rate.max(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut topic = by * topics / 3;
    let mut piece = vec![0; 4096];
    while !*stop.borrow() {
        ticks.tick().await;
        topic = (topic + 1) % topics;
        counts[topic] += 1;
        let (n, at) = (counts[topic], clock.now());
        let body = format!(
            r#"{{"topic":"t:{topic}","event":"m","payload":{{"by":{by},"n":{n},"at":{at}}}}}"#
        );
        let request = format!(
            "POST /api/publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        while !is_whole(&answer) {
            let length = stream.read(&mut piece).await?;
            if length == 0 {
                return Err("the server has closed the publisher's connection".into());
            }
            answer.extend_from_slice(&piece[..length]);
        }
        if !answer.starts_with(b"HTTP/1.1 200 ") {
            return Err(String::from_utf8_lossy(&answer).into_owned().into());
        }
        clock.answered(at);
    }
    Ok(counts)
}

/// Whether there is a head, and as much behind it as it says.
fn is_whole(answer: &[u8]) -> bool {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
        return false;
    };
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| {
        let value = line.strip_prefix("content-length:")?;
        wireline::wire::number::decimal(value.trim().as_bytes())
    });
    length.is_some_and(|length| (answer.len() - end - 4) as u64 >= length)
}
