// Bun, whose WebSocket server is uWebSockets.
//
//     bun server.js PORT      /ws (echo), /pub -> /sub (its own publish and subscribe)

const server = Bun.serve({
  port: Number(process.argv[2]),
  hostname: "127.0.0.1",
  idleTimeout: 0,
  fetch(request, server) {
    const path = new URL(request.url).pathname;
    if (["/ws", "/sub", "/pub"].includes(path) && server.upgrade(request, { data: path })) return;
    return new Response("Not Found", { status: 404 });
  },
  websocket: {
    idleTimeout: 0,
    maxPayloadLength: 1 << 26,
    backpressureLimit: 1 << 26,
    perMessageDeflate: false,
    open(socket) {
      if (socket.data === "/sub") socket.subscribe("all");
    },
    message(socket, message) {
      if (socket.data === "/ws") socket.send(message);
      else if (socket.data === "/pub") server.publish("all", message);
    },
  },
});
