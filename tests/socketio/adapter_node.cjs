// A server of npm with two clients, on a Redis: what it is told on stdin it does, and what happens it says on stdout, a line of JSON each.
//
//     node adapter_node.cjs redis://127.0.0.1:6379
"use strict";

const http = require("node:http");
const readline = require("node:readline");
const { createAdapter } = require("@socket.io/redis-adapter");
const { Emitter } = require("@socket.io/redis-emitter");
const { createClient } = require("redis");
const { Server } = require("socket.io");
const { io: connect } = require("socket.io-client");

const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");

// Octets are {"$": [1, 2, 3]} on both ways.
const fromLine = (value) => {
  if (Array.isArray(value)) return value.map(fromLine);
  if (value && typeof value === "object") {
    if (value.$) return Buffer.from(value.$);
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fromLine(item)]));
  }
  return value;
};
const toLine = (value) => {
  if (Buffer.isBuffer(value)) return { $: [...value] };
  if (Array.isArray(value)) return value.map(toLine);
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, toLine(item)]));
  }
  return value === undefined ? null : value;
};

const main = async () => {
  const publisher = createClient({ url: process.argv[2], socket: { reconnectStrategy: () => 50 } });
  const subscriber = publisher.duplicate();
  for (const client of [publisher, subscriber]) client.on("error", () => {});
  await Promise.all([publisher.connect(), subscriber.connect()]);

  const server = http.createServer();
  const io = new Server(server, { adapter: createAdapter(publisher, subscriber, { requestsTimeout: 2000 }) });
  io.on("connection", (socket) => {
    const { name, room } = socket.handshake.auth;
    socket.data = { name };
    socket.join(room);
  });
  io.on("greet", (who, answer) => {
    say({ server: "greet", args: toLine([who]) });
    if (answer) answer(`hello ${who} from node`);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));

  const clients = {};
  const join = async (name, room, url, transports = ["websocket"]) => {
    const client = connect(url, { auth: { name, room }, forceNew: true, reconnection: false, transports });
    clients[name] = client;
    client.onAny((event, ...args) => {
      const answer = typeof args.at(-1) === "function" && args.pop();
      say({ client: name, event, args: toLine(args) });
      if (answer) answer({ who: name }, "and more");
    });
    client.on("disconnect", (reason) => say({ client: name, disconnected: reason }));
    await new Promise((resolve, reject) => {
      client.on("connect", resolve);
      client.on("connect_error", reject);
    });
    return client.id;
  };
  const own = `http://127.0.0.1:${server.address().port}`;
  await join("ada", "r1", own);
  await join("bob", "r2", own);

  const emitter = new Emitter(publisher);
  const whom = (on, { rooms = [], except = [] }) => {
    for (const room of rooms) on = on.to(room);
    for (const room of except) on = on.except(room);
    return on;
  };
  const operations = {
    // Another client, of whatever server.
    client: (line) => join(line.name, line.room, line.url, line.transports),
    "client emit": (line) => void clients[line.name].emit(line.event, ...fromLine(line.args)),
    "client ask": (line) => clients[line.name].timeout(10_000).emitWithAck(line.event, ...fromLine(line.args)),
    emit: (line) => void whom(io, line).emit(line.event, ...fromLine(line.args)),
    ask: async (line) => whom(io, line).timeout(line.wait).emitWithAck(line.event, ...fromLine(line.args)),
    join: (line) => void whom(io, line).socketsJoin(line.to),
    leave: (line) => void whom(io, line).socketsLeave(line.to),
    disconnect: (line) => void whom(io, line).disconnectSockets(line.close),
    sockets: async (line) =>
      (await whom(io, line).fetchSockets()).map(({ id, rooms, data, handshake }) => ({
        id,
        rooms: [...rooms].sort(),
        data,
        auth: handshake.auth,
      })),
    rooms: async () => [...(await io.of("/").adapter.allRooms())].sort(),
    tell: (line) => void io.serverSideEmit(line.event, ...fromLine(line.args)),
    greet: async (line) => io.serverSideEmitWithAck("greet", ...fromLine(line.args)),
    emitter: (line) => void whom(emitter, line).emit(line.event, ...fromLine(line.args)),
    "emitter join": (line) => void whom(emitter, line).socketsJoin(line.to),
  };
  say({ ready: Object.fromEntries(Object.entries(clients).map(([name, client]) => [name, client.id])) });

  for await (const text of readline.createInterface({ input: process.stdin })) {
    const line = JSON.parse(text);
    // In order to be told what comes late, it does not wait for what takes long.
    Promise.resolve()
      .then(() => operations[line.do](line))
      .then((result) => say({ done: line.id, result: toLine(result) }))
      .catch((error) => say({ done: line.id, error: error.message }));
  }
  process.exit(0);
};

main();
