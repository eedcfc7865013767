//! The server that suites of Socket.IO and Engine.IO are pointed at.
//!
//! `cargo run --example socketio_probe -- 127.0.0.1:3000`
//!
//! `/engine.io/` is Engine.IO alone, and every message comes back. `/socket.io/` is what outside suites expect: the namespaces `/` and `/custom`
//! emit `auth` with what the client authenticated itself by, and in `/` the event `message` comes back as `message-back`, and
//! `message-with-ack` is answered with its arguments. Both have a heartbeat of 300 ms.
//!
//! `/app/`, `/recovery/` and `/msgpack/` are an application with rooms, questions and a namespace that is not for everybody; the second gives
//! clients that come back what they missed, the third speaks MessagePack; at `/steady/` pings come every 300 ms, and `/deflate/` compresses
//! messages. `/guarded/` is for pages of its own origin, and `/admin-ui/` for npm's page to watch it:
//! `ada` with `swordfish`. `GET /counters` tells what has happened at each of them.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;
use wireline::Router;
use wireline::extract::Json;
use wireline::layer::cors::Cors;
use wireline::router::{BuildError, Routes};
use wireline::server::Server;
use wireline::socketio::engine;
use wireline::socketio::packet::{Args, Binary, Form};
use wireline::socketio::server::{
    AdminConfig, ConnectError, Data, DisconnectReason, EmitError, Namespace, RecoveryConfig,
    Socket, SocketIo, SocketIoConfig,
};
use wireline::socketio::transport::{EngineConfig, EngineIo, Outgoing, Session, Transport};
use wireline::ws::origin::Policy;

fn main() -> ExitCode {
    let place = std::env::args().nth(1);
    let place = place.unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    match run(&place) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("socketio_probe: {error}");
            ExitCode::FAILURE
        }
    }
}

pub(crate) fn run(place: &str) -> Result<(), Box<dyn Error>> {
    let server = Server::new(router()?).bind(place);
    server.run_with(|handle| {
        for bound in handle.bound() {
            let place = bound.to_string();
            println!("listening on {}", place.trim_start_matches("http://"));
        }
    })?;
    Ok(())
}

/// A heartbeat that suites can wait for, and everybody may ask.
fn quick() -> SocketIoConfig {
    SocketIoConfig {
        ping_interval: Duration::from_millis(300),
        ping_timeout: Duration::from_millis(200),
        connect_timeout: Duration::from_secs(1),
        ..open()
    }
}

/// Scripts of all pages may read what it says. A client that waits for a last poll, as `python-socketio` may, waits for a ping at most.
fn open() -> SocketIoConfig {
    SocketIoConfig {
        ping_interval: Duration::from_secs(5),
        ping_timeout: Duration::from_secs(60),
        origin: Policy::Any,
        cors: Some(Cors::new().any_origin().any_method().any_header()),
        // Whoever tests guesses it as often as can be.
        engine: EngineConfig {
            max_unknown_sids: u32::MAX,
            ..EngineConfig::default()
        },
        ..SocketIoConfig::default()
    }
}

fn router() -> Result<Routes, BuildError> {
    let quick = quick();
    let engine = EngineConfig {
        ping_interval: quick.ping_interval,
        ping_timeout: quick.ping_timeout,
        origin: quick.origin.clone(),
        cors: quick.cors.clone(),
        ..EngineConfig::default()
    };
    let echo = EngineIo::each(engine, |session: &Session, data| {
        session.send(&match data {
            engine::Data::Text(text) => Outgoing::text(&text),
            engine::Data::Binary(octets) => Outgoing::binary(octets),
        });
    });
    let guarded = SocketIoConfig {
        path: "/guarded/".to_owned(),
        origin: Policy::SameOrigin,
        ..SocketIoConfig::default()
    };
    let app = SocketIoConfig {
        path: "/app/".to_owned(),
        ..open()
    };
    let recovery = SocketIoConfig {
        path: "/recovery/".to_owned(),
        recovery: Some(RecoveryConfig::default()),
        ..open()
    };
    let msgpack = SocketIoConfig {
        path: "/msgpack/".to_owned(),
        form: Form::MessagePack,
        ..open()
    };
    // Pings come often, and may be answered late.
    let steady = SocketIoConfig {
        path: "/steady/".to_owned(),
        ping_interval: Duration::from_millis(300),
        ping_timeout: Duration::from_secs(20),
        ..open()
    };
    let mut deflate = SocketIoConfig {
        path: "/deflate/".to_owned(),
        ..open()
    };
    deflate.engine.compress_websockets = true;
    let servers = [
        contract(quick),
        SocketIo::with_config(guarded),
        application(app),
        application(recovery),
        application(msgpack),
        application(steady),
        application(deflate),
        watched(),
    ];
    let mut router = Router::new().engine_io("/engine.io/", &echo);
    for io in &servers {
        router = router.socket_io(io);
    }
    let router = router.get("/counters", move || {
        let counters = counters(&servers);
        async move { Json(counters) }
    });
    router.build()
}

