// Checks with the package ws as a client of the probe: node ws_node_client.mjs URL
//
// Over https the authority of the certificate is in NODE_EXTRA_CA_CERTS. Prints one line of JSON for each check: {"name": ...}, with "failure" when it did not hold.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import { createRequire } from 'node:module';

// Unlike import, require looks into NODE_PATH.
const WebSocket = createRequire(import.meta.url)('ws');

const base = process.argv[2];
const MIB = 1024 * 1024;

const checks = {
  async 'text and octets come back as what they are'() {
    await withSocket('/', {}, async (socket) => {
      for (const text of ['', 'Hello', 'Grüße, 世界 🦀', 'x'.repeat(70_000)]) {
        assert.deepEqual(await echo(socket, text), { data: text, binary: false });
      }
      for (const size of [0, 1, 125, 126, 65_535, 65_536, MIB, 16 * MIB]) {
        const octets = randomBytes(size);
        const { data, binary } = await echo(socket, octets);
        assert.ok(binary && data.equals(octets), `other octets came back for ${size}`);
      }
    });
  },

  async 'a message of fragments comes back whole'() {
    await withSocket('/plain', {}, async (socket) => {
      const answer = message(socket);
      for (const [part, fin] of [['frag', false], ['', false], ['men', false], ['ted', true]]) socket.send(part, { fin });
      assert.deepEqual(await answer, { data: 'fragmented', binary: false });
    });
  },

  async 'a ping between fragments is answered with its payload'() {
    await withSocket('/plain', {}, async (socket) => {
      const answer = message(socket);
      socket.send(Buffer.alloc(1000, 1), { fin: false });
      const pong = once(socket, 'pong');
      socket.ping('between');
      socket.send(Buffer.alloc(1000, 2), { fin: true });
      assert.equal(String((await pong)[0]), 'between');
      assert.equal((await answer).data.length, 2000);
    });
  },

  async '20 pings are all answered when there is time for each'() {
    await withSocket('/', {}, async (socket) => {
      for (let number = 0; number < 20; number++) {
        const pong = once(socket, 'pong');
        socket.ping(`ping ${number}`);
        assert.equal(String((await pong)[0]), `ping ${number}`);
      }
    });
  },

  async '2000 messages in flight keep their order'() {
    await withSocket('/', {}, async (socket) => {
      const texts = Array.from({ length: 2000 }, (_, number) => `${number} `.repeat(1 + number % 300));
      const received = [];
      const done = new Promise((resolve) => socket.on('message', (data) => {
        received.push(String(data));
        if (received.length === texts.length) resolve();
      }));
      texts.forEach((text) => socket.send(text));
      await done;
      assert.deepEqual(received, texts);
    });
  },

  async 'deflate is agreed on when it is offered, and only then'() {
    await withSocket('/', { perMessageDeflate: true }, (socket) => assert.match(socket.extensions, /permessage-deflate/));
    await withSocket('/', { perMessageDeflate: false }, (socket) => assert.equal(socket.extensions, ''));
    await withSocket('/plain', { perMessageDeflate: true }, (socket) => assert.equal(socket.extensions, ''));
  },

  ...deflated('deflate as ws offers it', '/', {}),
  ...deflated('deflate with contexts kept', '/takeover', {}),
  ...deflated('deflate without contexts', '/takeover', { serverNoContextTakeover: true, clientNoContextTakeover: true }),
  ...deflated('deflate with small windows', '/takeover', { serverMaxWindowBits: 9, clientMaxWindowBits: 9 }),
  ...deflated('deflate with a small window of the server alone', '/', { serverMaxWindowBits: 10 }),

  async 'what compresses well is sent compressed'() {
    await withSocket('/takeover', { perMessageDeflate: { threshold: 0 } }, async (socket) => {
      const text = 'compress '.repeat(100_000);
      const before = socket._socket.bytesRead;
      assert.equal((await echo(socket, text)).data, text);
      const read = socket._socket.bytesRead - before;
      assert.ok(read < text.length / 50, `${read} octets for ${text.length}`);
    });
  },

  async 'compressed fragments come back whole'() {
    await withSocket('/', { perMessageDeflate: { threshold: 0 } }, async (socket) => {
      const answer = message(socket);
      const parts = Array.from({ length: 50 }, (_, number) => `part ${number} `.repeat(100));
      parts.forEach((part, at) => socket.send(part, { fin: at === parts.length - 1, compress: true }));
      assert.equal((await answer).data, parts.join(''));
    });
  },

  async 'the code of a Close comes back'() {
    for (const code of [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]) {
      const socket = await open('/');
      const closed = once(socket, 'close');
      socket.close(code, 'why ü');
      assert.equal((await closed)[0], code);
    }
  },

  async 'a Close without a code comes back without one'() {
    const socket = await open('/');
    const closed = once(socket, 'close');
    socket.close();
    assert.equal((await closed)[0], 1005);
  },

  async 'the server closes with the code and the reason of its handler'() {
    for (const [asked, code, reason] of [['1000 done', 1000, 'done'], ['4321 ünd weg', 4321, 'ünd weg'], ['1012 ', 1012, ''], ['5 x', 1003, 'Unsupported data']]) {
      const socket = await open('/close');
      const closed = once(socket, 'close');
      socket.send(asked);
      const [got, words] = await closed;
      assert.equal(got, code);
      assert.equal(String(words), reason);
    }
  },

  async 'what breaks the protocol is told so'() {
    const oversized = Buffer.alloc(14);
    oversized.writeUInt16BE(0x82ff, 0);
    oversized.writeBigUInt64BE(1n << 40n, 2);
    const cases = [
      ['not UTF-8', Buffer.from('8182000000003fff', 'hex').fill(0xff, 6), 1007],
      ['a frame without a mask', Buffer.from('8100', 'hex'), 1002],
      ['a reserved opcode', Buffer.from('838000000000', 'hex'), 1002],
      ['a reserved bit', Buffer.from('a18000000000', 'hex'), 1002],
      ['a continuation of nothing', Buffer.from('808000000000', 'hex'), 1002],
      ['a fragmented ping', Buffer.from('098000000000', 'hex'), 1002],
      ['a Close with code 1005', Buffer.from('88820000000003ed', 'hex'), 1002],
      ['a frame of 2^40 octets', oversized, 1009],
    ];
    for (const [name, octets, code] of cases) {
      const socket = await open('/plain');
      const closed = once(socket, 'close');
      socket._socket.write(octets);
      assert.equal((await closed)[0], code, name);
    }
  },

  async 'a subprotocol is chosen of those that are offered'() {
    const socket = new WebSocket(new URL('/', base), ['soap', 'echo']);
    await opened(socket);
    assert.equal(socket.protocol, 'echo');
    await closed(socket);
  },

  async 'what cannot be upgraded is refused in HTTP'() {
    for (const [headers, status] of [
      [{}, 101],
      [{ 'sec-websocket-version': '8' }, 426],
      [{ 'sec-websocket-key': 'c2hvcnQ=' }, 400],
      [{ 'sec-websocket-key': ['dGhlIHNhbXBsZSBub25jZQ==', 'dGhlIHNhbXBsZSBub25jZQ=='] }, 400],
      [{ origin: 'https://elsewhere.example', cookie: 'session=1' }, 403],
      [{ origin: 'https://elsewhere.example' }, 101],
    ]) {
      const answer = await handshake(headers);
      assert.equal(answer.status, status, JSON.stringify(headers));
      if (status === 426) assert.equal(answer.headers['sec-websocket-version'], '13');
    }
  },

  async '200 sockets at the same time'() {
    await Promise.all(Array.from({ length: 200 }, (_, number) => withSocket('/', {}, async (socket) => {
      for (let round = 0; round < 5; round++) assert.equal((await echo(socket, `${number}.${round}`)).data, `${number}.${round}`);
    })));
  },

  async "Node's own WebSocket, where there is one"() {
    const Own = globalThis.WebSocket ?? WebSocket;
    const socket = new Own(new URL('/', base));
    await new Promise((resolve, reject) => Object.assign(socket, { onopen: resolve, onerror: reject }));
    const answer = new Promise((resolve) => { socket.onmessage = (event) => resolve(event.data); });
    socket.send('own');
    assert.equal(await answer, 'own');
    const end = new Promise((resolve) => { socket.onclose = resolve; });
    socket.close(4000, 'own');
    const { code, wasClean } = await end;
    assert.deepEqual({ code, wasClean }, { code: 4000, wasClean: true });
  },
};

