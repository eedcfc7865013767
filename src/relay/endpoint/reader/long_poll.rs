//! One request of a long poll.

use super::{Reader, Step, farewell};
use crate::relay::endpoint::Relay;
use crate::relay::endpoint::reader::ask::Ask;
use crate::service::problem::Problem;
use crate::service::request::Parts;
use crate::service::response::{IntoResponse, Response};
use crate::ws::close::CloseFrame;
use bytes::Bytes;
use http::HeaderValue;
use http::header::CACHE_CONTROL;
use serde::de::IgnoredAny;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Answers a request of a long poll. `parts` is its head.
pub(crate) async fn long_poll(relay: Relay, parts: Parts) -> Response {
    let begun = Instant::now();
    let ask = match Ask::of(&parts, &relay) {
        Ok(ask) => ask.without_presence(),
        Err(error) => return Problem::from(error).into_response(),
    };
    let until = begun + ask.wait;
    let mut reader = match Reader::open(&relay, ask, parts).await {
        Ok(reader) => reader,
        Err(problem) => return problem.into_response(),
    };
    let has_news = poll_fn(|cx| {
        reader.poll(cx);
        let is_enough = reader.closing.is_some() || reader.ready.iter().any(|item| item.is_news);
        if is_enough {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    });
    // Without news the answer is what there is: where the client stands.
    let _ = timeout_at(until, has_news).await;
    let content = answer(&mut reader);
    reader.linger(BETWEEN);
    Response::typed(JSON, content.into()).with_header(CACHE_CONTROL, "no-store")
}

fn answer(reader: &mut Reader) -> Bytes {
    let mut messages: Vec<u8> = Vec::new();
    let mut add = |text: &[u8]| {
        if !messages.is_empty() {
            messages.push(b',');
        }
        messages.extend_from_slice(text);
    };
    while let Some((text, step)) = reader.pop() {
        if is_told(&text, step) {
            add(&text);
        }
    }
    if let Some(close) = reader.closing.take().filter(is_of_application) {
        add(farewell(&close).as_bytes());
    }
    // Topics, numbers, spaces and semicolons: a JSON string as it is.
    let cursor = reader.cursor.text();
    let begin = format!("{{\"cursor\":\"{cursor}\",\"messages\":[");
    [begin.as_bytes(), &messages, b"]}"].concat().into()
}

/// Whether a message stands in the answer: a subscription only when something may be missing, and nothing that is no JSON.
fn is_told(text: &[u8], step: Step) -> bool {
    match step {
        Step::Begin(..) => {
            #[derive(serde::Deserialize)]
            struct Subscribed {
                recovered: bool,
            }
            serde_json::from_slice(text).is_ok_and(|Subscribed { recovered }| !recovered)
        }
        _ => serde_json::from_slice::<IgnoredAny>(text).is_ok(),
    }
}

/// Whether the application has ended it: a server that goes away, and a sign-in that ends, end a long poll early without a word.
const fn is_of_application(close: &CloseFrame) -> bool {
    matches!(close.code.get(), 4000..=4400 | 4402..=4999)
}

/// How long a client may take from an answer to its next request without a loss that it is not told of exactly.
const BETWEEN: Duration = Duration::from_secs(60);

const JSON: HeaderValue = HeaderValue::from_static("application/json");
