// What examples/socketio_probe.rs serves, by the packages socket.io and engine.io: the suites are held against it, so that a case that is wrong shows there.
//
//     NODE_PATH=.../node_modules node reference.cjs HOST:PORT [MUTANT]
//
// MUTANT names a fault that it then has on purpose; a suite that does not find it is no suite. They stand in MUTANTS below.

'use strict';

const http = require('node:http');
const { instrument } = require('@socket.io/admin-ui');
const { hashSync } = require('bcryptjs');
const engine = require('engine.io');
const { Server } = require('socket.io');
const msgpack = require('socket.io-msgpack-parser');

const [place = '127.0.0.1:3000', mutant = ''] = process.argv.slice(2);
const MUTANTS = [
  // Of Engine.IO. socketioxide has the first.
  ...['early-ping', 'no-ping', 'no-timeout', 'text-echo', 'swapped-echo', 'other-error', 'no-cors', 'no-upgrade', 'small-payload'],
  // Of Socket.IO.
  ...['no-auth', 'null-auth', 'first-argument', 'ack-in-array', 'text-attachments', 'any-namespace', 'late-connect-timeout', 'early-connect-timeout', 'leaving-closes'],
];
if (mutant === '--list') {
  console.log(MUTANTS.join('\n'));
  process.exit();
}
const [host, port] = place.split(':');
const fault = (name) => mutant === name;

const heartbeat = { pingInterval: 300, pingTimeout: 200, maxHttpBufferSize: fault('small-payload') ? 1e5 : 1e6 };
if (!fault('no-cors')) heartbeat.cors = { origin: '*' };
if (fault('no-upgrade')) heartbeat.allowUpgrades = false;
if (fault('other-error')) engine.Server.errorMessages[1] = 'Unknown session';

const server = http.createServer((request, response) => response.writeHead(404).end());

const each = (session) => {
  if (fault('early-ping')) session.sendPacket('ping');
  if (fault('no-ping')) clearTimeout(session.pingIntervalTimer);
  if (fault('no-timeout')) session.resetPingTimeout = () => clearTimeout(session.pingTimeoutTimer);
};

const echo = new engine.Server(heartbeat);
echo.on('connection', (session) => {
  each(session);
  let held = [];
  session.on('message', (message) => {
    if (fault('text-echo')) return session.send(String(message));
    if (!fault('swapped-echo')) return session.send(message);
    if (held.push(message) === 1) setTimeout(() => held.splice(0).reverse().forEach((message) => session.send(message)), 20);
  });
});
echo.attach(server, { path: '/engine.io' });

const connectTimeout = fault('late-connect-timeout') ? 5000 : fault('early-connect-timeout') ? 300 : 1000;
const io = new Server(server, { path: '/socket.io', connectTimeout, ...heartbeat });
io.engine.on('connection', each);
const connected = (socket) => {
  if (!fault('no-auth')) socket.emit('auth', fault('null-auth') ? null : socket.handshake.auth);
};
const text = (args) => (fault('text-attachments') ? args.map((one) => (Buffer.isBuffer(one) ? one.toString() : one)) : args);
io.on('connection', (socket) => {
  connected(socket);
  socket.on('message', (...args) => socket.emit('message-back', ...(fault('first-argument') ? args.slice(0, 1) : text(args))));
  socket.on('message-with-ack', (...args) => {
    const ack = args.pop();
    fault('ack-in-array') ? ack(args) : ack(...text(args));
  });
  if (fault('leaving-closes')) socket.on('disconnect', () => socket.conn.close());
});
io.of(fault('any-namespace') ? /.+/ : '/custom').on('connection', connected);

// What applications do, with a heartbeat that a slow client keeps: the suites with real clients. With recovery every event has its offset as a
// last argument, so that is a place of its own.
for (const [path, more] of Object.entries({
  '/app': {},
  '/recovery': { connectionStateRecovery: { maxDisconnectionDuration: 60_000 } },
  '/msgpack': { parser: msgpack },
  '/admin-ui': { cors: { origin: 'http://admin.example', credentials: true } },
  // Pings come often, and may be answered late.
  '/steady': { pingInterval: 300, pingTimeout: 20_000 },
  '/deflate': { perMessageDeflate: true },
})) {
  const io = new Server(server, { path, cors: { origin: '*' }, pingInterval: 5000, pingTimeout: 5000, ...more });
  application(io);
  // Whoever watches sees everything there.
  if (path === '/admin-ui') instrument(io, { auth: { type: 'basic', username: 'ada', password: hashSync('swordfish', 4) }, mode: 'development' });
}

function application(io) {
  io.on('connection', served);
  io.of(/^\/room-\w+$/).on('connection', (socket) => {
    socket.emit('name', socket.nsp.name);
    served(socket);
  });
  const closed = io.of('/private');
  closed.use((socket, next) => {
    const { token } = socket.handshake.auth;
    if (token === 'secret') return next();
    const error = new Error('not allowed');
    error.data = { code: 401, tried: token ?? null };
    next(error);
  });
  closed.on('connection', served);
}

function served(socket) {
  const namespace = socket.nsp;
  const rooms = () => [...socket.rooms].filter((room) => room !== socket.id).sort();
  socket.on('echo', (...args) => socket.emit('echo', ...args));
  socket.on('ack', (...args) => args.pop()(...args));
  socket.on('who', (ack) => ack({ id: socket.id, auth: socket.handshake.auth, recovered: socket.recovered, transport: socket.conn.transport.name }));
  // `silence` nobody listens to. The server asks, and tells what it was answered.
  socket.on('ask', (milliseconds, question, ack) => {
    socket.timeout(milliseconds).emit('question', question, (error, answer) => ack(error ? null : answer));
  });
  socket.on('join', (names, ack) => (socket.join(names), ack(rooms())));
  socket.on('leave', (name, ack) => (socket.leave(name), ack(rooms())));
  // To the others, to the others in rooms, to everybody in rooms, to everybody who is in none of them.
  socket.on('others', (...args) => socket.broadcast.emit('said', ...args));
  socket.on('others-in', (names, what) => socket.to(names).emit('said', what));
  socket.on('all-in', (names, what) => namespace.to(names).emit('said', what));
  socket.on('all-except', (names, what) => namespace.except(names).emit('said', what));
  socket.on('volatile', (count, ack) => {
    for (let at = 0; at < count; at++) socket.volatile.emit('said', at);
    ack(count);
  });
  socket.on('poll-room', (name, milliseconds, question, ack) => {
    namespace.to(name).timeout(milliseconds).emit('question', question, (error, answers) => ack({ late: Boolean(error), answers: answers.sort() }));
  });
  socket.on('fetch', async (name, ack) => ack((await namespace.in(name).fetchSockets()).map((other) => other.id).sort()));
  socket.on('order', (name) => {
    socket.join(name);
    namespace.to(name).emit('said', 1);
    socket.emit('said', 2);
    namespace.to(name).emit('said', 3);
    socket.leave(name);
    socket.emit('said', 4);
  });
  socket.on('bye', (close) => socket.disconnect(close));
  socket.on('disconnect', (reason) => socket.broadcast.emit('left', socket.id, reason));
}

server.listen(Number(port), host, () => {
  const { address, port } = server.address();
  console.log(`listening on ${address}:${port}`);
});
