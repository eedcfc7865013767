// Connections: how one is noticed to be gone, when the next one comes, and what it takes up.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { client, connect, event, fakeSockets, pair, pass, serve, settle, SUBJECT, within } from './support.js';

/** A client whose sockets and time are the test's. */
function still(t, options = {}) {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const { FakeSocket, made } = fakeSockets();
  const relay = connect('ws://server/ws', { WebSocket: FakeSocket, sse: false, ...options });
  t.after(() => relay.close());
  const closes = [];
  relay.on('close', (end) => closes.push(end));
  return { relay, made, closes, socket: () => made.at(-1), pass: (milliseconds) => pass(t, milliseconds) };
}

/** The next attempt to connect comes after the wait that was told, no sooner. */
async function comesAfter({ made, pass }, wait) {
  const before = made.length;
  pass(Math.ceil(wait) - 1);
  await settle();
  assert.equal(made.length, before, 'it came too soon');
  pass(2);
  await settle();
  assert.equal(made.length, before + 1, 'it did not come');
}

test('waits double to their limit, and are spread over all of their range', async (t) => {
  const random = t.mock.method(Math, 'random', () => 0.999);
  const world = still(t);
  await settle();
  const most = [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000];
  for (const wanted of most) {
    world.socket().onclose({ code: 1006, reason: '' });
    const { wait, code } = world.closes.at(-1);
    assert.equal(code, 1006);
    assert.ok(wait > wanted * 0.99 && wait < wanted, `${wait} of ${wanted}`);
    assert.equal(world.relay.state, 'waiting');
    await comesAfter(world, wait);
  }
  random.mock.mockImplementation(() => 0);
  world.socket().onclose({ code: 1006, reason: '' });
  assert.equal(world.closes.at(-1).wait, 0);
});

test('the waits of many clients are spread evenly', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const { FakeSocket, made } = fakeSockets();
  const waits = [];
  const relays = Array.from({ length: 2000 }, () => {
    const relay = connect('ws://server/ws', { WebSocket: FakeSocket, sse: false });
    relay.on('close', ({ wait }) => wait === undefined || waits.push(wait));
    return relay;
  });
  await settle();
  for (const socket of made) socket.onopen();
  for (const socket of made) socket.onclose({ code: 1001, reason: 'going away' });
  assert.equal(waits.length, 2000);
  for (let tenth = 0; tenth < 10; tenth++) {
    const here = waits.filter((wait) => wait >= tenth * 100 && wait < (tenth + 1) * 100).length;
    // 200 on average; a fair spread leaves these bounds once in 10^11 runs.
    assert.ok(here > 110 && here < 300, `${here} of 2000 within tenth ${tenth}`);
  }
  for (const relay of relays) relay.close();
});

test('a connection that held begins the waits anew, one that did not does not', async (t) => {
  t.mock.method(Math, 'random', () => 0.999);
  const world = still(t);
  await settle();
  for (const wanted of [1000, 2000, 4000]) {
    world.socket().onopen();
    world.socket().onclose({ code: 1001, reason: '' });
    assert.ok(Math.abs(world.closes.at(-1).wait - wanted) < wanted / 100);
    await comesAfter(world, world.closes.at(-1).wait);
  }
  world.socket().onopen();
  const answering = () => world.socket().say({ type: 'pong' });
  world.pass(25_000);
  answering();
  world.pass(10_000);
  world.socket().onclose({ code: 1001, reason: '' });
  assert.ok(world.closes.at(-1).wait < 1000);
});

test('who asked too much leaves the server alone for a while', async (t) => {
  for (const code of [1008, 1013]) {
    for (const [random, least, most] of [
      [0, 4000, 4000],
      [0.999, 7900, 8000],
    ]) {
      await t.test(`${code}, ${random}`, async (t) => {
        t.mock.method(Math, 'random', () => random);
        const world = still(t);
        await settle();
        world.socket().onopen();
        world.socket().onclose({ code, reason: '' });
        const { wait } = world.closes.at(-1);
        assert.ok(wait >= least && wait <= most, `${wait}`);
        await comesAfter(world, wait);
      });
    }
  }
});

