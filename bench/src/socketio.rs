//! `/socket.io/`: a room that everybody is in, an event that is answered, and what the load of virtual users says.

use wireline::socketio::prelude::*;
use wireline::socketio::server::EmitError;

/// What connects joins a room. `role` leaves it, `topic` goes into another one. `pub` is for that room, `pubs` for the one that its first four
/// octets name; both come there as `m`. `echo` is answered with what it brought.
///
/// For virtual users: `ping` comes back as `pong`; `join` is answered, `say` brings what it says to the room that it names, `storm` to everybody.
pub(crate) fn server() -> SocketIo {
    let io = SocketIo::new();
    io.on_connection(async |socket: Socket| socket.join(ROOM));
    io.on("role", async |socket: Socket| socket.leave(ROOM));
    io.on("topic", async |socket: Socket, Data(topic): Data<u32>| {
        socket.leave(ROOM);
        socket.join(format!("{ROOM}{topic}"));
    });
    io.on("pub", async |socket: Socket, Data(text): Data<String>| {
        socket.to(ROOM).emit("m", text)
    });
    io.on("pubs", async |socket: Socket, Data(text): Data<String>| {
        // Whoever publishes to no topic publishes to nobody.
        let topic = text.get(..4).unwrap_or_default().trim_start_matches('0');
        let topic = if topic.is_empty() { "0" } else { topic };
        socket.to(format!("{ROOM}{topic}")).emit("m", text)
    });
    io.on("echo", async |Data(text): Data<String>| Data(text));
    io.on("ping", async |socket: Socket, Data(number): Data<u32>| {
        socket.emit("pong", number)
    });
    io.on("join", async |socket: Socket, Data(room): Data<String>| {
        socket.join(room);
        Data(true)
    });
    io.on("say", say);
    io.on("storm", async |socket: Socket, Data(text): Data<String>| {
        // To everybody, and to who said it as well.
        socket.emit("storm", &text)?;
        socket.broadcast().emit("storm", text)
    });
    io
}

async fn say(socket: Socket, Data((room, text)): Data<(String, String)>) -> Result<(), EmitError> {
    socket.emit("said", &text)?;
    socket.to(room).emit("said", text)
}

/// The room of all.
const ROOM: &str = "t";
