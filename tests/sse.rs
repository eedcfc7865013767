//! Event streams: their lines, their keep-alive, their end, over HTTP/1.1 and HTTP/2.

#[path = "support/h2_peer.rs"]
mod h2_peer;

use futures_core::Stream;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};
use wireline::extract::LastEventId;
use wireline::service::body::Closed;
use wireline::sse::{Event, InvalidEvent, Refused, Sse, SseSender};
use wireline::test::TestClient;
use wireline::{Error, Router};

/// A stream of what is in a list.
struct List<T>(VecDeque<T>);

impl<T: Unpin> Stream for List<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<T>> {
        Poll::Ready(self.0.pop_front())
    }
}

fn list<T>(items: impl IntoIterator<Item = T>) -> List<T> {
    List(items.into_iter().collect())
}

#[test]
fn lines_as_the_standard_reads_them() {
    for (event, expected) in [
        (Event::data("hello"), "data: hello\n"),
        (Event::data(""), "data: \n"),
        (
            Event::data("a\nb\r\nc\rd"),
            "data: a\ndata: b\ndata: c\ndata: d\n",
        ),
        (Event::data("a\n"), "data: a\ndata: \n"),
        (Event::data("\n\n"), "data: \ndata: \ndata: \n"),
        (Event::data(" lead:ing"), "data:  lead:ing\n"),
        (Event::comment("a\nb"), ": a\n: b\n"),
        (
            Event::data("x").retry(Duration::from_millis(2500)),
            "data: x\nretry: 2500\n",
        ),
        (Event::json(&("a\nb", 1)).unwrap(), "data: [\"a\\nb\",1]\n"),
    ] {
        assert_eq!(event.as_str(), expected);
    }
}

/// RESILIENCE HD-1.
#[test]
fn hd_1_no_text_makes_a_line_of_its_own() {
    for text in [
        "\r",
        "\n",
        "\0",
        "7\ndata: forged",
        "7\r\n\r\nevent: x",
        "a\rb",
    ] {
        let refused: Result<Event, InvalidEvent> = Event::data("").id(text);
        assert!(refused.is_err(), "{text:?}");
        assert!(Event::data("").event(text).is_err(), "{text:?}");
        for event in [Event::data(text), Event::comment(text)] {
            let begins = if event.as_str().starts_with("data: ") {
                "data: "
            } else {
                ": "
            };
            let lines = event.as_str().strip_suffix('\n').unwrap();
            assert!(lines.split('\n').all(|line| line.starts_with(begins)));
            assert!(!event.as_str().contains('\r'));
        }
    }
    let message = Event::data("").id("\n").unwrap_err();
    assert_eq!(
        message.to_string(),
        "the `id` of an event has CR, LF or NUL in it"
    );
    let error = Error::from(message);
    assert_eq!(
        (error.status().as_u16(), error.message()),
        (500, "internal server error")
    );
}

fn router() -> Router {
    Router::new()
        .get("/three", async || {
            Sse::from_stream(list((1..4).map(|number| Event::data(number.to_string()))))
        })
        .get("/failing", async || {
            Sse::try_from_stream(list([Ok(Event::data("1")), Err("gone wrong")]))
        })
        .get("/last", async |last: Option<LastEventId>| {
            format!("{last:?}")
        })
        .get("/must", async |LastEventId(last): LastEventId| last)
}

#[tokio::test(start_paused = true)]
async fn an_event_stream_has_its_fields_and_its_events() {
    let client = TestClient::new(router().build().unwrap());
    let answer = client.get("/three").await;
    assert_eq!(answer.text(), "data: 1\n\ndata: 2\n\ndata: 3\n\n");
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-store"),
        ("x-accel-buffering", "no"),
    ] {
        assert_eq!(answer.header(name), Some(value));
    }
    let sender = h2_peer::connect(&client).await;
    let asked = h2_peer::to("GET", "/three").body(bytes::Bytes::new());
    let reply = h2_peer::ask(&sender, asked.unwrap()).await.unwrap();
    assert_eq!(reply.text(), "data: 1\n\ndata: 2\n\ndata: 3\n\n");
    assert_eq!(reply.field("content-type"), Some("text/event-stream"));
    // What fails is cut short.
    assert!(client.get("/failing").send().await.is_err());
    let head = client.head("/three").await;
    assert_eq!((head.status.as_u16(), head.text()), (200, ""));
}

