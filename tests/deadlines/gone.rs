//! The client goes: by halves, altogether, by a reset (decision D32).

use crate::talk::{Watch, pass, response, rest, send, statuses};
use crate::{assert_only, client, client_with, service};
use tokio::io::AsyncWriteExt;
use wireline::resource::counters::Counter;

/// A handler that waits for the client's end is told at once, and its answer is still sent.
#[tokio::test(start_paused = true)]
async fn a_fin_after_a_request_is_told_and_answered() {
    let (client, seen) = client();
    let mut io = client.connect();
    send(&mut io, "GET /told HTTP/1.1\r\nHost: a\r\n\r\n").await;
    pass(5.0).await;
    assert_eq!((seen.begun(), seen.told()), (1, 0));
    let watch = Watch::start();
    io.shutdown().await.unwrap();
    let answer = rest(&mut io).await;
    watch.assert(0.5..=0.6);
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("I heard"),
        "{answer}"
    );
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    pass(0.1).await;
    assert_eq!(seen.told(), 1);
    assert_only(&client, &[]);
}

/// After two seconds nobody is waited for.
#[tokio::test(start_paused = true)]
async fn a_handler_that_goes_on_after_a_fin_is_cancelled() {
    for path in ["/never", "/after/100"] {
        let (client, seen) = client();
        let mut io = client.connect();
        send(&mut io, format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        pass(3.0).await;
        let watch = Watch::start();
        io.shutdown().await.unwrap();
        assert_eq!(rest(&mut io).await, "");
        watch.assert(2.0..=3.2);
        assert_eq!((seen.begun(), seen.dropped()), (1, 1));
        assert_only(&client, &[Counter::HandlersCancelled]);
    }
}

/// A handler that answers within the grace is heard.
#[tokio::test(start_paused = true)]
async fn a_handler_that_ends_within_the_grace_is_heard() {
    let (client, _) = client();
    let mut io = client.connect();
    send(&mut io, "GET /after/15 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    io.shutdown().await.unwrap();
    assert!(rest(&mut io).await.ends_with("later"));
    assert_only(&client, &[]);
}

/// Every whole request that came before the end of the stream is answered, also those behind a slow one.
#[tokio::test(start_paused = true)]
async fn pipelined_requests_before_a_fin_are_all_answered() {
    for path in ["/", "/after/15"] {
        let (client, seen) = client();
        let mut io = client.connect();
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        send(&mut io, request.repeat(3)).await;
        pass(0.1).await;
        io.shutdown().await.unwrap();
        let answers = rest(&mut io).await;
        assert_eq!(statuses(&answers), ["200"; 3], "{answers}");
        assert_eq!((seen.begun(), seen.dropped()), (3, 3));
        assert_only(&client, &[]);
    }
}

/// A reset cancels at once, and so does closing both directions when something has to be written.
#[tokio::test(start_paused = true)]
async fn a_reset_cancels_at_once() {
    let (client, seen) = client();
    let mut io = client.connect();
    send(&mut io, "GET /never HTTP/1.1\r\nHost: a\r\n\r\n").await;
    pass(3.0).await;
    let watch = Watch::start();
    io.reset();
    pass(0.001).await;
    assert_eq!(
        (seen.begun(), seen.dropped(), client.connections()),
        (1, 1, 0)
    );
    watch.assert(0.0..=0.01);
    assert_only(&client, &[Counter::HandlersCancelled, Counter::IoErrors]);
}

/// Octets that nobody reads hide a reset from a read; it is still seen within a second or so.
#[tokio::test(start_paused = true)]
async fn a_reset_is_seen_behind_a_fin_and_behind_a_full_read_ahead() {
    let (client, seen) = client();
    let mut io = client.connect();
    send(&mut io, "GET /after/15 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    io.shutdown().await.unwrap();
    pass(0.1).await;
    io.reset();
    pass(1.3).await;
    assert_eq!(
        (seen.begun(), seen.dropped(), client.connections()),
        (1, 1, 0)
    );
    assert_eq!(client.count(Counter::HandlersCancelled), 1);

    let mut io = client.connect();
    send(&mut io, "GET /never HTTP/1.1\r\nHost: a\r\n\r\n").await;
    send(&mut io, vec![b'\n'; 64 * 1024]).await;
    pass(5.0).await;
    assert!(
        io.unread_by_peer() > 16 * 1024,
        "more was read ahead than the limit says"
    );
    io.reset();
    pass(1.5).await;
    assert_eq!(
        (seen.begun(), seen.dropped(), client.connections()),
        (2, 2, 0)
    );
    assert_eq!(client.count(Counter::HandlersCancelled), 2);
    assert_eq!(client.buffered(), 0);
}

/// Half a request is nothing to answer: whoever waits for the rest is told and dropped.
#[tokio::test(start_paused = true)]
async fn a_fin_inside_a_request_ends_it() {
    let chunked = "POST /length HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel";
    let small = "POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhel";
    let large = "POST /length HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nhel";
    let head = "GET / HTTP/1.1\r\nHost";
    for (request, handlers) in [(head, 0), (small, 0), (large, 1), (chunked, 1)] {
        let (client, seen) = client();
        let mut io = client.connect();
        send(&mut io, request).await;
        pass(0.1).await;
        let watch = Watch::start();
        io.shutdown().await.unwrap();
        assert_eq!(rest(&mut io).await, "", "{request}");
        watch.assert(0.0..=0.1);
        pass(0.1).await;
        assert_eq!(
            (seen.begun(), seen.dropped()),
            (handlers, handlers),
            "{request}"
        );
        let cancelled = [Counter::IncompleteRequests, Counter::HandlersCancelled];
        assert_only(&client, &cancelled[..=handlers]);
    }
}

/// A half-closed client that takes what is sent is served to the end, however long that is.
#[tokio::test(start_paused = true)]
async fn a_half_closed_client_gets_its_stream_to_the_end() {
    let events =
        wireline::service::handler::service_fn(async |_: wireline::service::request::Request| {
            let (mut sender, body) = wireline::service::body::Body::channel();
            tokio::spawn(async move {
                for _ in 0..30 {
                    pass(1.0).await;
                    if sender.send("tick ".into()).await.is_err() {
                        return;
                    }
                }
            });
            body
        });
    let client = wireline::test::TestClient::new(events);
    let mut io = client.connect();
    send(&mut io, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    io.shutdown().await.unwrap();
    let answer = rest(&mut io).await;
    assert_eq!(answer.matches("tick ").count(), 30, "{answer}");
    assert!(answer.ends_with("\r\n0\r\n\r\n"), "{answer}");
    assert_only(&client, &[]);
}

/// In process there is no client that could go: nobody is told.
#[tokio::test(start_paused = true)]
async fn a_request_without_a_connection_is_never_told() {
    use wireline::service::handler::Service;
    let seen = crate::Seen::default();
    let answer = service(seen.clone()).call(wireline::service::request::Request::get("/told"));
    let waited = tokio::time::timeout(std::time::Duration::from_secs(3600), answer).await;
    assert!(waited.is_err() && seen.told() == 0);
}

/// A connection that is dropped between requests is nobody's fault.
#[tokio::test(start_paused = true)]
async fn closing_between_requests_moves_nothing() {
    let (client, _) = client();
    for close_first in [true, false] {
        let mut io = client.connect();
        if !close_first {
            send(&mut io, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
            response(&mut io).await;
        }
        drop(io);
        pass(0.001).await;
        assert_only(&client, &[]);
    }
}

/// Content that a task takes in the background ends when its connection does: nobody waits for ever.
#[tokio::test(start_paused = true)]
async fn a_task_that_takes_content_is_told_of_the_end() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    for reset in [true, false] {
        let ended = Arc::new(AtomicUsize::new(0));
        let count = ended.clone();
        let service = wireline::service::handler::service_fn(
            move |mut request: wireline::service::request::Request| {
                let (body, count) = (request.take_body(), count.clone());
                async move {
                    tokio::spawn(async move {
                        assert!(body.collect().await.is_err());
                        count.fetch_add(1, Ordering::SeqCst);
                    });
                    pass(60.0).await;
                    "never sent"
                }
            },
        );
        let client = wireline::test::TestClient::new(service);
        let mut io = client.connect();
        send(
            &mut io,
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nx",
        )
        .await;
        pass(1.0).await;
        assert_eq!(ended.load(Ordering::SeqCst), 0);
        if reset {
            io.reset();
        } else {
            client.force();
        }
        pass(0.1).await;
        assert_eq!((ended.load(Ordering::SeqCst), client.connections()), (1, 0));
    }
}

/// The grace begins with the client's end, however long the server waited for unread content before.
#[tokio::test(start_paused = true)]
async fn the_grace_is_whole_after_content_that_nobody_read() {
    let (client, _) = client_with(|config| config.stream_threshold = 1000);
    let mut io = client.connect();
    send(
        &mut io,
        "POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n",
    )
    .await;
    assert!(response(&mut io).await.ends_with("ignored"));
    pass(1.7).await;
    send(&mut io, vec![b'x'; 20_000]).await;
    send(&mut io, "GET /after/16 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    io.shutdown().await.unwrap();
    assert!(rest(&mut io).await.ends_with("later"));
    assert_only(&client, &[]);
}