test('each close code: come back or not', async (t) => {
  const final = [1000, 1009, 4401, 4500, 4750, 4999];
  const passing = [1001, 1005, 1006, 1008, 1011, 1012, 1013, 4000, 4400, 4402, 4499];
  for (const code of [...final, ...passing]) {
    await t.test(`${code}`, async (t) => {
      const world = still(t);
      const room = world.relay.subscribe('room:1');
      await settle();
      world.socket().onopen();
      const sent = world.relay.send('room:1', 'say');
      world.socket().onclose({ code, reason: 'a reason' });
      const ends = final.includes(code);
      assert.deepEqual({ ...world.closes.at(-1), wait: 0 }, { code, reason: 'a reason', wait: 0 });
      assert.equal(world.closes.at(-1).wait === undefined, ends);
      assert.deepEqual([world.relay.state, room.ended], ends ? ['closed', true] : ['waiting', false]);
      await assert.rejects(sent, { code: 'disconnected' });
      world.pass(60_000);
      await settle();
      assert.equal(world.made.length, ends ? 1 : 2);
      if (ends) await assert.rejects(world.relay.send('room:1', 'say'), { code: 'closed' });
    });
  }
});

test('a ping every 25 seconds, and a dead connection is noticed 10 seconds later', async (t) => {
  const world = still(t);
  await settle();
  const socket = world.socket();
  socket.onopen();
  world.pass(24_999);
  assert.deepEqual(socket.sent, []);
  world.pass(1);
  assert.deepEqual(socket.sent, [{ type: 'ping' }]);
  world.pass(9_000);
  socket.say({ type: 'pong' });
  world.pass(15_999);
  assert.equal(socket.sent.length, 1);
  world.pass(1);
  assert.equal(socket.sent.length, 2);
  assert.deepEqual(world.closes, []);
  world.pass(9_999);
  assert.equal(world.relay.state, 'open');
  world.pass(1);
  assert.deepEqual([world.closes.length, world.closes[0].code, world.relay.state], [1, 1006, 'waiting']);
  assert.notEqual(socket.ended, undefined);
  // What the dead one says yet is nobody's.
  socket.onclose({ code: 4500, reason: 'late' });
  socket.say({ type: 'push', topic: 'room:1', event: 'say', payload: 1 });
  assert.equal(world.closes.length, 1);
});

test('a dead connection is left at once, whatever the peer does', async (t) => {
  const { server, relay, peer } = await pair(t, { ping: 20, pong: 50 });
  await peer.next({ type: 'ping' });
  peer.socket.pause();
  const { reason } = await event(relay, 'close');
  assert.equal(reason, 'no answer to a ping');
  peer.socket.resume();
  // Without the closing handshake, which a dead peer does not answer.
  assert.equal(await within(peer.closed, 'the end of the dead connection'), 1006);
  await server.peer();
});

test('opening has its time', async (t) => {
  t.mock.method(Math, 'random', () => 0.5);
  const world = still(t);
  await settle();
  world.pass(9_999);
  assert.equal(world.relay.state, 'connecting');
  world.pass(1);
  assert.equal(world.relay.state, 'waiting');
  assert.equal(world.closes[0].reason, 'not open in time');
  world.made[0].onopen();
  assert.equal(world.relay.state, 'waiting');
  await comesAfter(world, world.closes[0].wait);
});

test('at once when the browser is online again', async (t) => {
  const listeners = new Set();
  globalThis.addEventListener = (name, listener) => name === 'online' && listeners.add(listener);
  globalThis.removeEventListener = (name, listener) => name === 'online' && listeners.delete(listener);
  t.after(() => {
    delete globalThis.addEventListener;
    delete globalThis.removeEventListener;
  });
  t.mock.method(Math, 'random', () => 0.999);
  const world = still(t);
  await settle();
  const online = () => [...listeners].forEach((listener) => listener());
  // While it is being opened there is nothing to do.
  online();
  await settle();
  assert.equal(world.made.length, 1);
  world.socket().onclose({ code: 1006, reason: '' });
  online();
  await settle();
  assert.equal(world.made.length, 2);
  // The wait that was begun is over, too.
  world.pass(2_000);
  await settle();
  assert.equal(world.made.length, 2);
  // An open connection may be dead without knowing it.
  world.socket().onopen();
  online();
  assert.deepEqual(world.socket().sent, [{ type: 'ping' }]);
  world.pass(10_000);
  assert.equal(world.relay.state, 'waiting');
  world.relay.close();
  assert.equal(listeners.size, 0);
});

