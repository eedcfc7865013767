//! The end of the server: what was begun is finished, what is idle goes, and the deadline is one (decision D24).

use crate::talk::{Watch, pass, response, rest, send};
use crate::{assert_only, client};
use wireline::resource::counters::Counter;

/// What is being answered says `close` and is finished.
#[tokio::test(start_paused = true)]
async fn a_response_in_a_drain_says_close_and_ends_the_connection() {
    let (client, _) = client();
    let mut io = client.connect();
    send(
        &mut io,
        "GET /after/50 HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    )
    .await;
    pass(1.0).await;
    client.drain();
    let watch = Watch::start();
    let answer = rest(&mut io).await;
    watch.assert(4.0..=4.1);
    assert_eq!(
        answer.matches("HTTP/1.1 ").count(),
        1,
        "nothing new is begun: {answer}"
    );
    assert!(
        answer.contains("\r\nconnection: close\r\n") && answer.ends_with("later"),
        "{answer}"
    );
    drop(io);
    pass(0.1).await;
    assert_only(&client, &[]);
}

/// What is idle goes after a moment in which a request that is on its way is still served.
#[tokio::test(start_paused = true)]
async fn idle_connections_go_after_a_grace() {
    let (client, _) = client();
    let (mut idle, mut late) = (client.connect(), client.connect());
    for io in [&mut idle, &mut late] {
        send(io, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(
            response(io)
                .await
                .contains("\r\nconnection: keep-alive\r\n")
        );
    }
    pass(1.0).await;
    client.drain();
    let watch = Watch::start();
    pass(0.1).await;
    send(&mut late, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let answer = rest(&mut late).await;
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.contains("\r\nconnection: close\r\n"),
        "{answer}"
    );
    assert_eq!(rest(&mut idle).await, "");
    watch.assert(0.25..=1.0);
    drop(late);
    pass(0.1).await;
    assert_eq!((client.connections(), client.buffered()), (0, 0));
}

/// Answers that the server gives on its own account say `close` in a drain, too.
#[tokio::test(start_paused = true)]
async fn a_panic_in_a_drain_is_answered_with_close() {
    let panics = wireline::service::handler::service_fn(
        async |_: wireline::service::request::Request| -> &'static str {
            pass(1.0).await;
            panic!("for the test")
        },
    );
    let client = wireline::test::TestClient::new(panics);
    let mut io = client.connect();
    send(&mut io, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    pass(0.5).await;
    client.drain();
    let answer = rest(&mut io).await;
    assert!(
        answer.starts_with("HTTP/1.1 500 ") && answer.contains("\r\nconnection: close\r\n"),
        "{answer}"
    );
}

/// When the deadline of the drain has passed, everything ends, whatever it is doing.
#[tokio::test(start_paused = true)]
async fn the_force_ends_everything() {
    let (client, seen) = client();
    let requests = [
        "GET /never HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nx",
        "POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nx",
        "GET /large HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHo",
        "",
    ];
    let mut all: Vec<_> = requests.iter().map(|_| client.connect()).collect();
    for (io, request) in all.iter_mut().zip(requests) {
        send(io, request).await;
    }
    pass(0.1).await;
    client.drain();
    pass(0.1).await;
    assert_eq!(client.connections(), requests.len());
    let watch = Watch::start();
    client.force();
    pass(0.001).await;
    assert_eq!((client.connections(), client.buffered()), (0, 0));
    watch.assert(0.0..=0.01);
    assert_eq!(client.count(Counter::DrainForced), requests.len() as u64);
    assert_eq!(seen.begun(), seen.dropped());
    assert_eq!(client.count(Counter::HandlersCancelled), 2);
}
