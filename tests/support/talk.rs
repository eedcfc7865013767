//! Talking to a server octet by octet, and telling how long things took on the paused clock.

#![allow(dead_code, reason = "each test file uses its part")]

use std::ops::RangeInclusive;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

/// Sends octets; a peer that has closed does not matter here, because what comes back tells.
pub(crate) async fn send(io: &mut (impl AsyncWrite + Unpin), octets: impl AsRef<[u8]>) {
    let _ = io.write_all(octets.as_ref()).await;
    let _ = io.flush().await;
}

/// Everything until the end of the stream, lossily as text; a reset ends it, too.
pub(crate) async fn rest(io: &mut (impl AsyncRead + Unpin)) -> String {
    let mut got = Vec::new();
    let _ = io.read_to_end(&mut got).await;
    String::from_utf8_lossy(&got).into_owned()
}

/// Reads until what came ends with `end`; the end of the stream ends it, too.
pub(crate) async fn until(io: &mut (impl AsyncRead + Unpin), end: &str) -> String {
    let mut got = Vec::new();
    while !got.ends_with(end.as_bytes()) {
        let mut octet = [0];
        match io.read(&mut octet).await {
            Ok(1..) => got.push(octet[0]),
            _ => break,
        }
    }
    String::from_utf8_lossy(&got).into_owned()
}

/// Reads one response head and as much content as its Content-Length says.
pub(crate) async fn response(io: &mut (impl AsyncRead + Unpin)) -> String {
    let mut got = until(io, "\r\n\r\n").await;
    if let Some(length) = field(&got, "content-length") {
        let length = length
            .bytes()
            .fold(0, |length, digit| length * 10 + usize::from(digit - b'0'));
        let mut content = vec![0; length];
        if io.read_exact(&mut content).await.is_ok() {
            got.push_str(&String::from_utf8_lossy(&content));
        }
    }
    got
}

/// The value of a field in a response as text.
pub(crate) fn field<'a>(response: &'a str, name: &str) -> Option<&'a str> {
    let head = response.split("\r\n\r\n").next()?;
    head.lines().skip(1).find_map(|line| {
        let (key, value) = line.split_once(": ")?;
        key.eq_ignore_ascii_case(name).then_some(value)
    })
}

/// The status codes of the responses in `octets`, which holds nothing but whole ones without a `HTTP/1.1 ` in their content.
pub(crate) fn statuses(octets: &str) -> Vec<&str> {
    octets
        .split("HTTP/1.1 ")
        .skip(1)
        .map(|response| &response[..3])
        .collect()
}

/// A stopwatch on tokio's clock.
pub(crate) struct Watch(Instant);

impl Watch {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// The seconds that have passed.
    pub(crate) fn passed(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }

    /// Fails unless the time that has passed lies in this range of seconds.
    #[track_caller]
    pub(crate) fn assert(&self, seconds: RangeInclusive<f64>) {
        let passed = self.passed();
        assert!(
            seconds.contains(&passed),
            "took {passed} s, expected {seconds:?}"
        );
    }
}

/// Waits on tokio's clock.
pub(crate) async fn pass(seconds: f64) {
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
}

/// Octet after octet with a pause before each, until the other end is gone.
pub(crate) async fn dribble(
    io: &mut (impl AsyncWrite + Unpin),
    octets: impl AsRef<[u8]>,
    pause: f64,
) {
    for octet in octets.as_ref() {
        pass(pause).await;
        if io.write_all(&[*octet]).await.is_err() {
            return;
        }
    }
}
