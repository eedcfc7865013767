//! socketioxide, in rooms, behind axum.
//!
//!     socketioxide-peer PORT [WORKERS] [REDIS PORT]      /socket.io/: who connects joins a room; the event `role` leaves it, `topic` goes into
//!         the one that it names; what `pub` brings goes to the first room, what `pubs` brings to the one that its first four octets name;
//!         the rooms get the event `m`, those of other nodes as well when there is a Redis. `echo` is answered with what it brought

use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt;
use peer_common::{Arguments, listen, number, run};
use socketioxide::SocketIo;
use socketioxide::SocketIoBuilder;
use socketioxide::adapter::{Adapter, Emitter, LocalAdapter};
use socketioxide::extract::{AckSender, Data, SocketRef};
use socketioxide::layer::SocketIoLayer;
use socketioxide_redis::{RedisAdapter, RedisAdapterCtr};

fn main() {
    let arguments = Arguments::from_env();
    let listener = listen(arguments.address(), false);
    run(arguments.workers, async move {
        match arguments.mode.as_deref().and_then(number) {
            Some(redis) => serve(listener, shared(redis).await).await,
            None => {
                let (layer, io) = settings(SocketIo::builder()).build_layer();
                io.ns("/", connected::<LocalAdapter>);
                serve(listener, layer).await;
            }
        }
    });
}

async fn shared(redis: usize) -> SocketIoLayer<RedisAdapter<Emitter>> {
    let client = redis::Client::open(format!("redis://127.0.0.1:{redis}?protocol=resp3"))
        .expect("the address is one");
    let adapter = RedisAdapterCtr::new_with_redis(&client)
        .await
        .expect("Redis answers");
    let builder = settings(SocketIo::builder()).with_adapter::<RedisAdapter<_>>(adapter);
    let (layer, io) = builder.build_layer();
    io.ns("/", connected)
        .await
        .expect("the namespace is opened");
    layer
}

fn settings(builder: SocketIoBuilder<LocalAdapter>) -> SocketIoBuilder<LocalAdapter> {
    builder
        // No pings while it is measured.
        .ping_interval(Duration::from_secs(120))
        // What may wait for a socket, in packets.
        .max_buffer_size(4096)
}

async fn serve<A: Adapter>(listener: std::net::TcpListener, layer: SocketIoLayer<A>) {
    let listener = tokio::net::TcpListener::from_std(listener)
        .expect("the socket listens")
        .tap_io(|stream| {
            let _ = stream.set_nodelay(true);
        });
    axum::serve(listener, Router::new().layer(layer))
        .await
        .expect("the server serves");
}

async fn connected<A: Adapter>(socket: SocketRef<A>) {
    socket.join(room(None));
    socket.on("role", async |socket: SocketRef<A>| {
        socket.leave(room(None));
    });
    socket.on(
        "topic",
        async |socket: SocketRef<A>, Data::<usize>(topic)| {
            socket.leave(room(None));
            socket.join(room(Some(topic)));
        },
    );
    socket.on("pub", async |socket: SocketRef<A>, Data::<String>(text)| {
        let _ = socket.to(room(None)).emit("m", &text).await;
    });
    socket.on(
        "pubs",
        async |socket: SocketRef<A>, Data::<String>(text)| {
            let topic = text.get(..4).and_then(number);
            let _ = socket.to(room(topic)).emit("m", &text).await;
        },
    );
    socket.on("echo", async |ack: AckSender<A>, Data::<String>(text)| {
        let _ = ack.send(&text);
    });
}

fn room(topic: Option<usize>) -> String {
    topic.map_or_else(|| "t".to_owned(), |topic| format!("t{topic}"))
}
