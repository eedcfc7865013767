// Every message of docs/relay_protocol.md: what the client says, and what it makes of what the server says.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect, event, pair, RelayError, within } from './support.js';

const code = (wanted) => (error) => {
  assert.ok(error instanceof RelayError, String(error));
  assert.equal(error.code, wanted);
  return true;
};

test('a subscription says what it wants, and knows what the server says', async (t) => {
  const { relay, peer } = await pair(t);
  const room = relay.subscribe('room:1', { payload: { nick: 'ann' }, presence: true, rewind: 10, token: 'signed' });
  const asked = await peer.next();
  const { ref, join, ...rest } = asked;
  assert.deepEqual(rest, { type: 'subscribe', topic: 'room:1', payload: { nick: 'ann' }, presence: true, rewind: 10, token: 'signed' });
  assert.ok(Number.isSafeInteger(ref) && Number.isSafeInteger(join) && join >= 0);
  assert.equal(room.live, false);
  const seen = event(room, 'subscribed');
  peer.say({ type: 'subscribed', topic: 'room:1', epoch: 81, offset: 12, recovered: true, reply: { motto: 'hi' }, ttl: 3600, join, ref });
  assert.deepEqual(await seen, { epoch: 81, offset: 12, recovered: true, reply: { motto: 'hi' }, ttl: 3600 });
  assert.deepEqual(await room.ready, { motto: 'hi' });
  assert.deepEqual([room.live, room.ended, room.epoch, room.offset], [true, false, 81, 12]);
});

test('a plain subscription says no more than it must', async (t) => {
  const { relay, peer } = await pair(t);
  relay.subscribe('orders:new');
  const { ref, join, ...rest } = await peer.next();
  assert.deepEqual(rest, { type: 'subscribe', topic: 'orders:new' });
  assert.ok(ref > 0 && join > 0);
});

test('a topic has one subscription, and a new one after it has ended', async (t) => {
  const { relay, peer } = await pair(t);
  const room = relay.subscribe('room:1');
  assert.equal(relay.subscribe('room:1'), room);
  await peer.admit('room:1');
  await room.ready;
  const over = room.unsubscribe();
  const again = relay.subscribe('room:1');
  assert.notEqual(again, room);
  const left = await peer.next({ type: 'unsubscribe', topic: 'room:1' });
  peer.say({ type: 'unsubscribed', topic: 'room:1', join: left.join, ref: left.ref });
  await over;
  await peer.admit('room:1');
  await again.ready;
  assert.equal(peer.unread, 0);
});

test('pushes come by their event and as pushes', async (t) => {
  const { relay, peer } = await pair(t);
  const room = relay.subscribe('room:1');
  await peer.admit('room:1');
  const seen = [];
  room.on('say', (payload, push) => seen.push(['say', payload, push.topic]));
  room.on('push', ({ event, payload }) => seen.push(['push', event, payload]));
  relay.on('push', ({ topic }) => seen.push(['client', topic]));
  peer.say({ type: 'push', topic: 'room:1', event: 'say', payload: { text: 'hi' } }, { type: 'push', topic: 'room:1', event: 'other', payload: null });
  await event(room, 'other');
  assert.deepEqual(seen, [
    ['client', 'room:1'],
    ['push', 'say', { text: 'hi' }],
    ['say', { text: 'hi' }, 'room:1'],
    ['client', 'room:1'],
    ['push', 'other', null],
  ]);
});

test("an application's event does not pass for the subscription's own", async (t) => {
  const { relay, peer } = await pair(t);
  const room = relay.subscribe('room:1');
  await peer.admit('room:1');
  const names = ['subscribed', 'unsubscribed', 'unrecovered', 'push', 'lagged', 'presence', 'error'];
  await room.ready;
  const own = [];
  const pushes = [];
  for (const name of names) room.on(name, (value) => (value?.type === 'push' ? pushes : own).push(name));
  peer.say(...names.map((name) => ({ type: 'push', topic: 'room:1', event: name, payload: 1 })), { type: 'push', topic: 'room:1', event: 'last', payload: 1 });
  await event(room, 'last');
  assert.deepEqual(own, []);
  assert.deepEqual(pushes, Array(names.length + 1).fill('push'));
});