#[tokio::test(start_paused = true)]
async fn last_event_id() {
    let client = TestClient::new(router().build().unwrap());
    for (sent, told, status) in [
        (None, "None", 400),
        (Some(&b""[..]), "None", 400),
        (Some(&b"42"[..]), "Some(LastEventId(\"42\"))", 200),
        (Some("ü".as_bytes()), "Some(LastEventId(\"ü\"))", 200),
    ] {
        let ask = |path| {
            let request = client.get(path);
            match sent {
                Some(sent) => request.header("last-event-id", sent),
                None => request,
            }
        };
        assert_eq!(ask("/last").await.text(), told);
        assert_eq!(ask("/must").await.status, status);
    }
    let refused = client
        .get("/last")
        .header("last-event-id", &b"\xff"[..])
        .await;
    assert_eq!(
        (refused.status.as_u16(), refused.text()),
        (400, "`Last-Event-ID` is not UTF-8")
    );
}

/// A route whose sender the test has.
fn with_sender(keep_alive: Option<Duration>) -> (TestClient, oneshot::Receiver<SseSender>) {
    let (give, take) = oneshot::channel();
    let give = Arc::new(Mutex::new(Some(give)));
    let route = move || {
        let give = give.lock().unwrap().take().unwrap();
        async move {
            let (sender, sse) = Sse::channel();
            let _ = give.send(sender);
            sse.keep_alive(keep_alive)
        }
    };
    let routes = Router::new().get("/", route).build().unwrap();
    (TestClient::new(routes), take)
}

#[tokio::test(start_paused = true)]
async fn a_quiet_stream_says_that_it_is_alive() {
    for (every, expected) in [(Some(15), 4), (Some(30), 2), (None, 0)] {
        let (client, sender) = with_sender(every.map(Duration::from_secs));
        let begun = Instant::now();
        let asked = async { client.get("/").await };
        let fed = async {
            let sender = sender.await.unwrap();
            sleep(Duration::from_secs(10)).await;
            sender.send(Event::data("once")).await.unwrap();
            // The time counts from what was sent last.
            sleep(Duration::from_secs(62)).await;
        };
        let (answer, ()) = tokio::join!(asked, fed);
        assert_eq!(begun.elapsed().as_secs(), 72);
        let expected = format!("data: once\n\n{}", ":\n\n".repeat(expected));
        assert_eq!(answer.text(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_ends_its_producer() {
    for over_http2 in [false, true] {
        let (client, sender) = with_sender(Some(Duration::from_secs(15)));
        let sender = if over_http2 {
            let mut peer = h2_peer::Peer::open(&client).await;
            peer.get(1, "/").await;
            let sender = sender.await.unwrap();
            sender.send(Event::data("hello")).await.unwrap();
            peer.next_of(h2_peer::DATA).await;
            assert!(!sender.is_closed());
            peer.reset(1).await;
            sender
        } else {
            let mut connection = client.connect();
            connection
                .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                .await
                .unwrap();
            let sender = sender.await.unwrap();
            sender.send(Event::data("hello")).await.unwrap();
            let mut seen = Vec::new();
            while !seen.ends_with(b"data: hello\n\n\r\n") {
                connection.read_buf(&mut seen).await.unwrap();
            }
            assert!(!sender.is_closed());
            drop(connection);
            sender
        };
        timeout(Duration::from_secs(40), sender.closed())
            .await
            .expect("the producer is told");
        assert_eq!(sender.send(Event::data("late")).await, Err(Closed));
        assert!(matches!(
            sender.try_send(Event::data("late")),
            Err(Refused::Closed(_))
        ));
    }
}

/// A client that does not read stops its producer; nothing piles up.
#[tokio::test(start_paused = true)]
async fn a_slow_client_slows_its_producer_down() {
    let (client, sender) = with_sender(None);
    let mut connection = client.connect();
    connection
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    let sender = sender.await.unwrap();
    let event = Event::data("x".repeat(10_000));
    let mut sent = 0;
    while timeout(Duration::from_secs(1), sender.send(event.clone()))
        .await
        .is_ok()
    {
        sent += 1;
        assert!(
            sent < 100,
            "a megabyte was taken for a client that reads nothing"
        );
    }
    assert!(sent >= 16);
    assert!(matches!(sender.try_send(event), Err(Refused::Full(_))));
    drop(sender);
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n0\r\n\r\n") {
        connection.read_buf(&mut seen).await.unwrap();
    }
    let events = seen
        .windows(7)
        .filter(|window| window == b"data: x")
        .count();
    assert_eq!(events, sent);
}
