// socket.io-client in a page of Chromium: the scenarios of Node, as its own bundle runs them in a browser.
//
// The page is of another origin than the server (another port), as it often is, so that CORS is tested too.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import http from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

// Unlike import, require looks into NODE_PATH.
const require = createRequire(import.meta.url);
const WebSocket = require('ws');
const { scenarios, tools } = require('./scenarios.cjs');
const client = dirname(require.resolve('socket.io-client/package.json'));
const reference = JSON.parse(process.env.SERVER).some((word) => word.endsWith('reference.cjs'));
let passed = 0;
let failed = 0;

/** Chromium with one page, driven through its debugging protocol. */
class Browser {
  static async open(url) {
    const browser = new Browser();
    browser.profile = await mkdtemp(join(tmpdir(), 'wireline-socketio-'));
    // --no-sandbox: root may not have one, and the only page is ours.
    const words = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--disable-background-networking', '--disable-component-update'];
    browser.child = spawn('chromium', [...words, '--remote-debugging-port=0', `--user-data-dir=${browser.profile}`, 'about:blank'], { stdio: 'ignore' });
    browser.ended = once(browser.child, 'exit');
    const [port, path] = await browser.place();
    const main = await browser.connect(port, path);
    const { targetId } = await main('Target.createTarget', { url: 'about:blank' });
    browser.call = await browser.connect(port, `/devtools/page/${targetId}`);
    await browser.call('Runtime.enable');
    await browser.call('Page.enable');
    await browser.call('Page.navigate', { url });
    while ((await browser.evaluate('location.href + document.readyState')) !== `${url}complete`) await new Promise((resolve) => setTimeout(resolve, 20));
    return browser;
  }

  /** Where it listens stands in a file that it writes when it is there. */
  async place() {
    for (let turn = 0; turn < 600 && this.child.exitCode === null; turn++) {
      const lines = (await readFile(join(this.profile, 'DevToolsActivePort'), 'utf8').catch(() => '')).split('\n');
      if (lines.length > 1) return lines;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error('Chromium did not start');
  }

  async connect(port, path) {
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, { perMessageDeflate: false });
    await once(socket, 'open');
    const waiting = new Map();
    let calls = 0;
    socket.on('message', (data) => {
      const { id, result, error } = JSON.parse(data);
      waiting.get(id)?.(error ? Promise.reject(new Error(error.message)) : result);
    });
    return (method, params = {}) => {
      const id = ++calls;
      socket.send(JSON.stringify({ id, method, params }));
      return new Promise((resolve) => waiting.set(id, resolve));
    };
  }

  async evaluate(expression) {
    const { result, exceptionDetails } = await this.call('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  async close() {
    this.child.kill();
    const late = setTimeout(() => this.child.kill('SIGKILL'), 5000);
    await this.ended;
    clearTimeout(late);
    await rm(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

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
