// Tokens: of the connection, and of topics that want one.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { client, connect, event, fakeSockets, pair, pass, serve, settle } from './support.js';

test("the connection's token goes in the query, or as a subprotocol beside others", async (t) => {
  const server = await serve(t);
  client(t, server, { getToken: async () => 'a b' });
  assert.equal((await server.peer()).url.searchParams.get('token'), 'a b');
  client(t, server, { getToken: () => 'signed', protocols: ['relay'] });
  const peer = await server.peer();
  assert.deepEqual([peer.protocols, peer.url.search], ['relay,bearer.signed', '']);
  client(t, server, { getToken: () => undefined, protocols: ['relay'] });
  assert.equal((await server.peer()).protocols, 'relay');
});

test('after 4401 a client comes back with a new token', async (t) => {
  const server = await serve(t);
  const asked = [];
  client(t, server, { getToken: (expired) => `token ${asked.push(expired)}` });
  const first = await server.peer();
  assert.equal(first.url.searchParams.get('token'), 'token 1');
  first.socket.close(4401, 'the sign-in has ended');
  const second = await server.peer();
  assert.equal(second.url.searchParams.get('token'), 'token 2');
  second.socket.close(1001);
  await server.peer();
  assert.deepEqual(asked, [false, true, false]);
});

test('a token that cannot be had is told, and asked for again', async (t) => {
  const server = await serve(t);
  let turn = 0;
  const relay = client(t, server, {
    getToken: async () => {
      if (++turn < 3) throw new Error(`no ${turn}`);
      return 'signed';
    },
  });
  const errors = [];
  relay.on('error', ({ code, message, cause }) => errors.push([code, message, cause.message]));
  await server.peer();
  assert.deepEqual(errors, [
    ['token', 'no 1', 'no 1'],
    ['token', 'no 2', 'no 2'],
  ]);
});

test("a topic's token is made for it, and anew for each connection", async (t) => {
  const { server, relay, peer } = await pair(t);
  let made = 0;
  const room = relay.subscribe('room:1', { token: async (topic) => `${topic} ${++made}` });
  await peer.admit('room:1').then(({ token }) => assert.equal(token, 'room:1 1'));
  await room.ready;
  peer.socket.terminate();
  const next = await server.peer();
  const { token, epoch } = await next.admit('room:1');
  assert.deepEqual([token, epoch], ['room:1 2', 1]);
});

test("a topic's token that cannot be had is told, and asked for again", async (t) => {
  const { relay, peer } = await pair(t);
  let turn = 0;
  const room = relay.subscribe('room:1', {
    token: () => {
      if (++turn < 3) throw new Error('no');
      return 'signed';
    },
  });
  const errors = [];
  room.on('error', ({ code, topic }) => errors.push([code, topic]));
  const { token } = await peer.admit('room:1');
  await room.ready;
  assert.deepEqual([token, errors], ['signed', Array(2).fill(['token', 'room:1'])]);
});

test('a token that the server does not want is made anew', async (t) => {
  const { relay, peer } = await pair(t);
  let made = 0;
  const room = relay.subscribe('room:1', { token: () => `token ${++made}` });
  const errors = [];
  room.on('error', ({ code }) => errors.push(code));
  for (const code of ['token_expired', 'invalid_token']) {
    const { ref, join } = await peer.next({ type: 'subscribe' });
    peer.say({ type: 'error', code, topic: 'room:1', message: 'no', ref, join });
  }
  const { token } = await peer.admit('room:1');
  await room.ready;
  assert.deepEqual([token, errors], ['token 3', ['token_expired', 'invalid_token']]);
});