test('names of the language are names of events like others', async (t) => {
  const { relay, peer } = await pair(t);
  const room = relay.subscribe('room:1');
  await peer.admit('room:1');
  const names = ['__proto__', 'constructor', 'toString', ''];
  for (const name of names) {
    const seen = event(room, name);
    peer.say({ type: 'push', topic: 'room:1', event: name, payload: name });
    assert.equal(await seen, name);
  }
});

test('a message is settled by its answer', async (t) => {
  const { relay, peer } = await pair(t);
  const room = relay.subscribe('room:1');
  await peer.admit('room:1');
  const first = room.send('say', { text: 'hi' });
  const second = relay.send('room:1', 'say');
  const asked = await peer.next();
  assert.deepEqual(asked, { type: 'message', topic: 'room:1', event: 'say', payload: { text: 'hi' }, ref: asked.ref });
  const other = await peer.next({ type: 'message', event: 'say' });
  assert.ok(!('payload' in other));
  assert.notEqual(asked.ref, other.ref);
  // The answers need not come in order.
  peer.say({ type: 'error', code: 'not_subscribed', topic: 'room:1', message: 'not subscribed to room:1', ref: other.ref }, { type: 'ok', ref: asked.ref });
  await assert.rejects(second, (error) => code('not_subscribed')(error) && error.message === 'not subscribed to room:1' && error.topic === 'room:1');
  assert.equal(await first, undefined);
});

test('a message without an answer ends in time, and a late answer changes nothing', async (t) => {
  const { relay, peer } = await pair(t);
  let errors = 0;
  relay.on('error', () => errors++);
  const sent = relay.send('room:1', 'say', 1, { timeout: 30 });
  const { ref } = await peer.next({ type: 'message' });
  await assert.rejects(sent, code('timeout'));
  const hello = relay.hello();
  const asked = await peer.next({ type: 'hello' });
  peer.say({ type: 'error', code: 'handler_error', message: 'late', ref }, { type: 'hello', conn_id: 7, user: 'ann', ref: asked.ref });
  const { conn_id, user } = await hello;
  assert.deepEqual([conn_id, user, errors], [7, 'ann', 0]);
});

test('a promise that nobody looks at does no harm', async (t) => {
  const { relay, peer } = await pair(t);
  const seen = [];
  const listener = (reason) => seen.push(reason);
  process.on('unhandledRejection', listener);
  t.after(() => process.off('unhandledRejection', listener));
  relay.send('room:1', 'say', 1, { timeout: 10 });
  relay.call('sum', [1], { deadline: 10, signal: AbortSignal.timeout(5) });
  relay.subscribe('refused');
  await peer.next({ type: 'message' });
  await peer.next({ type: 'call' });
  const { ref, join } = await peer.next({ type: 'subscribe' });
  peer.say({ type: 'error', code: 'join_rejected', topic: 'refused', message: 'join rejected: no', ref, join });
  await new Promise((resolve) => setTimeout(resolve, 50));
  relay.close();
  relay.send('room:1', 'say');
  relay.subscribe('more');
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(seen, []);
});

test('a message that is too long is refused here', async (t) => {
  const { relay, peer } = await pair(t, { maxMessage: 200 });
  await assert.rejects(relay.send('room:1', 'say', 'x'.repeat(200)), code('too_long'));
  // Counted in octets: 60 characters, 180 octets.
  await assert.rejects(relay.send('room:1', 'say', '界'.repeat(60)), code('too_long'));
  relay.send('room:1', 'say', 'x'.repeat(60));
  await peer.next({ payload: 'x'.repeat(60) });
});

test('what is no JSON is refused here', async (t) => {
  const { relay } = await pair(t);
  const round = {};
  round.round = round;
  await assert.rejects(relay.send('room:1', 'say', round), TypeError);
  await assert.rejects(relay.send('room:1', 'say', 1n), TypeError);
});

