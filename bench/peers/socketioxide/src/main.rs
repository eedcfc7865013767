//! socketioxide, in rooms, behind axum.
//!
//!     socketioxide-peer PORT [WORKERS]      /socket.io/: who connects joins a room, `topic=7` of the query names it; with `role=pub` what its
//!         event `pub` brings goes to the room without a name, with `role=pubs` to the one that the first four octets name; the rooms get the event `m`

use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt;
use peer_common::{Arguments, listen, number, run};
use socketioxide::SocketIo;
use socketioxide::extract::{Data, SocketRef};

fn main() {
    let arguments = Arguments::from_env();
    let listener = listen(arguments.address(), false);
    run(arguments.workers, async move {
        let (layer, io) = SocketIo::builder()
            // No pings while it is measured.
            .ping_interval(Duration::from_secs(120))
            // What may wait for a socket, in packets.
            .max_buffer_size(4096)
            .build_layer();
        io.ns("/", connected);
        let listener = tokio::net::TcpListener::from_std(listener)
            .expect("the socket listens")
            .tap_io(|stream| {
                let _ = stream.set_nodelay(true);
            });
        axum::serve(listener, Router::new().layer(layer))
            .await
            .expect("the server serves");
    });
}

async fn connected(socket: SocketRef) {
    let query = socket.req_parts().uri.query().unwrap_or_default();
    let asked = |name| query.split('&').find_map(|pair| pair.strip_prefix(name));
    match asked("role=") {
        Some(role) => {
            let is_named = role == "pubs";
            socket.on(
                "pub",
                async move |socket: SocketRef, Data::<String>(text)| {
                    let topic = text.get(..4).filter(|_| is_named).and_then(number);
                    let _ = socket.to(room(topic)).emit("m", &text).await;
                },
            );
        }
        None => socket.join(room(asked("topic=").and_then(number))),
    }
}

fn room(topic: Option<usize>) -> String {
    topic.map_or_else(|| "t".to_owned(), |topic| format!("t{topic}"))
}