test('a token is renewed before it ends', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const { FakeSocket, made } = fakeSockets();
  const relay = connect('ws://server/ws', { WebSocket: FakeSocket, ping: 2 ** 40 });
  t.after(() => relay.close());
  let turn = 0;
  const room = relay.subscribe('room:1', {
    token: () => {
      if (++turn === 3) throw new Error('not now');
      return `token ${turn}`;
    },
  });
  const fixed = relay.subscribe('room:2', { token: 'fixed' });
  const errors = [];
  room.on('error', ({ code }) => errors.push(code));
  await settle();
  const [socket] = made;
  socket.onopen();
  await settle();
  const asked = (topic) => socket.sent.find((message) => message.topic === topic);
  for (const topic of ['room:1', 'room:2']) {
    const { ref, join } = asked(topic);
    socket.say({ type: 'subscribed', topic, epoch: 1, offset: 0, recovered: true, ttl: 100, join, ref });
  }
  const after = async (milliseconds) => {
    const before = socket.sent.length;
    pass(t, milliseconds - 1);
    await settle();
    assert.equal(socket.sent.length, before, 'too soon');
    pass(t, 1);
    await settle();
    return socket.sent.at(-1);
  };
  const first = await after(80_000);
  assert.deepEqual(first, { type: 'refresh', topic: 'room:1', token: 'token 2', ref: first.ref });
  socket.say({ type: 'ok', ttl: 100, ref: first.ref });
  await settle();
  // The third cannot be had; there is time for another.
  await after(80_000);
  assert.deepEqual(errors, ['token']);
  const second = await after(8_000);
  assert.deepEqual(second, { type: 'refresh', topic: 'room:1', token: 'token 4', ref: second.ref });
  // The server does not want it; there still is.
  socket.say({ type: 'error', code: 'invalid_token', topic: 'room:1', message: 'no', ref: second.ref });
  await settle();
  assert.deepEqual(errors, ['token', 'invalid_token']);
  const third = await after(8_000);
  assert.equal(third.token, 'token 5');
  socket.say({ type: 'ok', ttl: 2 ** 40, ref: third.ref });
  await settle();
  // More than a timer can wait.
  t.mock.timers.tick(2 ** 31 - 2);
  await settle();
  assert.equal(socket.sent.findLast(({ type }) => type === 'refresh'), third);
  assert.deepEqual([room.live, fixed.live], [true, true]);
});

test('a subscription that ended with its token comes back with a new one', async (t) => {
  const { relay, peer } = await pair(t);
  let made = 0;
  const room = relay.subscribe('room:1', { token: () => `token ${++made}` });
  const { join } = await peer.admit('room:1', { epoch: 81, offset: 4, ttl: 3600 });
  await room.ready;
  let over = 0;
  room.on('unsubscribed', () => over++);
  peer.say({ type: 'push', topic: 'room:1', event: 'say', payload: 1 }, { type: 'unsubscribed', topic: 'room:1', code: 'token_expired', message: 'token expired', join });
  const back = event(room, 'subscribed');
  const asked = await peer.admit('room:1', { epoch: 81, offset: 5 });
  assert.deepEqual([asked.token, asked.epoch, asked.offset], ['token 2', 81, 5]);
  await back;
  assert.deepEqual([over, room.live], [0, true]);
});

test('a subscription whose token is fixed ends with it', async (t) => {
  const { relay, peer } = await pair(t);
  const room = relay.subscribe('room:1', { token: 'fixed' });
  const { join } = await peer.admit('room:1', { ttl: 1 });
  await room.ready;
  const over = event(room, 'unsubscribed');
  peer.say({ type: 'unsubscribed', topic: 'room:1', code: 'token_expired', message: 'token expired', join });
  assert.equal((await over).code, 'token_expired');
});

test('tokens that end at once do not make a storm', async (t) => {
  const { relay, peer } = await pair(t, { backoff: 50, longest: 10_000 });
  t.mock.method(Math, 'random', () => 0.9);
  const room = relay.subscribe('room:1', { token: () => 'short' });
  const began = Date.now();
  for (let turn = 0; turn < 4; turn++) {
    const { join } = await peer.admit('room:1', { ttl: 0 });
    peer.say({ type: 'unsubscribed', topic: 'room:1', code: 'token_expired', message: 'token expired', join });
  }
  await peer.next({ type: 'subscribe' });
  // 45, 90, 180 and 360 milliseconds.
  assert.ok(Date.now() - began > 600, `${Date.now() - began} ms`);
  assert.equal(room.ended, false);
});

test('what is asked after an unsubscription is not said any more', async (t) => {
  const { relay, peer } = await pair(t);
  let give;
  const room = relay.subscribe('room:1', { token: () => new Promise((resolve) => (give = resolve)) });
  await settle();
  room.unsubscribe();
  give('late');
  await peer.next({ type: 'unsubscribe' });
  const hello = relay.hello();
  const { ref } = await peer.next({ type: 'hello' });
  peer.say({ type: 'hello', conn_id: 1, ref });
  await hello;
});

test('a token that cannot be had any more is nobody\'s loss after an unsubscription', async (t) => {
  const { relay, peer } = await pair(t);
  let fail;
  const room = relay.subscribe('room:1', { token: () => new Promise((_, reject) => (fail = reject)) });
  const errors = [];
  room.on('error', (error) => errors.push(error));
  await settle();
  room.unsubscribe();
  fail(new Error('late'));
  await peer.next({ type: 'unsubscribe' });
  await new Promise((resolve) => setTimeout(resolve, 60));
  assert.deepEqual([errors, peer.unread], [[], 0]);
});