test('after a new connection a client asks for what came after it stopped', async (t) => {
  const { server, relay, peer } = await pair(t);
  const room = relay.subscribe('room:1', { rewind: 5, payload: { nick: 'ann' } });
  const first = await peer.admit('room:1', { epoch: 81, offset: 12 });
  assert.equal(first.rewind, 5);
  const push = { type: 'push', topic: 'room:1', event: 'say', payload: 1 };
  const end = event(room, 'end');
  peer.say(
    push, // 13
    { ...push, to: 'user' },
    { type: 'lagged', topic: 'room:1', missed: 3 }, // 16
    { type: 'lagged', topic: 'room:1', missed: 5, node: '1f00d', to: 'all' }, // 16
    { type: 'skipped', topic: 'room:1', count: 2 }, // 18
    { type: 'push', topic: 'another', event: 'say', payload: 1 },
    { type: 'presence_diff', topic: 'room:1', joined: [], left: [] },
    { ...push, event: 'end' }, // 19
  );
  await end;
  assert.deepEqual([room.epoch, room.offset], [81, 19]);
  const lost = event(relay, 'close');
  peer.socket.close(1001, 'going away');
  assert.equal((await lost).code, 1001);
  assert.equal(room.live, false);
  const next = await server.peer();
  const asked = await next.next({ type: 'subscribe', topic: 'room:1', epoch: 81, offset: 19, payload: { nick: 'ann' } });
  assert.ok(!('rewind' in asked));
  assert.ok(asked.join > first.join);
  let unrecovered = 0;
  room.on('unrecovered', () => unrecovered++);
  const back = event(room, 'subscribed');
  next.say({ type: 'subscribed', topic: 'room:1', epoch: 81, offset: 19, recovered: true, join: asked.join, ref: asked.ref }, push);
  const said = event(room, 'say');
  assert.equal((await back).recovered, true);
  await said;
  assert.deepEqual([room.offset, unrecovered, room.ended], [20, 0, false]);
});

test('a gap is told, and counting goes on from where the server says', async (t) => {
  const { server, relay, peer } = await pair(t);
  const room = relay.subscribe('room:1');
  // A rewind that gives less than it might is no gap.
  await peer.admit('room:1', { epoch: 81, offset: 12, recovered: false });
  let unrecovered = 0;
  room.on('unrecovered', () => unrecovered++);
  await room.ready;
  assert.equal(unrecovered, 0);
  peer.socket.terminate();
  const next = await server.peer();
  const told = event(room, 'unrecovered');
  const asked = await next.admit('room:1', { epoch: 82, offset: 3, recovered: false });
  assert.deepEqual([asked.epoch, asked.offset], [81, 12]);
  await told;
  next.say({ type: 'push', topic: 'room:1', event: 'say', payload: 1 });
  await event(room, 'say');
  assert.deepEqual([room.epoch, room.offset], [82, 4]);
});

test('who does not want to recover begins anew', async (t) => {
  const { server, relay, peer } = await pair(t);
  relay.subscribe('room:1', { rewind: 1, recover: false });
  await peer.admit('room:1', { epoch: 81, offset: 12 });
  peer.socket.terminate();
  const asked = await (await server.peer()).next({ type: 'subscribe', rewind: 1 });
  assert.ok(!('epoch' in asked) && !('offset' in asked));
});

test('late messages of an earlier generation change nothing', async (t) => {
  const { relay, peer } = await pair(t);
  const old = relay.subscribe('room:1');
  const first = await peer.next({ type: 'subscribe' });
  old.unsubscribe();
  const left = await peer.next({ type: 'unsubscribe', join: first.join });
  const room = relay.subscribe('room:1');
  const second = await peer.next({ type: 'subscribe' });
  assert.ok(second.join > first.join);
  const seen = [];
  for (const name of ['subscribed', 'unsubscribed', 'error', 'push', 'lagged', 'presence']) room.on(name, () => seen.push(name));
  const topic = 'room:1';
  peer.say(
    { type: 'subscribed', topic, epoch: 1, offset: 0, recovered: true, join: first.join, ref: first.ref },
    { type: 'presence_state', topic, members: [{ conn_id: 1, meta: {} }] },
    { type: 'push', topic, event: 'say', payload: 'early' },
    { type: 'lagged', topic, missed: 2 },
    { type: 'unsubscribed', topic, code: 'server', message: 'late', join: first.join },
    { type: 'error', code: 'join_rejected', topic, message: 'late', join: first.join },
    { type: 'unsubscribed', topic, join: left.join, ref: left.ref },
  );
  await relayIsHere(relay, peer);
  assert.deepEqual([seen, room.live, room.ended, room.offset], [[], false, false, undefined]);
  peer.say({ type: 'subscribed', topic, epoch: 1, offset: 7, recovered: true, join: second.join, ref: second.ref }, { type: 'push', topic, event: 'say', payload: 1 });
  await event(room, 'say');
  assert.deepEqual([seen, room.offset], [['subscribed', 'push'], 8]);
});

