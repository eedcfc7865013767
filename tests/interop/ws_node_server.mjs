// The package ws as a server that judges a client: node ws_node_server.mjs
//
// The client asks `/getCaseCount` for the number of cases, sends back every message of `/runCase?case=N`, and ends with `/updateReports`. Prints
// `listening on HOST:PORT`, then lines of JSON: {"cases": N} when it was asked for the number, and for each case {"name": ...}, with "failure" when it
// did not hold.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import { createRequire } from 'node:module';

// Unlike import, require looks into NODE_PATH.
const { WebSocketServer } = createRequire(import.meta.url)('ws');

// Name, options of the server, what it does with the socket.
const cases = [
  ['text and octets come back as what they are', {}, async (socket) => {
    for (const text of ['', 'Hello', 'Grüße, 世界 🦀', 'x'.repeat(70_000)]) assert.deepEqual(await echo(socket, text), { data: text, binary: false });
    for (const size of [0, 1, 125, 126, 65_535, 65_536, 4 * 1024 * 1024]) {
      const octets = randomBytes(size);
      const { data, binary } = await echo(socket, octets);
      assert.ok(binary && data.equals(octets), `other octets came back for ${size}`);
    }
  }],
  ['fragments come back as one message', {}, async (socket) => {
    const answer = message(socket);
    for (const [part, fin] of [['frag', false], ['', false], ['men', false], ['ted', true]]) socket.send(part, { fin });
    assert.deepEqual(await answer, { data: 'fragmented', binary: false });
  }],
  ['pings are answered with their payload', {}, async (socket) => {
    for (let number = 0; number < 20; number++) {
      const pong = once(socket, 'pong');
      socket.ping(`ping ${number}`);
      assert.equal(String((await pong)[0]), `ping ${number}`);
    }
  }],
  ['2000 messages in flight keep their order', {}, async (socket) => {
    const texts = Array.from({ length: 2000 }, (_, number) => `${number} `.repeat(1 + number % 300));
    const received = [];
    const done = new Promise((resolve) => socket.on('message', (data) => { if (received.push(String(data)) === texts.length) resolve(); }));
    texts.forEach((text) => socket.send(text));
    await done;
    assert.deepEqual(received, texts);
  }],
  ['deflate as ws agrees to it', { perMessageDeflate: { threshold: 0 } }, deflated],
  ['deflate without contexts', { perMessageDeflate: { threshold: 0, serverNoContextTakeover: true, clientNoContextTakeover: true } }, deflated],
  ['deflate with small windows', { perMessageDeflate: { threshold: 0, serverMaxWindowBits: 9, clientMaxWindowBits: 9 } }, deflated],
  ['a server without deflate', {}, async (socket) => {
    assert.equal(socket.extensions, '');
    assert.equal((await echo(socket, 'plain '.repeat(1000))).data.length, 6000);
  }],
  ...[1000, 1001, 1011, 3000, 4999].map((code) => [`the code ${code} of a Close comes back`, {}, async (socket) => {
    const end = once(socket, 'close');
    socket.close(code, 'why ü');
    assert.equal((await end)[0], code);
  }]),
  ...[['a masked frame', '818000000000'], ['a reserved opcode', '8300'], ['a reserved bit', 'c100'], ['a Close with code 1006', '880203ee']].map(([name, octets]) => [`${name} is told so`, {}, async (socket) => {
    const end = once(socket, 'close');
    socket._socket.write(Buffer.from(octets, 'hex'));
    assert.equal((await end)[0], 1002);
  }]),
];

async function deflated(socket) {
  assert.match(socket.extensions, /permessage-deflate/);
  const octets = randomBytes(100_000);
  for (const data of ['', 'a', 'abc'.repeat(1000), octets, 'abc'.repeat(1000), octets, 'ü'.repeat(200_000), 'Hello']) {
    const answer = await echo(socket, data);
    assert.ok(Buffer.from(answer.data).equals(Buffer.from(data)), `another message came back for ${data.length} octets`);
  }
  const answer = message(socket);
  for (let at = 0; at < 50; at++) socket.send('part '.repeat(100), { fin: at === 49 });
  assert.equal((await answer).data, 'part '.repeat(5000));
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

async function judge(socket, name, check) {
  const verdict = { name };
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(reject, 10_000, new Error('not done after 10 s')); });
  const gone = once(socket, 'close').then(([code]) => { throw new Error(`the client closed with ${code}`); });
  gone.catch(() => {});
  try {
    // A check that waits for the Close is done with it.
    await Promise.race([check(socket), late, gone.catch((error) => new Promise((_, reject) => { setTimeout(reject, 200, error); }))]);
  } catch (error) {
    verdict.failure = error.stack;
  }
  clearTimeout(timer);
  console.log(JSON.stringify(verdict));
  socket.close(1000);
}

const server = http.createServer();
server.on('upgrade', (request, stream, head) => {
  const { pathname, searchParams } = new URL(request.url, 'http://localhost');
  const [name, options, check] = cases[Number(searchParams.get('case')) - 1] ?? [];
  new WebSocketServer({ noServer: true, ...options }).handleUpgrade(request, stream, head, (socket) => {
    socket.on('error', () => {});
    if (name) {
      judge(socket, name, check);
    } else {
      if (pathname === '/getCaseCount') {
        console.log(JSON.stringify({ cases: cases.length }));
        socket.send(String(cases.length));
      }
      socket.close(1000);
    }
  });
});
server.listen(0, '127.0.0.1', () => console.log(`listening on 127.0.0.1:${server.address().port}`));
