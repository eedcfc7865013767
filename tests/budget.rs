//! What connections hold is charged to the byte budget, wherever it lies; and who makes the others wait is closed when the budget runs short.

#[path = "support/talk.rs"]
mod talk;

use crate::talk::{pass, response, send};
use bytes::Bytes;
use tokio::io::AsyncReadExt;
use wireline::http1::driver::config::Config;
use wireline::resource::counters::Counter;
use wireline::router::{Router, Routes};
use wireline::service::body::Body;
use wireline::service::error::Error;
use wireline::service::request::Request;
use wireline::service::response::Response;
use wireline::test::TestClient;

fn routes() -> Routes {
    Router::new()
        .get("/", async || "hello")
        .get("/large", async || vec![b'x'; LARGE])
        .get("/constant", async || {
            chunks(|| Bytes::from_static(&[b'x'; 64 * 1024]))
        })
        .get("/pieces", async || chunks(|| vec![b'x'; 16 * 1024].into()))
        .get("/park", async || -> &'static str {
            std::future::pending().await
        })
        .post("/length", length)
        .post("/hold", hold)
        .post("/give-up", give_up)
        .build()
        .unwrap()
}

async fn length(mut request: Request) -> Result<String, Error> {
    Ok(request.collect().await?.len().to_string())
}

/// Keeps all content until the client is gone.
async fn hold(content: Bytes) -> String {
    std::future::pending::<()>().await;
    content.len().to_string()
}

/// Stops collecting after a second, and goes on without the content.
async fn give_up(mut request: Request) -> &'static str {
    let second = std::time::Duration::from_secs(1);
    let collected = tokio::time::timeout(second, request.collect()).await;
    assert!(collected.is_err());
    std::future::pending().await
}

/// Content without an end.
fn chunks(chunk: impl Fn() -> Bytes + Send + 'static) -> Response {
    Response::new(Body::from_chunks(std::iter::from_fn(move || Some(chunk()))))
}

fn head(path: &str, length: usize) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n")
}