/** The client has read all that `peer` said. */
async function relayIsHere(relay, peer) {
  const hello = relay.hello();
  const { ref } = await peer.next({ type: 'hello' });
  peer.say({ type: 'hello', conn_id: 1, ref });
  await hello;
}

test('what the server chose for a connection ends with it', async (t) => {
  const { server, relay, peer } = await pair(t);
  const given = event(relay, 'subscription');
  peer.say({ type: 'subscribed', topic: 'news', epoch: 3, offset: 9, recovered: true });
  const news = await given;
  const over = event(news, 'unsubscribed');
  peer.socket.terminate();
  assert.equal((await over).code, 'disconnected');
  const next = await server.peer();
  await event(relay, 'open');
  await relayIsHere(relay, next);
});

test('what was asked on a lost connection leaves its place', async (t) => {
  const world = still(t);
  await settle();
  world.socket().onopen();
  for (let at = 0; at < 1024; at++) world.relay.subscribe(`room:${at}`).unsubscribe();
  await assert.rejects(world.relay.hello(), { code: 'too_many' });
  world.socket().onclose({ code: 1006, reason: '' });
  world.pass(1000);
  await settle();
  world.socket().onopen();
  const hello = world.relay.hello();
  world.socket().say({ type: 'hello', conn_id: 7, ref: world.socket().sent.at(-1).ref });
  assert.equal((await hello).conn_id, 7);
});

test('messages without a connection are refused, and those that wait for an answer fail with it', async (t) => {
  const { server, relay, peer } = await pair(t, { backoff: 1000, longest: 1000 });
  const sent = [relay.send('room:1', 'say'), relay.call('sum', [1]), relay.hello()];
  await peer.next({ type: 'message' });
  peer.socket.terminate();
  for (const each of sent) await assert.rejects(each, { name: 'RelayError', code: 'disconnected' });
  for (const each of [relay.send('room:1', 'say'), relay.call('sum'), relay.hello()]) await assert.rejects(each, { code: 'disconnected' });
  assert.equal(server.waiting, 0);
});

test('messages are kept for the next connection, so many, in their order, behind their subscription', async (t) => {
  const { server, relay, peer } = await pair(t, { keep: 3 });
  const room = relay.subscribe('room:1');
  await peer.admit('room:1');
  await room.ready;
  peer.socket.terminate();
  await event(relay, 'close');
  const sent = [room.send('say', 1), relay.send('elsewhere', 'say', 2), room.send('say', 3)];
  await assert.rejects(room.send('say', 4), { code: 'queue_full' });
  await assert.rejects(relay.call('sum'), { code: 'disconnected' });
  const next = await server.peer();
  const asked = await next.next({ type: 'subscribe', topic: 'room:1' });
  const other = await next.next({ type: 'message', topic: 'elsewhere', payload: 2 });
  next.say({ type: 'ok', ref: other.ref });
  await sent[1];
  assert.equal(next.unread, 0);
  next.say({ type: 'subscribed', topic: 'room:1', epoch: 1, offset: 0, recovered: true, join: asked.join, ref: asked.ref });
  for (const payload of [1, 3]) {
    const { ref } = await next.next({ type: 'message', topic: 'room:1', payload });
    next.say({ type: 'ok', ref });
  }
  await Promise.all(sent);
});

test('a message that was kept has its time, too', async (t) => {
  const server = await serve(t);
  server.accepts = false;
  const relay = client(t, server, { keep: 1 });
  const began = Date.now();
  await assert.rejects(relay.send('room:1', 'say', 1, { timeout: 60 }), { code: 'timeout' });
  assert.ok(Date.now() - began < 1000);
  // Its place is free again, and what was given up is not sent.
  const kept = relay.send('room:1', 'say', 2);
  server.accepts = true;
  const peer = await server.peer();
  const { ref } = await peer.next({ type: 'message', payload: 2 });
  peer.say({ type: 'ok', ref });
  await kept;
});

