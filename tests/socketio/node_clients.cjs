// socket.io-client in Node, over polling, over WebSocket, and from one to the other; and what it does when its server goes.
//
// PLACE is where the server listens, SERVER how another one is started (JSON, words of a command, {place} for where).

'use strict';

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const net = require('node:net');
const { io } = require('socket.io-client');
const msgpack = require('socket.io-msgpack-parser');
const { scenarios, tools } = require('./scenarios.cjs');

const command = JSON.parse(process.env.SERVER);
const reference = command.some((word) => word.endsWith('reference.cjs'));
const only = process.argv[2] ?? '';
let passed = 0;
let failed = 0;

async function judge(name, options, scenario) {
  if (!name.includes(only)) return;
  const given = tools({ io, base: `http://${process.env.PLACE}`, msgpack, reference, ...options });
  try {
    await given.within(scenario(given), 'end of the scenario', 60_000);
    passed += 1;
  } catch (error) {
    failed += 1;
    console.log(`FAILED node: ${name}: ${error.stack}`);
  } finally {
    given.close();
  }
}

class Server {
  static async start(place) {
    const server = new Server();
    const [program, ...words] = command.map((word) => word.replace('{place}', place));
    server.child = spawn(program, words, { stdio: ['ignore', 'pipe', 'inherit'] });
    server.ended = once(server.child, 'exit');
    let output = '';
    server.child.stdout.on('data', (data) => (output += data));
    for (let turn = 0; turn < 500 && !output.includes('\n'); turn++) await new Promise((resolve) => setTimeout(resolve, 20));
    server.place = /listening on (?:http:\/\/)?(\S+)/.exec(output)[1];
    return server;
  }

  async stop(signal) {
    this.child.kill(signal);
    await this.ended;
  }
}

/** A port that nobody has. */
async function free() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return `127.0.0.1:${port}`;
}

const soon = { reconnection: true, reconnectionDelay: 50, reconnectionDelayMax: 100 };

/**
 * Connected, and on the transport that it stays on: a server that dies while npm's client has paused its polling for an upgrade is noticed by that
 * client only when pings are missing.
 */
async function settled(socket, up) {
  await up(socket);
  const { engine } = socket.io;
  if (engine.opts.transports.length > 1 && engine.transport.name === 'polling') await new Promise((resolve) => engine.once('upgrade', resolve));
}

const restarts = {
  async 'a server that dies and comes back: what was sent meanwhile arrives, in order'({ open, up, next, same }) {
    let server = await Server.start(await free());
    const base = { ...soon, server };
    const socket = open('/', base);
    try {
      await settled(socket, up);
      const gone = next(socket, 'disconnect');
      await server.stop('SIGKILL');
      same(['transport close', 'transport error'].includes((await gone)[0]), true);
      const answers = [1, 2, 3].map((at) => socket.timeout(30_000).emitWithAck('ack', at));
      const lost = socket.volatile.timeout(300).emitWithAck('ack', 4).then(() => 'answered', () => 'lost');
      same(await lost, 'lost');
      server = await Server.start(server.place);
      same(await Promise.all(answers), [1, 2, 3]);
      same(Boolean(socket.recovered), false);
    } finally {
      await server.stop('SIGKILL');
    }
  },

  async 'a server that is stopped in an orderly way closes its sockets at once'({ open, up, next, same }) {
    let server = await Server.start(await free());
    const socket = open('/', { ...soon, server });
    try {
      await settled(socket, up);
      const gone = next(socket, 'disconnect');
      const began = Date.now();
      await Promise.all([server.stop('SIGTERM'), gone]);
      same(Date.now() - began < 5000, true);
      const back = next(socket, 'connect');
      server = await Server.start(server.place);
      if (socket.active) await back;
      else socket.connect(), await back;
      same(await socket.timeout(5000).emitWithAck('ack', 'back'), 'back');
    } finally {
      await server.stop('SIGKILL');
    }
  },
};

async function main() {
  const ways = { polling: ['polling'], websocket: ['websocket'], upgrade: ['polling', 'websocket'] };
  for (const [way, transports] of Object.entries(ways)) {
    await Promise.all(Object.entries(scenarios).map(([name, scenario]) => judge(`${way}: ${name}`, { transports }, scenario)));
    if (command.length === 0) continue;
    for (const [name, scenario] of Object.entries(restarts)) {
      await judge(`${way}: ${name}`, { transports }, (given) =>
        scenario({ ...given, open: (namespace, { server, ...options }) => given.open(namespace, { base: `http://${server.place}`, ...options }) }),
      );
    }
  }
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
}

main();
