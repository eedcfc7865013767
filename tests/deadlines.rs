//! Every deadline of a connection, on a paused clock: when it fires, what the peer sees, and which counter moves.
//!
//! A deadline is never early. The sweep looks four times a second and rates are judged once a second, so that a deadline is late by
//! less than two seconds; the ranges below say both.

#[path = "deadlines/age.rs"]
mod age;
#[path = "deadlines/content.rs"]
mod content;
#[path = "deadlines/drain.rs"]
mod drain;
#[path = "deadlines/gone.rs"]
mod gone;
#[path = "deadlines/head.rs"]
mod head;
#[path = "deadlines/jump.rs"]
mod jump;
#[path = "deadlines/response.rs"]
mod response;
#[path = "support/talk.rs"]
mod talk;
#[path = "support/tapped.rs"]
mod tapped;

use crate::talk::pass;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use wireline::http1::driver::config::Config;
use wireline::resource::counters::Counter;
use wireline::service::error::Error;
use wireline::service::handler::{Service, service_fn};
use wireline::service::request::Request;
use wireline::service::response::Response;
use wireline::test::TestClient;

/// What handlers did, as far as a client cannot see it.
#[derive(Clone, Default)]
struct Seen {
    begun: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
    told: Arc<AtomicUsize>,
}

impl Seen {
    fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }

    fn dropped(&self) -> usize {
        self.dropped.load(Ordering::SeqCst)
    }

    fn told(&self) -> usize {
        self.told.load(Ordering::SeqCst)
    }
}

/// Counts when a handler's future goes, whether it was done or not.
struct Guard(Seen);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

/// `/` answers at once, `/after/N` after N tenths of a second, `/never` never; `/told` waits for the client's end and answers half a
/// second later; `/length` answers how much content came; `/late` reads its content after 40 s; `/ignore` does not read it.
fn service(seen: Seen) -> impl Service {
    service_fn(move |mut request: Request| {
        let seen = seen.clone();
        async move {
            seen.begun.fetch_add(1, Ordering::SeqCst);
            let _guard = Guard(seen.clone());
            let path = request.path().to_owned();
            if let Some(tenths) = path.strip_prefix("/after/") {
                let tenths = tenths
                    .bytes()
                    .fold(0, |tenths, digit| tenths * 10 + u32::from(digit - b'0'));
                pass(f64::from(tenths) / 10.0).await;
                return Ok(Response::text("later"));
            }
            Ok::<_, Error>(match path.as_str() {
                "/never" => std::future::pending().await,
                "/told" => {
                    request.closed().await;
                    seen.told.fetch_add(1, Ordering::SeqCst);
                    pass(0.5).await;
                    Response::text("I heard")
                }
                "/length" => Response::text(request.collect().await?.len().to_string()),
                "/late" => {
                    pass(40.0).await;
                    Response::text(request.collect().await?.len().to_string())
                }
                "/ignore" => Response::text("ignored"),
                "/large" => Response::bytes(vec![b'x'; 1024 * 1024], "application/octet-stream"),
                _ => Response::text("at once"),
            })
        }
    })
}

fn client() -> (TestClient, Seen) {
    client_with(|_| ())
}

fn client_with(change: impl FnOnce(&mut Config)) -> (TestClient, Seen) {
    let seen = Seen::default();
    let mut config = Config::default();
    change(&mut config);
    (TestClient::with_config(service(seen.clone()), config), seen)
}

/// Fails unless exactly these deadline counters have moved, by one each, and the connection left nothing behind.
#[track_caller]
fn assert_only(client: &TestClient, moved: &[Counter]) {
    for counter in DEADLINES {
        let expected = u64::from(moved.contains(&counter));
        assert_eq!(client.count(counter), expected, "{}", counter.name());
    }
    assert_eq!(
        client.count(Counter::ConnectionsAccepted),
        client.count(Counter::ConnectionsClosed),
        "a connection is left"
    );
    assert_eq!((client.connections(), client.buffered()), (0, 0));
}

/// What a deadline may move.
const DEADLINES: [Counter; 9] = [
    Counter::HeadTimeouts,
    Counter::SilentTimeouts,
    Counter::BodyTimeouts,
    Counter::IdleTimeouts,
    Counter::WriteTimeouts,
    Counter::HandlersCancelled,
    Counter::IncompleteRequests,
    Counter::DrainForced,
    Counter::IoErrors,
];
