// The page of npm's @socket.io/admin-ui in Chromium: somebody signs in, sees who is there and in which rooms, and puts one out.

import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import { createRequire } from 'node:module';
import { dirname, extname, join, normalize } from 'node:path';
import { Browser } from './browser.mjs';

// Unlike import, require looks into NODE_PATH.
const require = createRequire(import.meta.url);
const { io } = require('socket.io-client');
const dist = join(dirname(require.resolve('@socket.io/admin-ui/package.json')), 'ui/dist');
const base = `http://${process.env.PLACE}`;
const path = '/admin-ui/';
const reference = JSON.parse(process.env.SERVER).some((word) => word.endsWith('reference.cjs'));
let passed = 0;
let failed = 0;

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.png': 'image/png' };
const pages = http.createServer(async (request, response) => {
  const name = normalize(new URL(request.url, base).pathname);
  const file = join(dist, name === '/' ? 'index.html' : name);
  const body = await readFile(file).catch(() => undefined);
  response.writeHead(body ? 200 : 404, { 'Content-Type': TYPES[extname(file)] ?? 'text/plain' }).end(body);
});
pages.listen(0, '127.0.0.1');
await once(pages, 'listening');

/** What the page has of its own: fields by their labels, buttons by their words. */
const helpers = () => {
  const shown = (element) => element.getClientRects().length > 0;
  globalThis.field = (label) => [...document.querySelectorAll('.v-input')].find((one) => one.querySelector('label')?.textContent === label)?.querySelector('input');
  globalThis.fill = (label, value) => {
    const input = field(label);
    input.value = value;
    input.dispatchEvent(new Event('input'));
  };
  globalThis.button = (word) => [...document.querySelectorAll('button')].find((one) => shown(one) && !one.disabled && one.textContent.trim() === word);
  globalThis.row = (text) => [...document.querySelectorAll('tbody tr')].find((one) => one.textContent.includes(text));
  // What a row says before its buttons.
  globalThis.cells = (text) => [...(row(text)?.cells ?? [])].slice(0, -1).map((cell) => cell.textContent).join('');
  globalThis.text = () => document.body.innerText;
};

const connected = `/\\bCONNECTED\\b/.test(text())`;
const clients = [];
let page;
/** Until the page says so. */
const until = async (what, expression) => {
  const end = Date.now() + 20000;
  while (!(await page.evaluate(`Boolean(${expression})`))) {
    if (Date.now() > end) throw new Error(`never: ${what}\n${await page.evaluate('text()')}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};
const step = async (name, run) => {
  if (failed) return;
  try {
    await run();
    passed += 1;
  } catch (error) {
    failed += 1;
    console.log(`FAILED admin: ${name}: ${error.stack}`);
  }
};
const connect = async (options) => {
  const client = io(base, { path, forceNew: true, reconnection: false, ...options });
  clients.push(client);
  await once(client, 'connect');
  return client;
};
const signIn = async (password) => {
  await page.evaluate(`fill('Server URL', '${base}'), fill('Username', 'ada'), fill('Password', '${password}'), fill('Path', '${path}')`);
  await until('a button', `button('Connect')`);
  await page.evaluate(`button('Connect').click()`);
};

await step('the page opens', async () => {
  // Of an origin that the server has let in by name, since the page sends credentials.
  page = await Browser.open('http://admin.example/', { 'admin.example': `127.0.0.1:${pages.address().port}` });
  await page.evaluate(`(${helpers})()`);
  await until('a form', `field('Password')`);
  await page.evaluate(`field('Advanced options').click()`);
  await until('the rest of it', `field('Path')`);
});
const first = await connect({ transports: ['websocket'] });
const second = await connect({ transports: ['polling'] });
await first.emitWithAck('join', ['blue']);

await step('a wrong password is refused', async () => {
  await signIn('guess');
  await until('a refusal', `text().includes('Invalid credentials')`);
});
await step('the right one is not', async () => {
  await signIn('swordfish');
  await until('a connection', connected);
});
await step('sockets are there, with their transports', async () => {
  await page.evaluate(`location.hash = '#/sockets/'`);
  await until('the first', `row('${first.id}')?.textContent.includes('WebSocket')`);
  await until('the second', `row('${second.id}')?.textContent.includes('HTTP long-polling')`);
});
await step('rooms are there, and who joins them', async () => {
  await page.evaluate(`location.hash = '#/rooms/'`);
  await until('one in it', `/ 1 $/.test(cells('blue'))`);
  await second.emitWithAck('join', ['blue']);
  await until('two in it', `/ 2 $/.test(cells('blue'))`);
});
await step('a socket is put out', async () => {
  await page.evaluate(`location.hash = '#/sockets/'`);
  await until('a button', `row('${first.id}')?.querySelector('button')`);
  const out = once(first, 'disconnect');
  await page.evaluate(`row('${first.id}').querySelector('button').click()`);
  const [reason] = await out;
  if (reason !== 'io server disconnect') throw new Error(reason);
  await until('it has gone', `!row('${first.id}')`);
  await until('the other is there', `row('${second.id}')`);
});
// A server of npm says what one comes back with before its page listens.
if (!reference) await step('who has signed in comes back without a password', async () => {
  await page.evaluate(`globalThis.was = true, location.reload()`);
  while (await page.evaluate(`Boolean(globalThis.was) || document.readyState !== 'complete'`).catch(() => true)) await new Promise((resolve) => setTimeout(resolve, 50));
  await page.evaluate(`(${helpers})()`);
  await until('a connection', connected);
  await page.evaluate(`location.hash = '#/sockets/'`);
  await until('the other', `row('${second.id}')`);
});

for (const client of clients) client.close();
await page?.close();
pages.close();
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
