// Two nodes behind nginx, with Redis between them: a client that loses its node goes on with the other one, and misses nothing.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { WebSocket } from 'ws';
import { freePort, pause, redis, run } from './process.js';
import { launch } from './server.js';
import { connect, within } from './support.js';

const CONFIGURATION = fileURLToPath(new URL('../../../deploy/nginx.conf', import.meta.url));
const PROGRAM = process.env.WIRELINE;
const folder = mkdtempSync(join(tmpdir(), 'wireline-cluster-'));
const cleaning = [];
const t = { after: (clean) => cleaning.unshift(clean) };
let backplane;
let proxy;
let nodes;

/** A node of the cluster. */
function node() {
  const words = ['--addr', '127.0.0.1:0', '--backplane', backplane, '--trusted-proxy', '127.0.0.1'];
  return launch(t, [...words, '--history', 'topics=room:*, messages=5000, age=10 min'], PROGRAM);
}

/** What the node answers. */
async function ask(place, path, body) {
  const request = body && { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  const answer = await fetch(`http://${place}${path}`, request);
  assert.equal(answer.status, 200, `${path}: ${answer.status}`);
  return answer.json();
}

before(async () => {
  backplane = (await redis(t)).url;
  nodes = [await node(), await node()];
  proxy = await freePort();
  let seen = 0;
  const configuration = readFileSync(CONFIGURATION, 'utf8')
    .replace(/10\.0\.0\.1[12]:8000/g, () => nodes[seen++ % 2].place)
    .replace('listen 80;', `listen 127.0.0.1:${proxy};`)
    .replace('worker_processes auto;', `master_process off; daemon off; pid ${folder}/pid; error_log ${folder}/error.log;`)
    .replace('http {', `http { access_log off; client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi; uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;`);
  assert.equal(seen, 4, 'two nodes, for each of two ways to them');
  writeFileSync(join(folder, 'nginx.conf'), configuration);
  await run(t, 'nginx', ['-p', folder, '-c', join(folder, 'nginx.conf')], proxy);
});

after(async () => {
  for (const clean of cleaning) await clean();
  rmSync(folder, { recursive: true });
});

test('a client that loses its node goes on with the other, and misses nothing', { timeout: 60_000 }, async () => {
  const clients = await Promise.all(
    Array.from({ length: 6 }, async () => {
      const relay = connect(`ws://127.0.0.1:${proxy}/ws`, { WebSocket, backoff: 50, longest: 500, sse: false });
      t.after(() => relay.close());
      const room = relay.subscribe('room:1');
      const client = { relay, room, numbers: [], told: [], connections: 0 };
      room.on('count', ({ number }) => client.numbers.push(number));
      for (const name of ['lagged', 'unrecovered']) room.on(name, () => client.told.push(name));
      relay.on('open', () => client.connections++);
      await room.ready;
      return client;
    }),
  );
  // Each has some of them.
  const counts = await Promise.all(nodes.map(({ place }) => ask(place, '/api/connections?limit=100')));
  for (const { connections } of counts) assert.ok(connections.length >= 2, `${connections.length} at one node`);

  const [lost, left] = nodes;
  const last = 600;
  for (let number = 1; number <= last; number++) {
    await ask(left.place, '/api/publish', { topic: 'room:1', event: 'count', payload: { number } });
    if (number === 200) lost.child.kill('SIGKILL');
    await pause(5);
  }
  const wanted = Array.from({ length: last }, (_, number) => number + 1);
  for (const client of clients) {
    const done = async () => {
      while (client.numbers.length < last) await pause(20);
    };
    await within(done(), `all messages, of which ${client.numbers.length} have come`, 15_000);
  }
  // Nothing comes twice.
  await pause(300);
  for (const { numbers, told } of clients) {
    assert.deepEqual(numbers, wanted);
    assert.deepEqual(told, []);
  }
  const moved = clients.filter(({ connections }) => connections > 1).length;
  assert.ok(moved >= 2, `${moved} clients have lost their node`);
});