/// A client that sends `sent` octets of a content of `length`, then 300 a second until it has sent all; gives what it is answered.
fn upload(
    client: &TestClient,
    path: &'static str,
    length: usize,
    sent: usize,
) -> tokio::task::JoinHandle<String> {
    let (mut reader, mut writer) = tokio::io::split(client.connect());
    tokio::spawn(async move {
        let request = async move {
            send(&mut writer, head(path, length)).await;
            send(&mut writer, vec![b'x'; sent]).await;
            let mut left = length - sent;
            while left > 0 {
                pass(1.0).await;
                let some = left.min(300);
                send(&mut writer, vec![b'x'; some]).await;
                left -= some;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            answer = response(&mut reader) => answer,
            () = request => unreachable!("the request pends when it is sent"),
        }
    })
}

#[tokio::test(start_paused = true)]
async fn what_is_collected_is_charged_until_it_is_answered() {
    let client = TestClient::new(routes());
    let slow = upload(&client, "/length", 500_000, 499_400);
    pass(0.5).await;
    let held = client.buffered();
    assert!((499_400..520_000).contains(&held), "{held}");
    let answer = slow.await.unwrap();
    assert!(answer.ends_with("\r\n\r\n500000"), "{answer}");
    pass(3.0).await;
    assert_eq!((client.connections(), client.buffered()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_a_handler_was_given_is_charged_while_it_lives() {
    for length in [3_000, 60_000, 500_000] {
        let client = TestClient::new(routes());
        let parked = upload(&client, "/hold", length, length);
        pass(0.5).await;
        let held = client.buffered();
        assert!(held >= length && held <= length * 2 + 32_000, "{held}");
        parked.abort();
        pass(3.0).await;
        assert_eq!((client.connections(), client.buffered()), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_handler_has_let_go_of_is_not_charged() {
    let client = TestClient::new(routes());
    let slow = upload(&client, "/give-up", 500_000, 400_000);
    pass(0.5).await;
    assert!(client.buffered() >= 400_000, "{}", client.buffered());
    pass(2.0).await;
    assert!(client.buffered() < 100_000, "{}", client.buffered());
    slow.abort();
}

/// A capacity grows with what has come, and not beyond what was declared.
#[tokio::test(start_paused = true)]
async fn a_declared_length_alone_takes_no_memory() {
    let client = TestClient::new(routes());
    let slow = upload(&client, "/length", 9_000_000, 100_000);
    pass(0.5).await;
    let held = client.buffered();
    assert!((100_000..200_000).contains(&held), "{held}");
    slow.abort();
}

/// Sixteen clients that upload 2 MB each meet a budget of 8 MB.
#[tokio::test(start_paused = true)]
async fn collected_content_stays_within_the_budget() {
    let client = TestClient::with_budget(routes(), Config::default(), 8_000_000);
    let slow: Vec<_> = (0..16)
        .map(|_| upload(&client, "/length", 2_000_000, 1_990_000))
        .collect();
    let mut most = 0;
    for _ in 0..200 {
        pass(0.01).await;
        most = most.max(client.buffered());
    }
    assert!((6_400_000..10_000_000).contains(&most), "{most}");
    assert!(client.count(Counter::ReadsPaused) > 0);
    assert_eq!(client.get("/").await.status, 200);
    // That they are gone shows behind what was not read of them: the deadline of reading ends them.
    slow.iter().for_each(tokio::task::JoinHandle::abort);
    pass(40.0).await;
    assert_eq!((client.connections(), client.buffered()), (0, 0));
}

/// Content without an end for those who take nothing of it: no more than 32 KiB waits for each, though what is read may be a constant
/// that is twice as long; and one piece more for those who take a little now and then.
#[tokio::test(start_paused = true)]
async fn who_does_not_read_holds_little() {
    for (path, most) in [("/constant", 33), ("/pieces", 49)] {
        let client = TestClient::new(routes());
        let mut held = Vec::new();
        for _ in 0..20 {
            let mut io = client.connect();
            send(&mut io, format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
            io.read_exact(&mut [0; 300]).await.unwrap();
            held.push(io);
        }
        pass(1.0).await;
        assert!(client.buffered() <= 20 * 33 * 1024, "{}", client.buffered());
        for _ in 0..20 {
            pass(1.0).await;
            assert!(
                client.buffered() <= 20 * most * 1024,
                "{}",
                client.buffered()
            );
            for io in &mut held {
                io.read_exact(&mut [0; 5000]).await.unwrap();
            }
        }
        // Who takes it all gets more at once.
        held.truncate(1);
        pass(1.0).await;
        let mut much = vec![0; 64 * 1024];
        for _ in 0..100 {
            held[0].read_exact(&mut much).await.unwrap();
        }
    }
}

/// Those who hold what they do not take are closed for a request that comes, before it is refused.
#[tokio::test(start_paused = true)]
async fn who_asks_for_little_is_served_while_others_go() {
    let client = TestClient::with_budget(routes(), Config::default(), 10_000_000);
    let mut held = use_up(&client, 9_400_000, GET_LARGE).await;
    pass(2.0).await;
    assert_eq!(client.count(Counter::ShedConnections), 0);
    let begun = tokio::time::Instant::now();
    for _ in 0..20 {
        let mut io = client.connect();
        send(&mut io, GET_LARGE).await;
        held.push(io);
        assert_eq!(client.get("/").await.status, 200);
    }
    assert!(begun.elapsed().as_millis() < 10, "{:?}", begun.elapsed());
    assert!(client.count(Counter::ShedConnections) > 0);
    assert_eq!(client.count(Counter::ShedRequests), 0);
    drop(held);
}

/// Begins connections that hold something until 95 % of the budget are used.
async fn use_up(
    client: &TestClient,
    budget: usize,
    request: &str,
) -> Vec<wireline::resource::io::memory::MemoryStream> {
    let mut held = Vec::new();
    while client.buffered() < budget / 100 * 95 {
        assert!(held.len() < budget / 10_000, "{}", client.buffered());
        let mut io = client.connect();
        send(&mut io, request).await;
        held.push(io);
        pass(0.001).await;
    }
    assert!(client.buffered() < budget / 100 * 98);
    held
}

/// A response of which a part was taken is charged whole, and its clients go when they make others wait.
#[tokio::test(start_paused = true)]
async fn who_takes_no_response_is_closed_for_new_requests() {
    let client = TestClient::with_budget(routes(), Config::default(), 10_000_000);
    let mut held = use_up(&client, 10_000_000, GET_LARGE).await;
    assert!(held.len() <= 9_500_000 / LARGE + 1, "{}", held.len());
    assert_eq!(client.get("/").await.status, 503);
    pass(1.0).await;
    assert_eq!(client.get("/").await.status, 200);
    assert!(client.count(Counter::ShedConnections) > 0);
    // They come again and again: at no time is anybody else refused for more than a second.
    let mut refused = 0;
    for _ in 0..100 {
        for _ in 0..5 {
            let mut io = client.connect();
            send(&mut io, GET_LARGE).await;
            held.push(io);
        }
        pass(0.25).await;
        refused = match client.get("/").await.status.as_u16() {
            200 => 0,
            _ => refused + 1,
        };
        assert!(refused <= 4, "refused for a second");
        assert!(client.buffered() < 10_000_000);
    }
    assert_eq!(client.count(Counter::WriteTimeouts), 0);
}

/// Who takes a little all the time, fast enough for every deadline, does not stall, and makes others wait all the same.
#[tokio::test(start_paused = true)]
async fn who_takes_a_response_slowly_is_closed_for_new_requests() {
    let client = TestClient::with_budget(routes(), Config::default(), 10_000_000);
    let held = use_up(&client, 10_000_000, GET_LARGE).await;
    for mut io in held {
        tokio::spawn(async move {
            let mut some = [0; 200];
            while io.read_exact(&mut some).await.is_ok() {
                pass(0.1).await;
            }
        });
    }
    assert_eq!(client.get("/").await.status, 503);
    pass(2.0).await;
    assert_eq!(client.get("/").await.status, 200);
    let shed = client.count(Counter::ShedConnections);
    assert!((1..=5).contains(&shed), "{shed}");
}

/// A handler that works keeps its connection for as long as there is room for it.
#[tokio::test(start_paused = true)]
async fn who_waits_for_us_is_not_closed_for_new_requests() {
    let client = TestClient::with_budget(routes(), Config::default(), 1_000_000);
    let parked = use_up(
        &client,
        1_000_000,
        "GET /park HTTP/1.1\r\nHost: a\r\n\r\n\n",
    )
    .await;
    pass(5.0).await;
    assert_eq!(client.get("/").await.status, 503);
    assert_eq!(client.count(Counter::ShedConnections), 0);
    drop(parked);
    pass(3.0).await;
    assert_eq!(client.get("/").await.status, 200);
}

const LARGE: usize = 200_000;
const GET_LARGE: &str = "GET /large HTTP/1.1\r\nHost: a\r\n\r\n";
