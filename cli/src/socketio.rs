//! Socket.IO as it is configured: rooms for clients, without a program of one's own.
//!
//! ```text
//!   join  room                  the socket is in the room
//!   leave room                  it is no longer
//!   emit  room, event, args...  all others in the room get the event; who is not in it may not
//! ```

use crate::broker::Broker;
use crate::config::{Adapter, Config};
use crate::guard;
use crate::sign_in::SignIn;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::future::ready;
use std::task::{Context, Waker};
use wireline::extract::Json;
use wireline::layer::error_pages::ErrorPages;
use wireline::router::Router;
use wireline::service::response::Response;
use wireline::service::user::CurrentUser;
use wireline::socketio::packet::Args;
use wireline::socketio::server::{
    ConnectError, Data, Namespace, RoomSize, Socket, SocketIo, SocketIoConfig,
};
use wireline::socketio::transport::Transport;
use wireline::{Error, Result};

/// The server, and its endpoints with the sign-in around them.
pub(crate) fn routes(config: &Config) -> std::result::Result<(SocketIo, Router), String> {
    let asked = &config.socketio;
    let io = SocketIo::with_config(SocketIoConfig {
        path: asked.path.clone(),
        max_payload: asked.max_payload,
        ..SocketIoConfig::default()
    });
    share_rooms(&io, config)?;
    let sign_in = SignIn::new(config)?;
    let is_needed = config.auth.required && sign_in.auth.is_some();
    serve(&io, is_needed, asked.max_rooms);
    for name in &asked.namespaces {
        serve(&io.of(name), is_needed, asked.max_rooms);
    }
    let mut router = Router::new().socket_io(&io);
    if let Some(auth) = sign_in.auth {
        router = router.layer(auth);
    }
    if config.api.on {
        let api = Router::new()
            .layer(ErrorPages::problems())
            .layer(guard::auth(config)?)
            .state(io.clone())
            .get("/api/socketio", overview)
            .post("/api/socketio/emit", emit);
        router = Router::new().merge(router).merge(api);
    }
    Ok((io, router))
}

/// Has the nodes of a cluster have their rooms together.
fn share_rooms(io: &SocketIo, config: &Config) -> std::result::Result<(), String> {
    let asked = &config.socketio;
    let Some(backplane) = &config.backplane else {
        return Ok(());
    };
    match asked.adapter {
        Adapter::None => Ok(()),
        Adapter::Backplane => Broker::of(backplane)?.share_rooms(io, &backplane.prefix),
        Adapter::RedisNpm => Broker::of(backplane)?.share_rooms_with_npm(io, &asked.adapter_key),
    }
}

/// Whether there is a connection to the other nodes; nothing without others.
pub(crate) fn is_up(io: &SocketIo) -> Option<bool> {
    let mut up = io.adapter()?.up();
    let mut cx = Context::from_waker(Waker::noop());
    Some(up.as_mut().poll(&mut cx).is_ready())
}

/// The events of a namespace.
fn serve(namespace: &Namespace, is_needed: bool, max_rooms: usize) {
    namespace
        .use_middleware(move |socket: Socket, user: Option<CurrentUser>| {
            ready(match user {
                None if is_needed => Err("not signed in"),
                user => {
                    user.into_iter().for_each(|user| socket.insert(user));
                    Ok(())
                }
            })
        })
        .on("join", move |socket: Socket, Data(room): Data<String>| {
            ready(join(&socket, &room, max_rooms))
        })
        .on("leave", async |socket: Socket, Data(room): Data<String>| {
            socket.leave(&room);
            Data(true)
        })
        .on("emit", async |socket: Socket, args: Args| {
            say(&socket, &args)
        });
}

fn join(socket: &Socket, room: &str, most: usize) -> std::result::Result<Data<bool>, ConnectError> {
    if room.is_empty() || room.len() > LONGEST {
        return Err("a room has a name of 1 to 255 octets".into());
    }
    let rooms = socket.rooms();
    // The first is its id.
    if rooms.len() > most && !rooms.iter().any(|known| known == room) {
        return Err("in too many rooms".into());
    }
    socket.join(room);
    Ok(Data(true))
}