test('so many messages wait for their answers, and no more', async (t) => {
  const { relay, peer } = await pair(t);
  for (let at = 0; at < 1024; at++) relay.send('room:1', 'say', at);
  await assert.rejects(relay.send('room:1', 'say', 1024), code('too_many'));
  const { ref } = await peer.next({ payload: 0 });
  peer.say({ type: 'ok', ref });
  const answered = relay.hello();
  await assert.rejects(answered, code('too_many'));
});

test('a call gives what the method gives, or its error', async (t) => {
  const { relay, peer } = await pair(t);
  const sum = relay.call('sum', [1, 2], { deadline: 2000 });
  const asked = await peer.next();
  assert.deepEqual(asked, { type: 'call', method: 'sum', payload: [1, 2], deadline: 2000, ref: asked.ref });
  peer.say({ type: 'result', ref: asked.ref, payload: 3 });
  assert.equal(await sum, 3);
  const none = relay.call('none');
  const { ref } = await peer.next({ method: 'none', deadline: 10_000 });
  peer.say({ type: 'error', code: 'unknown_method', message: 'unknown method none', ref });
  await assert.rejects(none, code('unknown_method'));
});

test('a call is dropped by its signal', async (t) => {
  const { relay, peer } = await pair(t);
  let errors = 0;
  relay.on('error', () => errors++);
  const abort = new AbortController();
  const slow = relay.call('slow', null, { signal: abort.signal });
  const { ref } = await peer.next({ type: 'call' });
  abort.abort(new Error('enough'));
  await assert.rejects(slow, { message: 'enough' });
  assert.deepEqual(await peer.next(), { type: 'cancel', ref });
  peer.say({ type: 'error', code: 'cancelled', message: 'cancelled', ref });
  await assert.rejects(relay.call('slow', null, { signal: abort.signal }), { message: 'enough' });
  await assert.rejects(relay.call('slow', null, { deadline: -990 }), code('deadline_exceeded'));
  await peer.next({ type: 'call' });
  await peer.next({ type: 'cancel' });
  assert.equal(errors, 0);
});

test('a subscription that is refused is over', async (t) => {
  const { relay, peer } = await pair(t);
  for (const refusal of ['join_rejected', 'subscription_limit', 'unknown_topic', 'invalid_message', 'token_required']) {
    const room = relay.subscribe('room:1', { token: 'a fixed one' });
    const errors = [];
    room.on('error', (error) => errors.push(error.code));
    const { ref, join } = await peer.next({ type: 'subscribe' });
    const over = event(room, 'unsubscribed');
    peer.say({ type: 'error', code: refusal, topic: 'room:1', message: 'no', ref, join });
    await assert.rejects(room.ready, code(refusal));
    assert.equal((await over).code, refusal);
    assert.deepEqual([room.ended, room.live, errors], [true, false, [refusal]]);
  }
});

test('a subscription that the rate refuses is asked for again', async (t) => {
  const { relay, peer } = await pair(t);
  const room = relay.subscribe('room:1');
  for (let turn = 0; turn < 2; turn++) {
    const { ref, join } = await peer.next({ type: 'subscribe' });
    peer.say({ type: 'error', code: 'rate_limited', topic: 'room:1', message: 'too many messages', ref, join });
  }
  await peer.admit('room:1');
  await room.ready;
});

test('errors that answer nothing come as events', async (t) => {
  const { relay, peer } = await pair(t);
  const room = relay.subscribe('room:1');
  await peer.admit('room:1');
  await room.ready;
  const general = event(relay, 'error');
  peer.say({ type: 'error', message: 'invalid message: missing field `topic`' });
  assert.equal((await general).message, 'invalid message: missing field `topic`');
  const ours = event(room, 'error');
  peer.say({ type: 'error', code: 'handler_error', topic: 'room:1', message: 'message handler error: no' });
  assert.equal((await ours).code, 'handler_error');
});

test('what is no message is passed over', async (t) => {
  const { relay, peer } = await pair(t);
  const room = relay.subscribe('room:1');
  await peer.admit('room:1');
  const broken = event(relay, 'error');
  peer.socket.send('{"type":');
  assert.equal((await broken).code, 'invalid_message');
  peer.socket.send(Buffer.from([0, 1, 2]));
  for (const text of ['null', '1', '[]', '[null,[]]', '{}', '"text"', '{"type":"of tomorrow"}', '{"type":"push","topic":"elsewhere"}']) peer.socket.send(text);
  const seen = event(room, 'say');
  peer.say({ type: 'push', topic: 'room:1', event: 'say', payload: 1, unknown: true });
  assert.equal(await seen, 1);
});

