// Checks with Node's http client and its fetch against the probe: node node_client.mjs URL UNIX_SOCKET
//
// Prints one line of JSON for each check: {"name": ...}, with "failure" when it did not hold.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

const [base, unixSocket] = process.argv.slice(2);
const MIB = 1024 * 1024;

const checks = {
  async 'one connection for 20 requests of an agent'() {
    await withAgent({ maxSockets: 1 }, async (agent) => {
      const ports = new Set();
      for (let number = 0; number < 20; number++) {
        const { status, content, port } = await ask(agent, number % 2 ? '/' : '/stream');
        assert.equal(status, 200);
        assert.equal(content.toString(), number % 2 ? 'OK' : 'stream');
        ports.add(port);
      }
      assert.equal(ports.size, 1, `${ports.size} connections were opened`);
    });
  },

  async 'every kind of response on one connection'() {
    await withAgent({ maxSockets: 1 }, async (agent) => {
      const ports = new Set();
      const expected = [
        ['GET', '/', 200, 'OK'], ['HEAD', '/', 200, ''], ['HEAD', '/stream', 200, ''], ['GET', '/s204', 204, ''], ['GET', '/s304', 304, ''],
        ['OPTIONS', '/', 200, ''], ['DELETE', '/', 405, 'method not allowed'], ['GET', '/stream', 200, 'stream'], ['GET', '/', 200, 'OK'],
      ];
      for (const [method, path, status, content] of expected) {
        const answer = await ask(agent, path, { method });
        assert.equal(answer.status, status, `${method} ${path}`);
        assert.equal(answer.content.toString(), content, `${method} ${path}`);
        assert.ok(answer.headers.date, `${method} ${path} without Date`);
        ports.add(answer.port);
      }
      assert.equal(ports.size, 1, `${ports.size} connections were opened`);
    });
  },

  async '200 requests at the same time, connections kept'() {
    await withAgent({ maxSockets: 50 }, async (agent) => {
      for (let round = 0; round < 2; round++) {
        const answers = await Promise.all(Array.from({ length: 200 }, (_, number) => {
          const content = Buffer.from(`request ${number} `.repeat(number + 1));
          return ask(agent, `/${number}`, { method: 'POST', headers: { 'Content-Length': content.length } }, content).then((answer) => {
            assert.equal(answer.status, 200);
            assert.ok(answer.content.equals(content), `request ${number} got the content of another`);
            return answer.port;
          });
        }));
        assert.ok(new Set(answers).size <= 50, `${new Set(answers).size} connections were used at the same time`);
      }
    });
  },

  async '200 connections at the same time'() {
    const answers = await Promise.all(Array.from({ length: 200 }, () => ask(false, '/')));
    assert.ok(answers.every(({ status, content }) => status === 200 && content.toString() === 'OK'));
    assert.equal(new Set(answers.map(({ port }) => port)).size, 200);
  },

  async 'an upload of 8 MiB as a stream, and back'() {
    await withAgent({ maxSockets: 1 }, async (agent) => {
      const blocks = Array.from({ length: 128 }, () => randomBytes(MIB / 16));
      const answer = await stream(agent, '/', blocks);
      assert.equal(answer.status, 200);
      assert.ok(answer.content.equals(Buffer.concat(blocks)), 'other content came back');
      assert.equal((await ask(agent, '/')).port, answer.port, 'the connection was not kept');
    });
  },

  async 'an upload with pauses'() {
    await withAgent({ maxSockets: 1 }, async (agent) => {
      const answer = await stream(agent, '/', (async function* slowly() {
        for (const word of ['one', 'two', 'three']) {
          yield Buffer.from(word);
          await new Promise((resume) => setTimeout(resume, 100));
        }
      })());
      assert.equal(answer.content.toString(), 'onetwothree');
    });
  },

  async 'a download that the client reads slowly'() {
    await withAgent({ maxSockets: 1 }, async (agent) => {
      const content = randomBytes(4 * MIB);
      const request = open(agent, '/', { method: 'POST', headers: { 'Content-Length': content.length } });
      request.end(content);
      const [response] = await once(request, 'response');
      const blocks = [];
      for await (const block of response) {
        blocks.push(block);
        if (blocks.length % 16 === 1) await new Promise((resume) => setTimeout(resume, 5));
      }
      assert.ok(Buffer.concat(blocks).equals(content), 'other content came back');
    });
  },

  async 'trailers of a request'() {
    await withAgent({ maxSockets: 1 }, async (agent) => {
      const request = open(agent, '/', { method: 'POST', headers: { Trailer: 'X-Check' } });
      request.write('hello');
      request.addTrailers({ 'X-Check': 'abc' });
      request.end();
      const answer = await read(request);
      assert.equal(answer.status, 200);
      assert.equal(answer.content.toString(), 'hello');
      assert.equal((await ask(agent, '/')).port, answer.port, 'the connection was not kept');
    });
  },

  async 'Expect: 100-continue'() {
    await withAgent({ maxSockets: 1 }, async (agent) => {
      const content = randomBytes(MIB);
      const request = open(agent, '/', { method: 'POST', headers: { Expect: '100-continue', 'Content-Length': content.length } });
      request.flushHeaders();
      await once(request, 'continue');
      request.end(content);
      const answer = await read(request);
      assert.equal(answer.status, 200);
      assert.ok(answer.content.equals(content), 'other content came back');
    });
  },

  async 'content over the limit is refused, and the client sees it'() {
    for (let number = 0; number < 3; number++) {
      const content = Buffer.alloc(11 * MIB);
      const { status } = await ask(false, '/', { method: 'POST', headers: { 'Content-Length': content.length } }, content);
      assert.equal(status, 413);
    }
  },

  async 'content over the limit in chunks'() {
    const { status } = await stream(false, '/', Array.from({ length: 176 }, () => Buffer.alloc(MIB / 16)));
    assert.equal(status, 413);
  },

  async 'a client that gives up in the middle of its upload'() {
    await withAgent({ maxSockets: 20 }, async (agent) => {
      await Promise.all(Array.from({ length: 20 }, async () => {
        const request = open(agent, '/', { method: 'POST', headers: { 'Content-Length': MIB } });
        request.on('error', () => {});
        await new Promise((written) => request.write(Buffer.alloc(1000), written));
        request.destroy();
      }));
      assert.equal((await ask(agent, '/')).status, 200);
    });
  },

  async 'fields reach the handler'() {
    const { content } = await ask(false, '/echo', { headers: { 'X-One': '1', 'X-Many': ['a', 'b'], 'X-Latin': 'h\u00e9' } });
    const lines = content.toString().split('\n');
    for (const line of ['x-one: 1', 'x-many: a', 'x-many: b']) assert.ok(lines.includes(line), `${line} is not among ${lines}`);
  },

  async 'an upgrade that is not supported is answered as if it were not there'() {
    const headers = { Connection: 'Upgrade', Upgrade: 'example/1' };
    const { status, content } = await ask(false, '/', { headers });
    assert.equal(status, 200);
    assert.equal(content.toString(), 'OK');
  },

  async 'a Unix socket'() {
    await withAgent({ maxSockets: 4 }, async (agent) => {
      const content = randomBytes(100_000);
      const answers = await Promise.all(Array.from({ length: 40 }, () =>
        ask(agent, '/', { method: 'POST', socketPath: unixSocket, headers: { 'Content-Length': content.length } }, content)));
      assert.ok(answers.every((answer) => answer.status === 200 && answer.content.equals(content)));
    });
  },

  async 'fetch: GET, HEAD, POST'() {
    assert.equal(await (await fetch(base)).text(), 'OK');
    assert.equal((await fetch(base, { method: 'HEAD' })).headers.get('content-length'), '2');
    assert.equal(await (await fetch(base, { method: 'POST', body: 'hello' })).text(), 'hello');
    assert.equal((await fetch(new URL('/s204', base))).status, 204);
    assert.equal(await (await fetch(new URL('/stream', base))).text(), 'stream');
  },

  async 'fetch: 200 at the same time'() {
    const texts = await Promise.all(Array.from({ length: 200 }, async (_, number) =>
      (await fetch(base, { method: 'POST', body: `body ${number}` })).text()));
    texts.forEach((text, number) => assert.equal(text, `body ${number}`));
  },

  async 'fetch: a streamed body'() {
    const content = randomBytes(2 * MIB);
    const body = Readable.toWeb(Readable.from((function* blocks() {
      for (let at = 0; at < content.length; at += 50_000) yield content.subarray(at, at + 50_000);
    })()));
    const response = await fetch(base, { method: 'POST', body, duplex: 'half' });
    assert.ok(Buffer.from(await response.arrayBuffer()).equals(content), 'other content came back');
  },
};

