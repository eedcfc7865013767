//! D41: how old a connection becomes, and how many requests it has. Neither is limited unless it is asked for.

use crate::talk::{Watch, field, pass, response, rest, send, statuses};
use crate::{assert_only, client, client_with};
use std::time::Duration;
use wireline::resource::counters::Counter;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Asks every so many seconds until a response says `close`.
async fn until_close(
    io: &mut (impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin),
    every: f64,
) -> usize {
    for count in 1..10_000 {
        send(io, GET).await;
        let answer = response(io).await;
        assert!(answer.ends_with("\r\n\r\nat once"), "{answer}");
        match field(&answer, "connection") {
            Some("keep-alive") => pass(every).await,
            Some("close") => return count,
            other => panic!("{other:?}: {answer}"),
        }
    }
    panic!("never")
}

/// D41: with the defaults a connection that is used lives on, hour after hour.
#[tokio::test(start_paused = true)]
async fn d41_nothing_is_limited_by_default() {
    let (client, _) = client();
    let mut io = client.connect();
    for _ in 0..5000 {
        send(&mut io, GET).await;
        assert_eq!(
            field(&response(&mut io).await, "connection"),
            Some("keep-alive")
        );
        pass(10.0).await;
    }
    assert_eq!(client.count(Counter::ConnectionsRetired), 0);
}

#[tokio::test(start_paused = true)]
async fn d41_the_response_after_the_greatest_age_says_close() {
    let (client, _) = client_with(|config| config.max_age = Some(Duration::from_secs(1000)));
    let mut ages = Vec::new();
    for _ in 0..20 {
        let mut io = client.connect();
        let watch = Watch::start();
        until_close(&mut io, 0.5).await;
        watch.assert(900.0..=1001.5);
        ages.push(watch.passed().round() as u32);
        assert_eq!(rest(&mut io).await, "");
    }
    pass(3.0).await;
    ages.sort_unstable();
    ages.dedup();
    assert!(ages.len() > 5, "they all end at once: {ages:?}");
    assert_eq!(client.count(Counter::ConnectionsRetired), 20);
    assert_only(&client, &[]);
}

/// A connection that waits is not cut off: a request could be on its way. The next response tells it.
#[tokio::test(start_paused = true)]
async fn d41_an_old_connection_that_waits_is_left_alone() {
    let (client, seen) = client_with(|config| config.max_age = Some(Duration::from_secs(10)));
    let mut io = client.connect();
    send(&mut io, GET).await;
    assert_eq!(
        field(&response(&mut io).await, "connection"),
        Some("keep-alive")
    );
    pass(40.0).await;
    assert_eq!(client.connections(), 1);
    // Nothing behind the last request is interpreted.
    send(&mut io, [GET, GET].concat()).await;
    let answer = rest(&mut io).await;
    assert_eq!(statuses(&answer), ["200"]);
    assert_eq!(field(&answer, "connection"), Some("close"));
    assert_eq!(seen.begun(), 2);
    assert_eq!(client.count(Counter::ConnectionsRetired), 1);
}

#[tokio::test(start_paused = true)]
async fn d41_the_response_to_the_last_request_says_close() {
    for (most, expected) in [(0, 1), (1, 1), (2, 2), (100, 100)] {
        let (client, seen) = client_with(|config| config.max_requests = Some(most));
        let mut io = client.connect();
        assert_eq!(until_close(&mut io, 0.0).await, expected);
        assert_eq!(rest(&mut io).await, "");
        // All at once, and more than there may be.
        let mut io = client.connect();
        send(&mut io, GET.repeat(expected + 5)).await;
        let answers = rest(&mut io).await;
        assert_eq!(statuses(&answers), vec!["200"; expected]);
        assert_eq!(answers.matches("connection: close").count(), 1);
        assert_eq!(seen.begun(), 2 * expected);
        assert_eq!(client.count(Counter::ConnectionsRetired), 2);
        pass(3.0).await;
        assert_only(&client, &[]);
    }
}

/// Whoever says `close` itself was not sent away; content, HEAD and errors are requests as others are.
#[tokio::test(start_paused = true)]
async fn d41_every_request_counts_and_a_closing_client_does_not() {
    let (client, _) = client_with(|config| config.max_requests = Some(4));
    let mut io = client.connect();
    send(
        &mut io,
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert_eq!(statuses(&rest(&mut io).await), ["200"]);
    assert_eq!(client.count(Counter::ConnectionsRetired), 0);
    let mut io = client.connect();
    for request in [
        "POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        "GET /after/10 HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /length HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    ] {
        send(&mut io, request).await;
        assert_eq!(
            field(&response(&mut io).await, "connection"),
            Some("keep-alive")
        );
    }
    send(
        &mut io,
        "POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n",
    )
    .await;
    send(&mut io, "x".repeat(100_000)).await;
    let answer = response(&mut io).await;
    assert!(answer.ends_with("\r\n\r\n100000"), "{answer}");
    assert_eq!(field(&answer, "connection"), Some("close"));
    assert_eq!(client.count(Counter::ConnectionsRetired), 1);
}