test('batches are asked for, and come apart in their order', async (t) => {
  const { relay, peer } = await pair(t, { batch: 50 });
  const room = relay.subscribe('room:1');
  assert.deepEqual(await peer.next(), { type: 'batch', delay: 50 });
  await peer.admit('room:1', { offset: 5 });
  const seen = [];
  room.on('say', (payload) => seen.push(payload));
  peer.socket.send(JSON.stringify([1, 2, 3].map((payload) => ({ type: 'push', topic: 'room:1', event: 'say', payload }))));
  peer.say({ type: 'push', topic: 'room:1', event: 'end', payload: 4 });
  await event(room, 'end');
  assert.deepEqual(seen, [1, 2, 3]);
  assert.equal(room.offset, 9);
});

test('presence: the state, then each change', async (t) => {
  const { relay, peer } = await pair(t);
  const room = relay.subscribe('room:1', { presence: true });
  await peer.admit('room:1');
  const ann = { conn_id: 7, user: 'ann', meta: { status: 'here' } };
  const bob = { conn_id: 8, user: 'bob', meta: {} };
  const away = { ...ann, meta: { status: 'away' } };
  const told = async (message) => {
    const seen = event(room, 'presence');
    peer.say({ topic: 'room:1', ...message });
    return await seen;
  };
  assert.deepEqual(await told({ type: 'presence_state', members: [ann] }), { members: [ann], joined: [ann], left: [] });
  assert.deepEqual(await told({ type: 'presence_diff', joined: [bob], left: [] }), { members: [ann, bob], joined: [bob], left: [] });
  assert.deepEqual(await told({ type: 'presence_diff', joined: [away], left: [] }), { members: [away, bob], joined: [away], left: [] });
  assert.deepEqual(await told({ type: 'presence_diff', joined: [], left: [bob] }), { members: [away], joined: [], left: [bob] });
  assert.deepEqual([...room.members], [[7, away]]);
  // It replaces all that was known.
  assert.deepEqual(await told({ type: 'presence_state', members: [bob], more: true }), { members: [bob], joined: [bob], left: [away] });
  assert.deepEqual([[...room.members.keys()], room.more], [[8], true]);
  await told({ type: 'presence_state', members: [] });
  assert.deepEqual([room.members.size, room.more], [0, false]);
});

test('the server ends a subscription', async (t) => {
  const { relay, peer } = await pair(t);
  const room = relay.subscribe('room:1');
  const { join } = await peer.admit('room:1');
  await room.ready;
  const over = event(room, 'unsubscribed');
  peer.say({ type: 'unsubscribed', topic: 'room:1', code: 'server', message: 'unsubscribed by the server', join });
  const { code: why, message } = await over;
  assert.deepEqual([why, message, room.ended], ['server', 'unsubscribed by the server', true]);
});

test('the server subscribes the client', async (t) => {
  const { relay, peer } = await pair(t);
  const first = new Promise((resolve) => relay.on('subscription', (given) => given.on('item', (payload) => resolve({ given, payload }))));
  peer.say({ type: 'subscribed', topic: 'news', epoch: 3, offset: 9, recovered: true }, { type: 'push', topic: 'news', event: 'item', payload: 1 });
  const { given: news, payload } = await within(first, 'a push');
  assert.deepEqual([news.topic, payload], ['news', 1]);
  assert.deepEqual([news.live, news.epoch, news.offset], [true, 3, 10]);
  assert.equal(relay.subscribe('news'), news);
});

test('a push to the user comes with and without a subscription, and is not counted', async (t) => {
  const { relay, peer } = await pair(t);
  const room = relay.subscribe('room:1');
  await peer.admit('room:1', { offset: 4 });
  await room.ready;
  const seen = event(room, 'note');
  peer.say({ type: 'push', topic: 'room:1', event: 'note', payload: 1, to: 'user' });
  assert.equal(await seen, 1);
  assert.equal(room.offset, 4);
  const elsewhere = event(relay, 'push');
  peer.say({ type: 'push', topic: 'mail', event: 'note', payload: 2, to: 'user' });
  assert.deepEqual(await elsewhere, { type: 'push', topic: 'mail', event: 'note', payload: 2, to: 'user' });
});

