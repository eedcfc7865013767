// A server whose lines each test writes, and a socket without a network, whose time is the test's.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { WebSocket, WebSocketServer } from 'ws';

// The source, or what was built of it.
export const SUBJECT = new URL(process.env.WIRELINE_CLIENT ?? '../src/index.js', import.meta.url).href;
export const { connect, RelayError } = await import(SUBJECT);

/** Fails instead of waiting for ever. */
export function within(promise, what, milliseconds = 5000) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${milliseconds} ms: ${what}`)), milliseconds);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** What comes one after another, for who asks for the next one. */
export class Queue {
  #items = [];
  #waiting = [];

  push(item) {
    const waiting = this.#waiting.shift();
    if (waiting) waiting(item);
    else this.#items.push(item);
  }

  next(what = 'the next item') {
    if (this.#items.length) return Promise.resolve(this.#items.shift());
    return within(new Promise((resolve) => this.#waiting.push(resolve)), what);
  }

  get length() {
    return this.#items.length;
  }
}

/** One connection, as the server sees it. */
class Peer {
  #messages = new Queue();

  constructor(socket, request) {
    this.socket = socket;
    this.url = new URL(request.url, 'http://server');
    this.protocols = request.headers['sec-websocket-protocol'];
    this.closed = new Promise((resolve) => socket.on('close', (code) => resolve(code)));
    socket.on('message', (data) => this.#messages.push(JSON.parse(data)));
  }

  /** The next message of the client, which must have these fields. */
  async next(fields = {}) {
    const message = await this.#messages.next(`a message with ${JSON.stringify(fields)}`);
    for (const [name, value] of Object.entries(fields)) assert.deepEqual(message[name], value, `${name} of ${JSON.stringify(message)}`);
    return message;
  }

  get unread() {
    return this.#messages.length;
  }

  say(...messages) {
    for (const message of messages) this.socket.send(JSON.stringify(message));
  }

  /** Waits for a subscription and confirms it. */
  async admit(topic, answer = {}) {
    const asked = await this.next({ type: 'subscribe', topic });
    this.say({ type: 'subscribed', topic, epoch: 1, offset: 0, recovered: true, join: asked.join, ref: asked.ref, ...answer });
    return asked;
  }
}

/** A server of its own for one test, which ends with it. */
export async function serve(t, { streams } = {}) {
  const peers = new Queue();
  const requests = new Queue();
  const http = createServer((request, response) => {
    if (!streams) return response.writeHead(404).end();
    requests.push({ url: new URL(request.url, 'http://server'), headers: request.headers, response });
  });
  const sockets = new WebSocketServer({ noServer: true });
  const server = {
    accepts: true,
    attempts: 0,
    peer: () => peers.next('a connection'),
    request: () => requests.next('a request for a stream'),
    get waiting() {
      return peers.length;
    },
  };
  http.on('upgrade', (request, socket, head) => {
    server.attempts++;
    if (!server.accepts) return socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n');
    sockets.handleUpgrade(request, socket, head, (opened) => peers.push(new Peer(opened, request)));
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  server.url = `ws://127.0.0.1:${http.address().port}/ws`;
  t.after(async () => {
    for (const socket of sockets.clients) socket.terminate();
    sockets.close();
    http.closeAllConnections();
    http.close();
    await once(http, 'close');
  });
  return server;
}

/** A client of `server` that ends with the test, whose waits are short. */
export function client(t, server, options = {}) {
  const relay = connect(server.url, { WebSocket, backoff: 20, longest: 200, sse: false, ...options });
  t.after(() => relay.close());
  return relay;
}

/** A client and its connection. */
export async function pair(t, options, server) {
  server ??= await serve(t);
  const relay = client(t, server, options);
  const [peer] = await Promise.all([server.peer(), event(relay, 'open')]);
  return { server, relay, peer };
}

/** The next time that `emitter` says `name`. */
export const event = (emitter, name) =>
  within(
    new Promise((resolve) => {
      const off = emitter.on(name, (value) => {
        off();
        resolve(value);
      });
    }),
    `the event ${name}`,
  );

/** A class of sockets that are never connected to anything: `made` has each one, which the test opens, answers and closes. */
export function fakeSockets() {
  const made = [];
  class FakeSocket {
    sent = [];

    constructor(url, protocols) {
      Object.assign(this, { url, protocols });
      made.push(this);
    }

    send(text) {
      this.sent.push(JSON.parse(text));
    }

    close(code) {
      this.ended ??= code ?? 1005;
    }

    say(message) {
      this.onmessage({ data: JSON.stringify(message) });
    }
  }
  return { FakeSocket, made };
}

/** Lets promises that are settled be seen. */
export async function settle() {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

/** So many milliseconds of mocked time, one after another: what a timer begins meanwhile begins at its own time. */
export function pass(t, milliseconds) {
  for (let at = 0; at < milliseconds; at++) t.mock.timers.tick(1);
}

/** Somebody who subscribes at `place` and reads nothing while `talk` goes on; afterwards he reads what is left, and what he is told is missing. */
export async function deaf(t, place, topic, talk) {
  const socket = new WebSocket(`ws://${place}/ws`, { perMessageDeflate: false });
  t.after(() => socket.terminate());
  await within(once(socket, 'open'), 'the socket of who does not read');
  socket.send(JSON.stringify({ type: 'subscribe', topic }));
  await within(once(socket, 'message'), 'his subscription');
  socket.pause();
  await talk();
  const told = new Promise((resolve) => socket.on('message', (data) => JSON.parse(data).type === 'lagged' && resolve()));
  socket.resume();
  await within(told, 'what he has missed');
}