/// The same for whom the page of npm's admin-ui watches, which is of another origin and sends credentials.
fn watched() -> SocketIo {
    const PAGE: &str = "http://admin.example";
    let io = application(SocketIoConfig {
        path: "/admin-ui/".to_owned(),
        cors: Some(Cors::new().origins([PAGE]).credentials(true)),
        origin: Policy::own_and([PAGE]),
        ..SocketIoConfig::default()
    });
    io.admin(AdminConfig::with_password("ada", "swordfish").verbose(true));
    io
}

/// What outside suites expect.
fn contract(config: SocketIoConfig) -> SocketIo {
    let io = SocketIo::with_config(config);
    io.on_connection(greet);
    io.of("/custom").on_connection(greet);
    io.on("message", async |socket: Socket, args: Args| {
        ignore(socket.emit("message-back", args));
    });
    io.on("message-with-ack", async |args: Args| args);
    io
}

async fn greet(socket: Socket) {
    ignore(socket.emit("auth", socket.auth()));
}

/// What applications do.
fn application(config: SocketIoConfig) -> SocketIo {
    let io = SocketIo::with_config(config);
    serve(&io, &io);
    let rooms = io.of_pattern("/room-*");
    rooms.on_connection(async |socket: Socket| ignore(socket.emit("name", socket.namespace())));
    serve(&io, &rooms);
    let private = io.of("/private");
    private.use_auth(async |auth: Value| match &auth["token"] {
        Value::String(token) if token == "secret" => Ok(auth),
        tried => {
            let data = json!({ "code": 401, "tried": tried });
            Err(ConnectError::new("not allowed").with_data(data))
        }
    });
    serve(&io, &private);
    io
}

/// Any value, with octets in it.
#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum Any {
    List(Vec<Self>),
    Octets(Binary),
    Object(BTreeMap<String, Self>),
    Plain(Value),
}