test('closing ends everything at once, and once', async (t) => {
  const { server, relay, peer } = await pair(t, { keep: 5 });
  const room = relay.subscribe('room:1', { token: () => 'signed' });
  await peer.admit('room:1', { ttl: 3600 });
  await room.ready;
  const refused = relay.subscribe('room:2');
  const sent = relay.send('room:1', 'say');
  const ends = [];
  relay.on('close', (end) => ends.push(end));
  room.on('unsubscribed', ({ code }) => ends.push(code));
  relay.close();
  relay.close();
  assert.deepEqual(ends, ['closed', { code: 1000, reason: '' }]);
  await assert.rejects(sent, { code: 'closed' });
  await assert.rejects(refused.ready, { code: 'closed' });
  assert.equal(await within(peer.closed, 'the end of the connection'), 1000);
  const late = relay.subscribe('room:1');
  assert.equal(late.ended, true);
  await assert.rejects(late.ready, { code: 'closed' });
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(server.waiting, 0);
});

test('closing while it connects, waits, or asks for a token leaves nothing behind', async (t) => {
  const server = await serve(t);
  client(t, server).close();
  let give;
  const asking = client(t, server, { getToken: () => new Promise((resolve) => (give = resolve)) });
  await settle();
  asking.close();
  give('signed');
  server.accepts = false;
  const waiting = client(t, server);
  await event(waiting, 'close');
  const { attempts } = server;
  waiting.close();
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.deepEqual([server.waiting, server.attempts], [0, attempts]);
});

test('a listener may close the client, whatever it listens for', async (t) => {
  for (const [name, provoke] of [
    ['open', () => {}],
    ['push', (peer) => peer.say({ type: 'push', topic: 'a', event: 'b' })],
    ['error', (peer) => peer.say({ type: 'error', message: 'no' })],
    ['close', (peer) => peer.socket.terminate()],
    ['subscription', (peer) => peer.say({ type: 'subscribed', topic: 'news' })],
  ]) {
    const server = await serve(t);
    const relay = client(t, server);
    relay.on(name, () => relay.close());
    provoke(await server.peer());
    await new Promise((resolve) => setTimeout(resolve, 60));
    assert.deepEqual([relay.state, server.attempts], ['closed', 1], name);
  }
  const { server, relay, peer } = await pair(t);
  const given = event(relay, 'subscription');
  peer.say({ type: 'subscribed', topic: 'news' });
  (await given).on('unsubscribed', () => relay.close());
  peer.socket.terminate();
  await new Promise((resolve) => setTimeout(resolve, 60));
  assert.deepEqual([relay.state, server.attempts], ['closed', 1]);
});

test('a process ends when its client is closed, and lives while it is not', async (t) => {
  const server = await serve(t);
  const run = async (lines) => {
    const script = `
      import { connect } from ${JSON.stringify(SUBJECT)};
      import { WebSocket } from ${JSON.stringify(new URL('../node_modules/ws/wrapper.mjs', import.meta.url).href)};
      const relay = connect(${JSON.stringify(server.url)}, { WebSocket, backoff: 400, longest: 400 });
      process.on('exit', () => console.log('state', relay.state));
      ${lines}`;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script], { cwd: fileURLToPath(new URL('..', import.meta.url)), stdio: ['ignore', 'pipe', 'inherit'] });
    t.after(() => child.kill('SIGKILL'));
    let output = '';
    child.stdout.on('data', (data) => (output += data));
    const [status] = await within(once(child, 'close'), 'the end of the process', 8000);
    return [status, output];
  };
  // Timers of pings and answers are no reason to stay.
  const closing = run(`relay.on('open', () => { relay.subscribe('room:1').ready.catch(() => {}); relay.call('never'); relay.close(); });`);
  await server.peer();
  assert.deepEqual(await closing, [0, 'state closed\n']);
  // A connection that is lost is not: the process is still there for the next one.
  const living = run(`let opened = 0; relay.on('open', () => { if (++opened === 2) { console.log('twice'); relay.close(); } });`);
  (await server.peer()).socket.terminate();
  assert.deepEqual(await living, [0, 'twice\nstate closed\n']);
});

test('URLs of the web are those of their sockets', async (t) => {
  const { FakeSocket, made } = fakeSockets();
  for (const [url, wanted] of [
    ['http://server:8000/ws', 'ws://server:8000/ws'],
    ['https://server/ws?a=1', 'wss://server/ws?a=1'],
    [new URL('wss://server/ws'), 'wss://server/ws'],
  ]) {
    const relay = connect(url, { WebSocket: FakeSocket });
    await settle();
    assert.equal(made.at(-1).url, wanted);
    relay.close();
  }
  globalThis.location = { href: 'https://pages.example/chat/' };
  t.after(() => delete globalThis.location);
  const relay = connect('/ws', { WebSocket: FakeSocket });
  await settle();
  assert.equal(made.at(-1).url, 'wss://pages.example/ws');
  relay.close();
});