/** The same messages with any parameters: several in a row, because contexts reach from one to the next. */
function deflated(name, path, parameters) {
  return {
    async [name]() {
      await withSocket(path, { perMessageDeflate: { threshold: 0, ...parameters } }, async (socket) => {
        assert.match(socket.extensions, /permessage-deflate/);
        const octets = randomBytes(100_000);
        for (const data of ['', 'a', 'abc'.repeat(1000), octets, 'abc'.repeat(1000), octets, 'ü'.repeat(200_000), 'Hello']) {
          const answer = await echo(socket, data);
          assert.ok(Buffer.from(answer.data).equals(Buffer.from(data)), `another message came back for ${data.length} octets`);
        }
      });
    },
  };
}

async function opened(socket) {
  await once(socket, 'open');
  return socket;
}

function open(path, options = {}) {
  return opened(new WebSocket(new URL(path, base), options));
}

async function closed(socket) {
  const end = once(socket, 'close');
  socket.close(1000);
  assert.equal((await end)[0], 1000, 'the Close was not clean');
}

/** Runs `use` with a socket, and closes it. */
async function withSocket(path, options, use) {
  const socket = await open(path, options);
  await use(socket);
  await closed(socket);
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

/** The status of an opening handshake with these fields beside or in place of the right ones. */
async function handshake(headers) {
  const { protocol, hostname, port } = new URL(base);
  const request = (protocol === 'https:' ? https : http).request({
    hostname, port, path: '/', agent: false,
    headers: { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==', ...headers },
  });
  request.end();
  const answer = await Promise.race([once(request, 'response'), once(request, 'upgrade')]);
  request.destroy();
  return { status: answer[0].statusCode, headers: answer[0].headers };
}

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
