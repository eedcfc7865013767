//! A chat: `cargo run --example ws_chat`, then in two terminals
//!
//! ```text
//! websocat 'ws://127.0.0.1:8000/rooms/garden?name=ada'
//! websocat 'ws://127.0.0.1:8000/rooms/garden?name=bo'
//! ```
//!
//! Whoever comes is told who is there, everybody hears what is said. A name that is taken is refused.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wireline::extract::{Path, Query, State};
use wireline::router::{BuildError, Routes};
use wireline::ws::close::{CloseCode, CloseFrame};
use wireline::ws::prepared::Prepared;
use wireline::ws::socket::each::Each;
use wireline::ws::socket::{WebSocket, WsSender};
use wireline::{Router, Server};

#[derive(Deserialize)]
struct Guest {
    name: String,
}

/// Who is in which room, and how to reach them.
#[derive(Clone, Default)]
struct Rooms(Arc<Mutex<Guests>>);

type Guests = BTreeMap<String, BTreeMap<String, WsSender>>;

impl Rooms {
    fn lock(&self) -> MutexGuard<'_, Guests> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A guest's place: leaving it, however that happens, frees the name and is told.
struct Place {
    rooms: Rooms,
    room: String,
    name: String,
}

impl Place {
    fn take(rooms: Rooms, room: String, name: String, sender: WsSender) -> Option<Self> {
        let mut all = rooms.lock();
        let guests = all.entry(room.clone()).or_default();
        if guests.contains_key(&name) {
            return None;
        }
        guests.insert(name.clone(), sender);
        drop(all);
        Some(Self { rooms, room, name })
    }

    fn who_is_there(&self) -> String {
        let all = self.rooms.lock();
        let names = all.get(&self.room).into_iter().flat_map(BTreeMap::keys);
        names.map(String::as_str).collect::<Vec<_>>().join(", ")
    }

    /// To everybody, framed once. Whoever is too slow is closed with 1013 by the default policy.
    fn say(&self, words: &str) {
        let message = Prepared::text(&format!("{} {words}", self.name));
        let all = self.rooms.lock();
        for guest in all.get(&self.room).into_iter().flat_map(BTreeMap::values) {
            let _ = guest.try_send_prepared(&message);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.rooms.lock();
        all.entry(self.room.clone()).or_default().remove(&self.name);
        all.retain(|_, guests| !guests.is_empty());
        drop(all);
        self.say("left");
    }
}

async fn chat(
    socket: WebSocket,
    Path(room): Path<String>,
    Query(guest): Query<Guest>,
    State(rooms): State<Rooms>,
) -> CloseFrame {
    let Some(place) = Place::take(rooms, room, guest.name, socket.sender()) else {
        return CloseFrame::new(CloseCode::POLICY, "the name is taken");
    };
    let _ = socket.send(place.who_is_there()).await;
    place.say("came");
    let place = Arc::new(place);
    socket
        .for_each(Each::default(), |_, message| {
            let place = place.clone();
            async move {
                if let Some(words) = message.as_text() {
                    place.say(&format!("says {words}"));
                }
            }
        })
        .await
}

/// Apart from `main`, so that a test can have them.
pub(crate) fn routes() -> Result<Routes, BuildError> {
    Router::new()
        .websocket("/rooms/{room}", chat)
        .state(Rooms::default())
        .build()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    Server::new(routes()?).bind("127.0.0.1:8000").run()?;
    Ok(())
}
