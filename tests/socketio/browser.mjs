// Chromium with one page, driven through its debugging protocol.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

// Unlike import, require looks into NODE_PATH.
const WebSocket = createRequire(import.meta.url)('ws');

export class Browser {
  /** With names of hosts that are `HOST:PORT` on this machine. */
  static async open(url, hosts = {}) {
    const browser = new Browser();
    browser.profile = await mkdtemp(join(tmpdir(), 'wireline-socketio-'));
    const rules = [...Object.entries(hosts).map(([name, place]) => `MAP ${name} ${place}`), 'MAP * ~NOTFOUND', 'EXCLUDE 127.0.0.1'].join(', ');
    // --no-sandbox: root may not have one, and the only page is ours. It finds this machine alone.
    const words = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--disable-background-networking', '--disable-component-update', `--host-resolver-rules=${rules}`];
    browser.child = spawn('chromium', [...words, '--remote-debugging-port=0', `--user-data-dir=${browser.profile}`, 'about:blank'], { stdio: 'ignore' });
    browser.ended = once(browser.child, 'exit');
    const [port, path] = await browser.place();
    const main = await browser.connect(port, path);
    const { targetId } = await main('Target.createTarget', { url: 'about:blank' });
    browser.call = await browser.connect(port, `/devtools/page/${targetId}`);
    await browser.call('Runtime.enable');
    await browser.call('Page.enable');
    await browser.call('Page.navigate', { url });
    const is = `location.href.startsWith('${url}') && document.readyState === 'complete'`;
    while (!(await browser.evaluate(is))) await new Promise((resolve) => setTimeout(resolve, 20));
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
