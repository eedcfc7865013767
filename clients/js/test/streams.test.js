// Event streams, where no WebSocket can be opened.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { client, connect, event, serve, settle, within } from './support.js';

/** A server that opens no WebSocket, and a client that finds out. */
async function refused(t, options = {}) {
  const server = await serve(t, { streams: true });
  server.accepts = false;
  return { server, relay: client(t, server, { sse: undefined, ...options }) };
}

/** Answers a request for a stream: all its topics are subscribed to. What it gives writes events. */
function answer({ url, response }, fields = { reply: 'welcome' }) {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.flushHeaders();
  const ended = new Promise((resolve) => response.on('close', resolve));
  const say = (message, id) => response.write(`data: ${JSON.stringify(message)}\n${id ? `id: ${id}\n` : ''}\n`);
  for (const topic of url.searchParams.getAll('topic')) say({ type: 'subscribed', topic, ...fields });
  return { ended, say, raw: (text) => response.write(text), end: () => response.end() };
}

const push = (payload, topic = 'room:1') => ({ type: 'push', topic, event: 'say', payload });

test('a stream takes over when no WebSocket can be opened, and goes on where it stopped', async (t) => {
  const { server, relay } = await refused(t);
  const room = relay.subscribe('room:1', { rewind: 3, presence: true });
  const news = relay.subscribe('news', { rewind: 1 });
  const first = await server.request();
  assert.equal(first.url.pathname, '/sse');
  assert.equal(first.headers.accept, 'text/event-stream');
  assert.deepEqual([...first.url.searchParams], [
    ['topic', 'room:1'],
    ['presence', '1'],
    ['topic', 'news'],
    ['rewind', '3'],
  ]);
  const opened = event(relay, 'open');
  const stream = answer(first);
  assert.deepEqual(await opened, { transport: 'sse' });
  assert.deepEqual(await within(Promise.all([room.ready, news.ready]), 'both subscriptions'), ['welcome', 'welcome']);
  const seen = [];
  room.on('say', (payload) => seen.push(payload));
  const told = event(room, 'subscribed');
  stream.raw(': a comment\n\n');
  stream.say({ type: 'subscribed', topic: 'room:1', epoch: 81, offset: 10, recovered: true }, 'room:1 81 10;news 7 2');
  assert.equal((await told).offset, 10);
  stream.say(push(1), 'room:1 81 11;news 7 2');
  const state = event(room, 'presence');
  stream.say({ type: 'presence_state', topic: 'room:1', members: [{ conn_id: 7, meta: {} }] });
  assert.equal((await state).members.length, 1);
  const item = event(news, 'say');
  // The cursor is the truth, whatever was counted.
  stream.say(push(2, 'news'), 'room:1 81 14;news 7 3');
  assert.equal(await item, 2);
  assert.deepEqual([seen, room.epoch, room.offset, news.offset], [[1], 81, 14, 3]);
  stream.end();
  await event(relay, 'close');
  const again = await server.request();
  assert.equal(again.url.searchParams.get('cursor'), 'room:1 81 14;news 7 3');
  assert.equal(again.url.searchParams.get('rewind'), null);
  const gap = event(room, 'unrecovered');
  answer(again, { epoch: 82, offset: 0, recovered: false });
  await gap;
  assert.deepEqual([room.epoch, room.offset], [82, 0]);
});