test('unsubscribing waits for the answer, and nothing comes behind it', async (t) => {
  const { relay, peer } = await pair(t);
  const room = relay.subscribe('room:1');
  const { join } = await peer.admit('room:1');
  await room.ready;
  let late = 0;
  room.on('push', () => late++);
  const over = event(room, 'unsubscribed');
  const done = room.unsubscribe();
  assert.equal((await over).code, 'unsubscribed');
  const asked = await peer.next({ type: 'unsubscribe', topic: 'room:1', join });
  peer.say({ type: 'push', topic: 'room:1', event: 'say', payload: 1 }, { type: 'unsubscribed', topic: 'room:1', join, ref: asked.ref });
  await within(done, 'unsubscribed');
  assert.equal(late, 0);
  // Nothing is left to end.
  await relay.unsubscribe('room:1');
  await room.unsubscribe();
  assert.equal(peer.unread, 0);
});

test('pushes can be iterated over, to the end of the subscription', async (t) => {
  const { relay, peer } = await pair(t);
  const room = relay.subscribe('room:1');
  const { join } = await peer.admit('room:1');
  await room.ready;
  const seen = [];
  const done = (async () => {
    for await (const { payload } of room) {
      seen.push(payload);
      if (payload === 2) peer.say({ type: 'push', topic: 'room:1', event: 'say', payload: 3 }, { type: 'unsubscribed', topic: 'room:1', code: 'server', message: 'over', join });
    }
  })();
  peer.say({ type: 'push', topic: 'room:1', event: 'say', payload: 1 }, { type: 'push', topic: 'room:1', event: 'say', payload: 2 });
  await within(done, 'the end of the iteration');
  assert.deepEqual(seen, [1, 2, 3]);
});

test('who iterates too slowly is told, and has what came before', async (t) => {
  const { relay, peer } = await pair(t);
  const room = relay.subscribe('room:1');
  await peer.admit('room:1');
  await room.ready;
  const pushes = room[Symbol.asyncIterator]();
  const first = pushes.next();
  peer.say({ type: 'push', topic: 'room:1', event: 'say', payload: 0 });
  assert.equal((await first).value.payload, 0);
  for (let at = 1; at <= 1100; at++) peer.say({ type: 'push', topic: 'room:1', event: 'say', payload: at });
  peer.say({ type: 'push', topic: 'room:1', event: 'end', payload: 0 });
  await event(room, 'end');
  const seen = [];
  await assert.rejects(async () => {
    for await (const { payload } of { [Symbol.asyncIterator]: () => pushes }) seen.push(payload);
  }, code('overflow'));
  assert.deepEqual(seen, Array.from({ length: 1024 }, (_, at) => at + 1));
});

test('a listener that throws hinders nobody', async (t) => {
  const { relay, peer } = await pair(t);
  const room = relay.subscribe('room:1');
  await peer.admit('room:1');
  const uncaught = [];
  // The runner of the tests has a listener of its own.
  const others = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', (error) => uncaught.push(error.message));
  t.after(() => {
    process.removeAllListeners('uncaughtException');
    for (const other of others) process.on('uncaughtException', other);
  });
  room.on('say', () => {
    throw new Error('mine');
  });
  const seen = event(room, 'say');
  peer.say({ type: 'push', topic: 'room:1', event: 'say', payload: 1 });
  assert.equal(await seen, 1);
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual(uncaught, ['mine']);
  const off = event(room, 'say');
  peer.say({ type: 'push', topic: 'room:1', event: 'say', payload: 2 });
  assert.equal(await off, 2);
});

test('a client without a class of sockets says so', () => {
  const had = globalThis.WebSocket;
  delete globalThis.WebSocket;
  try {
    assert.throws(() => connect('ws://127.0.0.1:1/ws'), TypeError);
  } finally {
    if (had) globalThis.WebSocket = had;
  }
});
