//! A clock that a page follows through server-sent events, from where it lost the connection.
//!
//! `cargo run --example sse_clock`, then open <http://127.0.0.1:8000/> or
//!
//! ```text
//! curl -N http://127.0.0.1:8000/ticks
//! curl -N -H 'Last-Event-ID: 41' http://127.0.0.1:8000/ticks
//! ```

use std::time::Duration;
use wireline::extract::LastEventId;
use wireline::router::{BuildError, Routes};
use wireline::sse::{Event, InvalidEvent, Sse};
use wireline::wire::number;
use wireline::{Response, Router, Server};

/// Apart from `main`, so that a test can have them.
pub(crate) fn routes() -> Result<Routes, BuildError> {
    Router::new()
        .get("/", async || Response::html(PAGE))
        .get("/ticks", ticks)
        .build()
}

async fn ticks(last: Option<LastEventId>) -> Sse {
    // Whatever a client says it has seen: what is no number of ours begins anew.
    let seen = last.and_then(|LastEventId(id)| number::decimal(id.as_bytes()));
    let first = seen.map_or(0, |seen| seen.saturating_add(1));
    let (events, sse) = Sse::channel();
    tokio::spawn(async move {
        for number in first.. {
            let Ok(event) = tick(number) else { return };
            // `send` is an error once the client has gone, which ends the task.
            if events.send(event).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    sse
}

fn tick(number: u64) -> Result<Event, InvalidEvent> {
    Event::data(format!("tick {number}"))
        .event("tick")?
        .retry(Duration::from_secs(2))
        .id(number.to_string())
}

const PAGE: &str = r#"<!doctype html>
<title>Clock</title>
<output id="clock">...</output>
<script>
const clock = document.getElementById("clock");
new EventSource("/ticks").addEventListener("tick", event => clock.textContent = event.data);
</script>"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    Server::new(routes()?).bind("127.0.0.1:8000").run()?;
    Ok(())
}