fn serve(io: &SocketIo, namespace: &Namespace) {
    let here = {
        let io = io.clone();
        move |socket: &Socket| io.of(socket.namespace())
    };
    namespace.on("echo", async |socket: Socket, args: Args| {
        ignore(socket.emit("echo", args));
    });
    namespace.on("ack", async |args: Args| args);
    namespace.on("who", async |socket: Socket| {
        Data(json!({
            "id": socket.id(),
            "auth": socket.auth(),
            "recovered": socket.recovered(),
            "transport": match socket.transport() {
                Transport::Polling => "polling",
                Transport::WebSocket => "websocket",
            },
        }))
    });
    // The server asks, and tells what it was answered.
    namespace.on(
        "ask",
        async |socket: Socket, Data((wait, question)): Data<(u64, Any)>| {
            let answer = socket.emit_with_ack("question", question);
            match answer.timeout(Duration::from_millis(wait)).await {
                Ok(answer) => answer,
                Err(_) => Args::new(Value::Null).unwrap_or_default(),
            }
        },
    );
    namespace.on(
        "join",
        async |socket: Socket, Data(names): Data<Vec<String>>| {
            for name in names {
                socket.join(name);
            }
            Data(rooms(&socket))
        },
    );
    namespace.on("leave", async |socket: Socket, Data(name): Data<String>| {
        socket.leave(&name);
        Data(rooms(&socket))
    });
    // To the others, to the others in rooms, to everybody in rooms, to everybody who is in none of them.
    namespace.on("others", async |socket: Socket, args: Args| {
        ignore(socket.broadcast().emit("said", args));
    });
    namespace.on(
        "others-in",
        async |socket: Socket, Data((names, what)): Data<(Vec<String>, Any)>| {
            let others = names
                .into_iter()
                .fold(socket.broadcast(), |others, name| others.to(name));
            ignore(others.emit("said", what));
        },
    );
    let all = here.clone();
    namespace.on(
        "all-in",
        move |socket: Socket, Data((names, what)): Data<(Vec<String>, Any)>| {
            let them = names
                .into_iter()
                .fold(all(&socket).all(), |them, name| them.to(name));
            ignore(them.emit("said", what));
            async {}
        },
    );
    let all = here.clone();
    namespace.on(
        "all-except",
        move |socket: Socket, Data((names, what)): Data<(Vec<String>, Any)>| {
            let them = names
                .into_iter()
                .fold(all(&socket).all(), |them, name| them.except(name));
            ignore(them.emit("said", what));
            async {}
        },
    );
    namespace.on(
        "volatile",
        async |socket: Socket, Data(count): Data<u32>| {
            for at in 0..count {
                ignore(socket.volatile().emit("said", at));
            }
            Data(count)
        },
    );
    let room = here.clone();
    namespace.on(
        "poll-room",
        move |socket: Socket, Data((name, wait, question)): Data<(String, u64, Any)>| {
            let them = room(&socket).to(name).timeout(Duration::from_millis(wait));
            let answers = them.emit_with_ack("question", question);
            async move {
                let answers = answers
                    .await
                    .map_err(|error| ConnectError::new(error.to_string()))?;
                let mut values = Vec::new();
                for (_, answer) in &answers.answers {
                    values.push(answer.to::<String>().unwrap_or_default());
                }
                values.sort();
                Ok::<_, ConnectError>(Data(
                    json!({ "late": !answers.is_complete(), "answers": values }),
                ))
            }
        },
    );
    let room = here.clone();
    namespace.on("fetch", move |socket: Socket, Data(name): Data<String>| {
        let sockets = room(&socket).to(name).sockets();
        let mut ids: Vec<String> = sockets
            .iter()
            .map(|socket| socket.id().to_owned())
            .collect();
        ids.sort();
        async { Data(ids) }
    });
    namespace.on("order", move |socket: Socket, Data(name): Data<String>| {
        let namespace = here(&socket);
        socket.join(name.as_str());
        ignore(namespace.to(name.as_str()).emit("said", 1));
        ignore(socket.emit("said", 2));
        ignore(namespace.to(name.as_str()).emit("said", 3));
        socket.leave(&name);
        ignore(socket.emit("said", 4));
        async {}
    });
    namespace.on("bye", async |socket: Socket, Data(close): Data<bool>| {
        socket.disconnect(close)
    });
    namespace.on_disconnect(async |socket: Socket, reason: DisconnectReason| {
        ignore(
            socket
                .broadcast()
                .emit("left", (socket.id(), reason.as_str())),
        );
    });
}

fn rooms(socket: &Socket) -> Vec<String> {
    let rooms = socket.rooms().into_iter().map(|room| room.to_string());
    let mut rooms: Vec<String> = rooms.filter(|room| room != socket.id()).collect();
    rooms.sort();
    rooms
}

/// Who has gone hears nothing.
fn ignore(sent: Result<(), EmitError>) {
    drop(sent);
}

fn counters(servers: &[SocketIo]) -> BTreeMap<String, BTreeMap<&'static str, u64>> {
    let counters = servers.iter().map(|io| {
        let (engine, io_stats) = (io.engine_stats(), io.stats());
        let counters = BTreeMap::from([
            ("sessions", engine.sessions),
            ("opened", engine.opened),
            ("upgraded", engine.upgraded),
            ("upgrades_failed", engine.upgrades_failed),
            ("ping_timeouts", engine.ping_timeouts),
            ("protocol_errors", engine.protocol_errors),
            ("too_slow", engine.too_slow),
            ("unknown_sid", engine.unknown_sid),
            ("guesses", engine.guesses),
            ("refused", engine.refused),
            ("too_many", engine.too_many),
            ("sockets", io_stats.sockets),
            ("malformed", io_stats.malformed),
            ("refused_namespaces", io_stats.refused),
            ("late", io_stats.late),
            ("stray_acks", io_stats.stray_acks),
            ("panics", io_stats.panics),
        ]);
        (io.path().to_owned(), counters)
    });
    counters.collect()
}
