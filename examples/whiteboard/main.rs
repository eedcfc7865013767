//! A whiteboard for everybody who opens the page: `cargo run --example whiteboard --features files,relay`, then <http://127.0.0.1:8000> in
//! two windows. Another address is its one argument, and another board `?board=NAME`.
//!
//! | topic | is kept | what is said there |
//! |---|---|---|
//! | `board:NAME` | a day | pieces of lines, and `clear`, to everybody. Who has drawn a piece waits for it, too: all draw the same things in the same order, so all boards are alike. Who comes later gets what is kept, and who was away what is missing |
//! | `cursors:NAME` | not at all | where somebody points, to everybody else |
//!
//! The page is `page.html` beside this; it speaks through the client in `clients/js`.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use wireline::files::Files;
use wireline::relay::hub::Retention;
use wireline::relay::{Relay, RelayConfig, RelayEvent, Unmatched};
use wireline::router::{BuildError, Routes};
use wireline::{Error, Response, Router, Server};

/// What the page says when it comes.
#[derive(Deserialize)]
struct Guest {
    name: String,
}

/// As much of a line as a hand draws in a twentieth of a second.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Piece {
    /// Made up by the page, which knows its own pieces by it.
    key: String,
    colour: u8,
    width: u8,
    points: Vec<[u16; 2]>,
}

impl Piece {
    fn is_drawable(&self) -> bool {
        let is_inside = |[x, y]: &[u16; 2]| *x <= WIDTH && *y <= HEIGHT;
        (1..=16).contains(&self.key.len())
            && self.colour < COLOURS
            && (1..=64).contains(&self.width)
            && (1..=256).contains(&self.points.len())
            && self.points.iter().all(is_inside)
    }
}

async fn board(event: RelayEvent, relay: Relay) -> Result<(), Error> {
    match event {
        RelayEvent::Join {
            topic,
            conn_id,
            payload,
            ..
        } => {
            let Ok(Guest { name }) = payload.json() else {
                return Err(refused("who are you?"));
            };
            if name.is_empty() || name.chars().count() > 24 {
                return Err(refused("a name has 1 to 24 characters"));
            }
            let tracked = relay.track(&topic, conn_id, &json!({ "name": name }));
            tracked.map_err(Error::internal)?;
        }
        RelayEvent::Message {
            topic,
            event,
            payload,
            ..
        } => {
            let pushed = match event.as_str() {
                "piece" => match payload.json::<Piece>() {
                    Ok(piece) if piece.is_drawable() => relay.push(&topic, "piece", &piece).await,
                    _ => return Err(refused("nobody can draw that")),
                },
                "clear" => relay.push(&topic, "clear", &()).await,
                _ => return Err(refused("here people draw")),
            };
            pushed.map_err(Error::internal)?;
        }
        _ => {}
    }
    Ok(())
}

async fn cursors(event: RelayEvent, relay: Relay) -> Result<(), Error> {
    if let RelayEvent::Message {
        topic,
        payload,
        conn_id,
        ..
    } = event
    {
        // Nowhere is a place, too: outside of the board.
        let Ok(at) = payload.json::<Option<[u16; 2]>>() else {
            return Err(refused("where is that?"));
        };
        let pointed = json!({ "by": conn_id, "at": at });
        let pushed = relay.push_from(conn_id, &topic, "at", &pointed).await;
        pushed.map_err(Error::internal)?;
    }
    Ok(())
}

fn refused(why: &'static str) -> Error {
    Error::new(StatusCode::BAD_REQUEST, why)
}

pub(crate) fn routes() -> Result<Routes, BuildError> {
    let a_day = Retention {
        messages: 20_000,
        octets: 8 << 20,
        age: 24 * 60 * 60 * 1000,
    };
    let config = RelayConfig::default()
        .channel("board:*", board)
        .channel("cursors:*", cursors)
        .unmatched(Unmatched::Reject)
        .retention(move |topic| match topic.as_str().starts_with("board:") {
            true => a_day,
            false => Retention::NOTHING,
        });
    Router::new()
        .get("/", async || Response::html(include_str!("page.html")))
        .files("/client", Files::new(CLIENT))
        .with_relay(config)
        .build()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let place = std::env::args().nth(1);
    let place = place.as_deref().unwrap_or("127.0.0.1:8000");
    Server::new(routes()?).bind(place).run_with(|handle| {
        for bound in handle.bound() {
            println!("listening on {bound}");
        }
    })?;
    Ok(())
}

/// The client as it is written, which browsers understand.
const CLIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/clients/js/src");

/// The paper has so many units, whatever a window shows it in.
const WIDTH: u16 = 1600;
const HEIGHT: u16 = 900;

/// The colours that the page knows.
const COLOURS: u8 = 6;