/** Runs `use` with an agent that keeps connections, and closes them. */
async function withAgent(options, use) {
  const agent = new http.Agent({ keepAlive: true, ...options });
  try {
    await use(agent);
  } finally {
    agent.destroy();
  }
}

function open(agent, path, options = {}) {
  const address = options.socketPath ? {} : { host: new URL(base).hostname, port: new URL(base).port };
  return http.request({ agent, path, ...address, ...options });
}

async function ask(agent, path, options = {}, content = undefined) {
  const request = open(agent, path, options);
  const answer = read(request);
  request.end(content);
  return answer;
}

/** Sends blocks in chunks, as fast as the server takes them. */
async function stream(agent, path, blocks) {
  const request = open(agent, path, { method: 'POST' });
  const answer = read(request);
  // A refusal may come, and the connection close, before the last block was sent.
  await Promise.all([answer, pipeline(Readable.from(blocks), request).catch(() => {})]);
  return answer;
}

async function read(request) {
  const [response] = await once(request, 'response');
  // After a refusal the rest of the content cannot be sent; what counts is that the refusal was seen.
  request.on('error', () => {});
  const port = response.socket.localPort;
  const blocks = [];
  for await (const block of response) blocks.push(block);
  return { status: response.statusCode, headers: response.headers, content: Buffer.concat(blocks), port };
}

for (const [name, check] of Object.entries(checks)) {
  const verdict = { name };
  try {
    await check();
  } catch (error) {
    verdict.failure = `${error.stack}${error.cause ? `\ncause: ${error.cause.stack}` : ''}`;
  }
  console.log(JSON.stringify(verdict));
}
