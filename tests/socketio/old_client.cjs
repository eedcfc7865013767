// socket.io-client 2.5, which speaks Engine.IO 3: it is refused, and told why.

'use strict';

const http = require('node:http');
const io = require('socket.io-client-2');

const base = `http://${process.env.PLACE}`;
let passed = 0;
let failed = 0;

function judge(name, holds, got) {
  if (holds) passed += 1;
  else {
    failed += 1;
    console.log(`FAILED old: ${name}: ${JSON.stringify(got)}`);
  }
}

const get = (path) =>
  new Promise((resolve, reject) => {
    http.get(base + path, (response) => {
      let body = '';
      response.on('data', (data) => (body += data)).on('end', () => resolve([response.statusCode, body]));
    }).on('error', reject);
  });

function refused(transports) {
  return new Promise((resolve) => {
    const socket = io(`${base}/`, { path: '/socket.io', transports, reconnection: false, forceNew: true, timeout: 5000 });
    const end = (what) => (resolve(what), socket.close());
    socket.on('connect', () => end('connected'));
    socket.on('connect_error', (error) => end(`refused ${error.description ?? ''}`));
    setTimeout(() => end('nothing'), 8000).unref();
  });
}

async function main() {
  const [status, body] = await get('/socket.io/?EIO=3&transport=polling');
  judge('what it is told', status === 400 && body === '{"code":5,"message":"Unsupported protocol version"}', [status, body]);
  for (const transports of [['polling'], ['websocket'], ['polling', 'websocket']]) {
    const what = await refused(transports);
    judge(`${transports}`, what.startsWith('refused'), what);
  }
  console.log(`${passed} passed, ${failed} failed`);
  process.exit(failed === 0 ? 0 : 1);
}

main();
