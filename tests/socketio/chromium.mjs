// socket.io-client in a page of Chromium: the scenarios of Node, as its own bundle runs them in a browser.
//
// The page is of another origin than the server (another port), as it often is, so that CORS is tested too.

import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { Browser } from './browser.mjs';

// Unlike import, require looks into NODE_PATH.
const require = createRequire(import.meta.url);
const { scenarios, tools } = require('./scenarios.cjs');
const client = dirname(require.resolve('socket.io-client/package.json'));
const reference = JSON.parse(process.env.SERVER).some((word) => word.endsWith('reference.cjs'));
let passed = 0;
let failed = 0;

const files = {
  '/': ['text/html', '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><script src="/client.js"></script>'],
  '/client.js': ['text/javascript', await readFile(join(client, 'dist/socket.io.min.js'))],
};
const pages = http.createServer((request, response) => {
  const [type, body] = files[request.url] ?? [];
  response.writeHead(body ? 200 : 404, { 'Content-Type': type ?? 'text/plain' }).end(body);
});
pages.listen(0, '127.0.0.1');
await once(pages, 'listening');

let page;
try {
  page = await Browser.open(`http://127.0.0.1:${pages.address().port}/`);
  const given = (transports) => JSON.stringify({ base: `http://${process.env.PLACE}`, transports, reference });
  // A method's text begins with its name, which is a string here.
  const text = (scenario) => scenario.toString().replace(/^async '[^]*?'\(/, 'async function (');
  await page.evaluate(`globalThis.tools = (${tools.toString()})`);
  await page.evaluate(`globalThis.run = async (options, scenario) => {
    const given = tools({ io, ...options });
    try { await given.within(scenario(given), 'end of the scenario'); } finally { given.close(); }
  }`);

  const judge = async (name, transports, scenario) => {
    try {
      await page.evaluate(`run(${given(transports)}, ${text(scenario)})`);
      passed += 1;
    } catch (error) {
      failed += 1;
      console.log(`FAILED chromium: ${name}: ${error.stack}`);
    }
  };
  for (const transports of [['polling'], ['websocket'], ['polling', 'websocket']]) {
    // One after another: a page has six connections of HTTP/1.1 to a server, and a poll holds one.
    for (const [name, scenario] of Object.entries(scenarios)) await judge(`${transports}: ${name}`, transports, scenario);
  }
} catch (error) {
  failed += 1;
  console.log(`FAILED chromium: ${error.stack}`);
} finally {
  await page?.close();
  pages.close();
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