test('events come apart however their octets come', async (t) => {
  const { server, relay } = await refused(t);
  const room = relay.subscribe('room:1');
  const stream = answer(await server.request());
  await room.ready;
  const text = `:\r\n\r\ndata: ${JSON.stringify(push('Grüße, 世界 🦀'))}\r\nid: room:1 1 1\r\n\r\nid: room:1 1 2\ndata:${JSON.stringify(push(2))}\n\n`;
  const seen = [];
  const done = new Promise((resolve) => room.on('say', (payload) => seen.push(payload) === 2 && resolve()));
  for (const octet of Buffer.from(text)) {
    stream.raw(Buffer.from([octet]));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await within(done, 'two pushes');
  assert.deepEqual([seen, room.offset], [['Grüße, 世界 🦀', 2], 2]);
});

test('a stream only reads', async (t) => {
  const { server, relay } = await refused(t, { keep: 5 });
  const room = relay.subscribe('room:1');
  answer(await server.request());
  await room.ready;
  for (const each of [room.send('say', 1), relay.call('sum'), relay.hello()]) await assert.rejects(each, { code: 'read_only' });
});

test('another topic is another stream, none is none', async (t) => {
  const { server, relay } = await refused(t);
  const room = relay.subscribe('room:1');
  const first = answer(await server.request());
  await room.ready;
  first.say(push(1), 'room:1 5 9');
  await event(room, 'say');
  const news = relay.subscribe('news');
  const request = await server.request();
  await within(first.ended, 'the end of the first stream');
  assert.deepEqual(request.url.searchParams.getAll('topic'), ['room:1', 'news']);
  assert.equal(request.url.searchParams.get('cursor'), 'room:1 5 9');
  const second = answer(request);
  await news.ready;
  await room.unsubscribe();
  const third = await server.request();
  await within(second.ended, 'the end of the second stream');
  assert.deepEqual(third.url.searchParams.getAll('topic'), ['news']);
  const last = answer(third);
  await event(relay, 'open');
  server.accepts = true;
  await news.unsubscribe();
  await within(last.ended, 'the end of the third stream');
  await server.peer();
});

test('topics that come while the stream is opened are in it', async (t) => {
  const { server, relay } = await refused(t);
  const topics = [relay.subscribe('a')];
  await server.request();
  topics.push(relay.subscribe('b'), relay.subscribe('c'));
  const request = await server.request();
  assert.deepEqual(request.url.searchParams.getAll('topic'), ['a', 'b', 'c']);
  answer(request);
  await within(Promise.all(topics.map(({ ready }) => ready)), 'all of them');
});

test('tokens go where streams have them', async (t) => {
  const { server, relay } = await refused(t, { getToken: () => 'signed' });
  relay.subscribe('a', { token: 'for a' });
  relay.subscribe('b');
  relay.subscribe('c', { token: async (topic) => `for ${topic}` });
  const { url, headers } = await server.request();
  assert.deepEqual(url.searchParams.getAll('token'), ['for a', 'for c']);
  assert.equal(headers.authorization, 'Bearer signed');
});

test('a WebSocket takes its place back as soon as it can be opened', async (t) => {
  const { server, relay } = await refused(t, { probe: 40 });
  const room = relay.subscribe('room:1');
  const stream = answer(await server.request());
  await room.ready;
  stream.say(push(1), 'room:1 5 9');
  await event(room, 'say');
  const { attempts } = server;
  // Attempts that fail leave the stream as it is.
  while (server.attempts < attempts + 2) await new Promise((resolve) => setTimeout(resolve, 10));
  stream.say(push(2), 'room:1 5 10');
  assert.equal(await event(room, 'say'), 2);
  server.accepts = true;
  const opened = event(relay, 'open');
  const peer = await server.peer();
  assert.deepEqual(await opened, { transport: 'websocket' });
  await within(stream.ended, 'the end of the stream');
  const { epoch, offset } = await peer.admit('room:1', { epoch: 5, offset: 10 });
  assert.deepEqual([epoch, offset], [5, 10]);
  const sent = relay.send('room:1', 'say', 1);
  const { ref } = await peer.next({ type: 'message' });
  peer.say({ type: 'ok', ref });
  await sent;
});

test('streams that are refused give way to the WebSocket, in turns', async (t) => {
  const { server, relay } = await refused(t);
  const codes = [];
  relay.on('close', ({ code, reason }) => codes.push([code, reason]));
  const room = relay.subscribe('room:1');
  for (const status of [404, 500]) (await server.request()).response.writeHead(status).end();
  await server.request();
  assert.equal(server.attempts, 3);
  assert.deepEqual(
    codes.filter(([, reason]) => reason.startsWith('HTTP')),
    [
      [1006, 'HTTP status 404'],
      [1006, 'HTTP status 500'],
    ],
  );
  assert.equal(room.ended, false);
});

test('a sign-in that a stream misses is final without a token', async (t) => {
  const { server, relay } = await refused(t);
  const room = relay.subscribe('room:1');
  (await server.request()).response.writeHead(401).end();
  const { code } = await event(room, 'unsubscribed');
  assert.deepEqual([code, relay.state], ['closed', 'closed']);
});

test('streams alone, where one wants no WebSocket', async (t) => {
  const server = await serve(t, { streams: true });
  const relay = client(t, server, { WebSocket: null, sse: '/events?a=1' });
  await new Promise((resolve) => setTimeout(resolve, 30));
  const room = relay.subscribe('room:1');
  const request = await server.request();
  assert.deepEqual([request.url.pathname, [...request.url.searchParams]], ['/events', [['a', '1'], ['topic', 'room:1']]]);
  const stream = answer(request);
  await room.ready;
  stream.end();
  answer(await server.request());
  await event(relay, 'open');
  relay.close();
  assert.equal(server.attempts, 0);
});

test('no stream where one wants none, nor for nothing', async (t) => {
  const { server, relay } = await refused(t, { sse: false });
  relay.subscribe('room:1');
  const other = client(t, server, { sse: undefined });
  while (server.attempts < 8) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.deepEqual([relay.state === 'closed', other.state === 'closed'], [false, false]);
  await assert.rejects(within(server.request(), 'a request', 50), /not within/);
});

test('an event without an end is not gathered for ever', async (t) => {
  const { server, relay } = await refused(t);
  const room = relay.subscribe('room:1');
  const stream = answer(await server.request());
  await room.ready;
  stream.raw(`data: ${'x'.repeat(1 << 21)}`);
  const { code } = await event(relay, 'close');
  assert.equal(code, 1009);
  await within(stream.ended, 'the end of the stream');
});

test('a topic that a stream has not is over, or asked for again with a new token', async (t) => {
  const { server, relay } = await refused(t);
  let made = 0;
  const rooms = [relay.subscribe('a'), relay.subscribe('b'), relay.subscribe('c', { token: () => `token ${++made}` })];
  const errors = [];
  for (const room of rooms) room.on('error', ({ code }) => errors.push([room.topic, code]));
  const { response, url } = await server.request();
  assert.deepEqual(url.searchParams.getAll('token'), ['token 1']);
  const stream = answer({ url: new URL('http://server/sse?topic=a'), response });
  await rooms[0].ready;
  stream.say({ type: 'error', topic: 'b', code: 'join_rejected', message: 'join rejected: no' });
  await assert.rejects(rooms[1].ready, { code: 'join_rejected' });
  stream.say({ type: 'error', topic: 'c', code: 'token_expired', message: 'token expired' });
  const again = await server.request();
  assert.deepEqual([...again.url.searchParams].flat(), ['topic', 'a', 'topic', 'c', 'token', 'token 2']);
  answer(again);
  await rooms[2].ready;
  assert.deepEqual([errors, rooms.map(({ ended }) => ended)], [[['b', 'join_rejected'], ['c', 'token_expired']], [false, true, false]]);
});

test('a stream ends with the code that a socket would have', async (t) => {
  for (const [code, state] of [
    [4000, 'waiting'],
    [4500, 'closed'],
  ]) {
    const { server, relay } = await refused(t);
    const room = relay.subscribe('room:1');
    const stream = answer(await server.request());
    await room.ready;
    const end = event(relay, 'close');
    stream.say({ type: 'disconnect', code, reason: 'as you wish' }, 'room:1 1 0');
    const { wait, ...told } = await end;
    assert.deepEqual([told, relay.state, wait === undefined], [{ code, reason: 'as you wish' }, state, state === 'closed']);
    relay.close();
  }
});

test('closing ends the stream', async (t) => {
  const { server, relay } = await refused(t);
  const room = relay.subscribe('room:1');
  const stream = answer(await server.request());
  await room.ready;
  relay.close();
  await within(stream.ended, 'the end of the stream');
  assert.equal(room.ended, true);
});

test('a stream that opens too late, or says nothing for too long, is left', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const chunks = [];
  const fetches = [];
  t.mock.method(globalThis, 'fetch', (url, { signal }) => new Promise((resolve) => fetches.push({ signal, resolve })));
  t.mock.method(Math, 'random', () => 0.5);
  const relay = connect('ws://server/ws', { WebSocket: null });
  t.after(() => relay.close());
  const ends = [];
  relay.on('close', ({ reason }) => ends.push(reason));
  relay.subscribe('room:1');
  await settle();
  t.mock.timers.tick(9_999);
  assert.deepEqual(ends, []);
  t.mock.timers.tick(1);
  assert.deepEqual([ends.length, fetches[0].signal.aborted], [1, true]);
  t.mock.timers.tick(1_000);
  await settle();
  const reader = { read: () => new Promise((resolve) => chunks.push(resolve)) };
  fetches[1].resolve({ ok: true, status: 200, body: { getReader: () => reader } });
  await settle();
  assert.equal(relay.state, 'open');
  // The comment that keeps it alive.
  for (let turn = 0; turn < 4; turn++) {
    t.mock.timers.tick(40_000);
    chunks.shift()({ value: Buffer.from(':\n\n') });
    await settle();
  }
  t.mock.timers.tick(44_999);
  assert.equal(relay.state, 'open');
  t.mock.timers.tick(1);
  assert.deepEqual([ends, relay.state, fetches[1].signal.aborted], [['no octets in time', 'no octets in time'], 'waiting', true]);
});
