//! What connections hold is charged to the byte budget, wherever it lies; and who makes the others wait is closed when the budget runs short.

#[path = "support/talk.rs"]
mod talk;

use crate::talk::{pass, response, send};
use wireline::http1::driver::config::Config;
use wireline::resource::counters::Counter;
use wireline::router::{Router, Routes};
use wireline::service::error::Error;
use wireline::service::request::Request;
use wireline::test::TestClient;

fn routes() -> Routes {
    Router::new()
        .get("/", async || "hello")
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
async fn hold(content: bytes::Bytes) -> String {
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
