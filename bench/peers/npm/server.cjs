// npm's socket.io, as its documentation sets it up.
//
//     node server.cjs PORT      /socket.io/: who connects joins a room; the event `role` leaves it, `topic` goes into the one that it names; what
//         `pub` brings goes to the first room, what `pubs` brings to the one that its first four octets name; the rooms get the event `m`. `echo` is
//         answered with what it brought. For virtual users: `ping` comes back as `pong`; `join` is answered, `say` brings what it says to the
//         room that it names, `storm` to everybody

const { createServer } = require("node:http");
const { Server } = require("socket.io");

const http = createServer((request, response) => response.end("Hello, World!"));
const io = new Server(http);

io.on("connection", (socket) => {
  socket.join("t");
  socket.on("role", () => socket.leave("t"));
  socket.on("topic", (topic) => {
    socket.leave("t");
    socket.join(`t${topic}`);
  });
  socket.on("pub", (text) => socket.to("t").emit("m", text));
  socket.on("pubs", (text) => socket.to(`t${Number(text.slice(0, 4))}`).emit("m", text));
  socket.on("echo", (text, answer) => answer(text));
  socket.on("ping", (number) => socket.emit("pong", number));
  socket.on("join", (room, answer) => {
    socket.join(room);
    answer(true);
  });
  socket.on("say", (room, text) => {
    socket.emit("said", text);
    socket.to(room).emit("said", text);
  });
  socket.on("storm", (text) => io.emit("storm", text));
});

http.listen(Number(process.argv[2]), "127.0.0.1");
