// Bun, whose WebSocket server is uWebSockets.
//
//     bun server.js PORT      /ws (echo), /pub -> /sub (its own publish and subscribe), /pubs -> /sub/7 (the first four octets of a message are its topic)

const server = Bun.serve({
  port: Number(process.argv[2]),
  hostname: "127.0.0.1",
  idleTimeout: 0,
  fetch(request, server) {
    const path = new URL(request.url).pathname;
    if ((["/ws", "/sub", "/pub", "/pubs"].includes(path) || path.startsWith("/sub/")) && server.upgrade(request, { data: path })) return;
    return new Response("Not Found", { status: 404 });
  },
  websocket: {
    idleTimeout: 0,
    maxPayloadLength: 1 << 26,
    backpressureLimit: 1 << 26,
    perMessageDeflate: false,
    open(socket) {
      if (socket.data === "/sub") socket.subscribe("all");
      else if (socket.data.startsWith("/sub/")) socket.subscribe(String(Number(socket.data.slice(5))));
    },
    message(socket, message) {
      if (socket.data === "/ws") socket.send(message);
      else if (socket.data === "/pub") server.publish("all", message);
      else if (socket.data === "/pubs") server.publish(String(Number(message.toString("latin1", 0, 4))), message);
    },
  },
});