fn say(socket: &Socket, args: &Args) -> std::result::Result<Data<bool>, ConnectError> {
    if !args.attachments().is_empty() {
        return Err("events of rooms have no attachments".into());
    }
    let values = args.values()?;
    let [Value::String(room), Value::String(event), rest @ ..] = values.as_slice() else {
        return Err("it takes a room, an event, and what the event carries".into());
    };
    // Its own id is a room as well, in which it is alone.
    if !socket.rooms().iter().any(|known| known == room) {
        return Err("not in this room".into());
    }
    socket.to(room.as_str()).emit(event, Args::list(rest)?)?;
    Ok(Data(true))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Emitted {
    #[serde(default = "main_namespace")]
    namespace: String,
    /// All of the namespace without one.
    room: Option<String>,
    event: String,
    #[serde(default)]
    args: Vec<Value>,
}

fn main_namespace() -> String {
    "/".to_owned()
}

#[derive(Serialize)]
struct Sent {
    /// Those who were there when it was sent.
    sockets: usize,
}

/// `POST /api/socketio/emit`
async fn emit(io: SocketIo, Json(asked): Json<Emitted>) -> Result<Response> {
    let namespaces = io.namespaces();
    let namespace = namespaces
        .iter()
        .find(|namespace| namespace.name() == asked.namespace)
        .ok_or_else(|| Error::new(StatusCode::NOT_FOUND, "there is no such namespace"))?;
    let args = Args::list(&asked.args).map_err(Error::internal)?;
    if asked.room.as_deref() == Some("") {
        return Err(Error::new(
            StatusCode::BAD_REQUEST,
            "no room has an empty name",
        ));
    }
    let (chosen, sockets) = match asked.room {
        Some(room) => {
            let chosen = namespace.to(room);
            let sockets = chosen.sockets().len();
            (chosen, sockets)
        }
        None => (namespace.all(), namespace.len()),
    };
    let sent = chosen.emit(&asked.event, args);
    sent.map_err(|error| Error::new(StatusCode::BAD_REQUEST, error.to_string()))?;
    Response::json(&Sent { sockets })
}

#[derive(Serialize)]
struct Overview {
    sessions: u64,
    polling: u64,
    sockets: u64,
    events: u64,
    connected: u64,
    refused: u64,
    namespaces: Vec<Space>,
    rooms: usize,
    largest_rooms: Vec<Room>,
    /// Some of them.
    list: Vec<Listed>,
}

#[derive(Serialize)]
struct Space {
    namespace: String,
    sockets: usize,
}

#[derive(Serialize)]
struct Room {
    namespace: String,
    room: String,
    sockets: usize,
}

#[derive(Serialize)]
struct Listed {
    id: String,
    namespace: String,
    transport: &'static str,
    /// The first of its rooms, its id not among them, and how many there are.
    rooms: Vec<String>,
    room_count: usize,
    user: Option<String>,
    since_ms: u64,
    waiting: usize,
}

/// `GET /api/socketio`: what there is. Lists are short, however much that is.
async fn overview(io: SocketIo) -> Result<Response> {
    let (stats, engine) = (io.stats(), io.engine_stats());
    let namespaces = io.namespaces();
    let largest = io.largest_rooms(SHOWN);
    let mut list = Vec::new();
    for namespace in &namespaces {
        let room = SHOWN - list.len();
        list.extend(namespace.some_sockets(room).iter().map(listed));
    }
    let mut spaces: Vec<Space> = namespaces
        .iter()
        .map(|namespace| Space {
            namespace: namespace.name().to_owned(),
            sockets: namespace.len(),
        })
        .collect();
    spaces.sort_by(|one, other| {
        let order = other.sockets.cmp(&one.sockets);
        order.then_with(|| one.namespace.cmp(&other.namespace))
    });
    let rooms = largest.rooms.into_iter();
    Response::json(&Overview {
        sessions: engine.sessions,
        polling: engine.polling.min(engine.sessions),
        sockets: stats.sockets,
        events: stats.events,
        connected: stats.connected,
        refused: stats.refused + engine.refused + engine.too_many,
        namespaces: spaces,
        rooms: largest.count,
        largest_rooms: rooms
            .map(
                |RoomSize {
                     namespace,
                     room,
                     sockets,
                     ..
                 }| Room {
                    namespace: namespace.to_string(),
                    room: room.to_string(),
                    sockets,
                },
            )
            .collect(),
        list,
    })
}

fn listed(socket: &Socket) -> Listed {
    let rooms = socket.rooms();
    let others = rooms.iter().filter(|room| **room != socket.id());
    Listed {
        id: socket.id().to_owned(),
        namespace: socket.namespace().to_owned(),
        transport: match socket.transport() {
            Transport::Polling => "polling",
            Transport::WebSocket => "websocket",
        },
        room_count: rooms.len() - 1,
        rooms: others.take(ROOMS).map(ToString::to_string).collect(),
        user: socket.get::<CurrentUser>().map(|user| user.id().to_owned()),
        since_ms: u64::try_from(socket.age().as_millis()).unwrap_or(u64::MAX),
        waiting: socket.waiting(),
    }
}

/// The longest name of a room, in octets.
const LONGEST: usize = 255;
/// How many sockets, and how many rooms, a list has.
const SHOWN: usize = 200;
/// How many rooms of a socket are named.
const ROOMS: usize = 8;
