// Checks with Node's http2 client against the probe: node node_http2_client.mjs URL
//
// Over https the authority of the certificate is in NODE_EXTRA_CA_CERTS. Prints one line of JSON for each check: {"name": ...}, with "failure" when it
// did not hold.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http2 from 'node:http2';
import { createRequire } from 'node:module';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

// Unlike import, require looks into NODE_PATH.
const WebSocket = createRequire(import.meta.url)('ws');

const base = process.argv[2];
const MIB = 1024 * 1024;

const checks = {
  async 'every kind of response on one connection'() {
    await withSession({}, async (session) => {
      const expected = [
        ['GET', '/', 200, 'OK'], ['HEAD', '/', 200, ''], ['HEAD', '/stream', 200, ''], ['GET', '/s204', 204, ''], ['GET', '/s304', 304, ''],
        ['OPTIONS', '/', 200, ''], ['DELETE', '/', 405, 'method not allowed'], ['GET', '/stream', 200, 'stream'], ['GET', '/version', 200, 'HTTP/2.0'],
      ];
      for (const [method, path, status, content] of expected) {
        const answer = await ask(session, { ':method': method, ':path': path });
        assert.equal(answer.headers[':status'], status, `${method} ${path}`);
        assert.equal(answer.content.toString(), content, `${method} ${path}`);
        assert.ok(answer.headers.date, `${method} ${path} without Date`);
      }
    });
  },

  async '500 uploads, as many at a time as the server takes'() {
    await withSession({}, async (session) => {
      assert.equal(session.remoteSettings.maxConcurrentStreams, 100);
      await Promise.all(Array.from({ length: 500 }, async (_, number) => {
        const content = Buffer.from(`request ${number} `.repeat(number + 1));
        const answer = await ask(session, { ':method': 'POST', ':path': `/${number}` }, content);
        assert.equal(answer.headers[':status'], 200);
        assert.ok(answer.content.equals(content), `request ${number} got the content of another`);
      }));
    });
  },

  async 'an upload of 8 MiB as a stream, and back'() {
    await withSession({}, async (session) => {
      const blocks = Array.from({ length: 128 }, () => randomBytes(MIB / 16));
      const stream = session.request({ ':method': 'POST' });
      const answer = read(stream);
      await pipeline(Readable.from(blocks), stream, { end: true });
      assert.ok((await answer).content.equals(Buffer.concat(blocks)), 'other content came back');
    });
  },

  async 'a download that the client reads slowly, beside others'() {
    await withSession({ settings: { initialWindowSize: 20_000 } }, async (session) => {
      const content = randomBytes(2 * MIB);
      const stream = session.request({ ':method': 'POST' });
      stream.end(content);
      await once(stream, 'response');
      const blocks = [];
      for await (const block of stream) {
        blocks.push(block);
        if (blocks.length % 16 === 1) {
          assert.equal((await ask(session, {})).content.toString(), 'OK');
        }
      }
      assert.ok(Buffer.concat(blocks).equals(content), 'other content came back');
    });
  },

  async 'trailers come back'() {
    await withSession({}, async (session) => {
      const stream = session.request({ ':method': 'POST', ':path': '/trailers' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-check': 'abc' }));
      const trailers = once(stream, 'trailers');
      const answer = read(stream);
      stream.end('hello');
      assert.equal((await answer).content.toString(), 'hello');
      assert.equal((await trailers)[0]['x-check'], 'abc');
    });
  },

  async 'Expect: 100-continue'() {
    await withSession({}, async (session) => {
      const stream = session.request({ ':method': 'POST', expect: '100-continue' });
      const answer = read(stream);
      await once(stream, 'continue');
      stream.end('hello');
      assert.equal((await answer).content.toString(), 'hello');
    });
  },

  async 'a client that gives up in the middle of its uploads'() {
    await withSession({}, async (session) => {
      const kept = session.request({ ':method': 'POST' });
      const answer = read(kept);
      kept.write('before, ');
      await Promise.all(Array.from({ length: 20 }, async () => {
        const stream = session.request({ ':method': 'POST', 'content-length': MIB });
        stream.on('error', () => {});
        await new Promise((written) => stream.write(Buffer.alloc(1000), written));
        const closed = once(stream, 'close');
        stream.close(http2.constants.NGHTTP2_CANCEL);
        await closed;
      }));
      kept.end('after');
      assert.equal((await answer).content.toString(), 'before, after');
    });
  },

  async 'content over the limit is refused, and the client sees it'() {
    await withSession({}, async (session) => {
      for (let number = 0; number < 3; number++) {
        const stream = session.request({ ':method': 'POST' });
        const answer = read(stream);
        pipeline(Readable.from(Array.from({ length: 176 }, () => Buffer.alloc(MIB / 16))), stream).catch(() => {});
        assert.equal((await answer).headers[':status'], 413);
      }
      assert.equal((await ask(session, {})).content.toString(), 'OK');
    });
  },

  async 'pings and settings'() {
    await withSession({}, async (session) => {
      const payload = await new Promise((resolve, reject) => session.ping(Buffer.from('are you?'), (error, _, payload) => (error ? reject(error) : resolve(payload))));
      assert.equal(payload.toString(), 'are you?');
      await new Promise((resolve) => session.settings({ initialWindowSize: 1000, headerTableSize: 0 }, resolve));
      assert.equal((await ask(session, { ':method': 'POST' }, 'x'.repeat(5000))).content.length, 5000);
      assert.equal(session.remoteSettings.enableConnectProtocol, true);
    });
  },

  async 'fields and cookies'() {
    await withSession({}, async (session) => {
      const lines = (await ask(session, { ':path': '/echo', 'x-one': '1', 'x-many': ['a', 'b'], te: 'trailers' })).content.toString().split('\n');
      for (const line of ['x-one: 1', 'x-many: a', 'x-many: b', 'te: trailers']) assert.ok(lines.includes(line), `${line} is not among ${lines}`);
      assert.equal((await ask(session, { ':path': '/cookie', cookie: ['a=1', 'b=2'] })).content.toString(), 'a=1\nb=2\n');
    });
  },

  async 'WebSockets: messages, fragments, pings, Close'() {
    await withSession({}, async (session) => {
      const socket = await open(session, '/plain');
      for (const text of ['', 'Hello', 'Grüße, 世界 🦀', 'x'.repeat(70_000)]) assert.deepEqual(await echo(socket, text), { data: text, binary: false });
      for (const size of [0, 125, 126, 65_536, 2 * MIB]) {
        const octets = randomBytes(size);
        const { data, binary } = await echo(socket, octets);
        assert.ok(binary && data.equals(octets), `other octets came back for ${size}`);
      }
      const answer = message(socket);
      for (const [part, fin] of [['frag', false], ['', false], ['mented', true]]) socket.send(part, { fin });
      assert.deepEqual(await answer, { data: 'fragmented', binary: false });
      const pong = once(socket, 'pong');
      socket.ping('are you?');
      assert.equal(String((await pong)[0]), 'are you?');
      const closed = once(socket, 'close');
      socket.close(4000, 'enough');
      assert.equal((await closed)[0], 4000);
      assert.equal((await ask(session, {})).content.toString(), 'OK');
    });
  },

  async 'WebSockets: 50 on one connection, each with messages in flight'() {
    await withSession({}, async (session) => {
      await Promise.all(Array.from({ length: 50 }, async (_, number) => {
        const socket = await open(session, '/');
        const got = [];
        const done = new Promise((resolve) => socket.on('message', (data) => { if (got.push(String(data)) === 100) resolve(); }));
        const sent = Array.from({ length: 100 }, (_, at) => `${number}.${at} `.repeat(at + 1));
        sent.forEach((text) => socket.send(text));
        await done;
        assert.deepEqual(got, sent);
        const closed = once(socket, 'close');
        socket.close(1000);
        assert.equal((await closed)[0], 1000);
      }));
    });
  },

  async 'WebSockets: one that is destroyed leaves the others alone'() {
    await withSession({}, async (session) => {
      const kept = await open(session, '/plain');
      for (let number = 0; number < 10; number++) {
        const socket = await open(session, '/plain');
        socket.on('error', () => {});
        socket.send('x'.repeat(1000), { fin: false });
        socket.terminate();
      }
      assert.equal((await echo(kept, 'still there')).data, 'still there');
    });
  },

  async 'WebSockets: what is refused'() {
    await withSession({}, async (session) => {
      for (const [fields, status] of [
        [{ ':protocol': 'example' }, 501],
        [{ 'sec-websocket-version': '8' }, 426],
        [{ origin: 'https://elsewhere.example', cookie: 'session=1' }, 403],
      ]) {
        const stream = session.request({ ...CONNECT, ...fields }, { endStream: false });
        const answer = await read(stream);
        assert.equal(answer.headers[':status'], status, JSON.stringify(fields));
      }
      assert.equal((await ask(session, {})).content.toString(), 'OK');
    });
  },
};

/** Runs `use` with a connection whose settings have come, and closes it: which waits for its streams. */
async function withSession(options, use) {
  const session = http2.connect(base, options);
  const errors = [];
  session.on('error', (error) => errors.push(error));
  const goaways = [];
  session.on('goaway', (code) => goaways.push(code));
  await once(session, 'remoteSettings');
  try {
    await use(session);
    assert.deepEqual(errors, []);
    assert.ok(goaways.every((code) => code === 0), `GOAWAY ${goaways}`);
  } finally {
    session.destroy();
  }
}

async function ask(session, fields, content = undefined) {
  const stream = session.request(fields, { endStream: content === undefined });
  const answer = read(stream);
  if (content !== undefined) stream.end(content);
  return answer;
}

async function read(stream) {
  // After a refusal the rest of the content cannot be sent; what counts is that the refusal was seen.
  stream.on('error', () => {});
  const [headers] = await once(stream, 'response');
  const blocks = [];
  for await (const block of stream) blocks.push(block);
  return { headers, content: Buffer.concat(blocks) };
}

/** A WebSocket of ws on a stream: ws reads and writes frames, the handshake is ours. */
async function open(session, path) {
  const stream = session.request({ ...CONNECT, ':path': path }, { endStream: false });
  const [headers] = await once(stream, 'response');
  assert.equal(headers[':status'], 200);
  const socket = new WebSocket(null, undefined, { autoPong: true, closeTimeout: 10_000 });
  socket._isServer = false;
  socket.setSocket(stream, Buffer.alloc(0), { allowSynchronousEvents: true, maxPayload: 32 * MIB, skipUTF8Validation: false });
  return socket;
}

async function message(socket) {
  const [data, binary] = await once(socket, 'message');
  return { data: binary ? data : String(data), binary };
}

function echo(socket, data) {
  const answer = message(socket);
  socket.send(data);
  return answer;
}

const CONNECT = { ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/', 'sec-websocket-version': '13' };

for (const [name, check] of Object.entries(checks)) {
  const verdict = { name };
  const late = new Promise((_, reject) => { setTimeout(reject, 15_000, new Error('not done after 15 s')); });
  try {
    await Promise.race([check(), late]);
  } catch (error) {
    verdict.failure = `${error.stack}${error.cause ? `\ncause: ${error.cause.stack}` : ''}`;
  }
  console.log(JSON.stringify(verdict));
}
process.exit();
