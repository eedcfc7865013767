// Chromium without a window, driven through its own debugging protocol, which is JSON over a WebSocket.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { within } from './support.js';

export async function chromium(t) {
  const profile = await mkdtemp(join(tmpdir(), 'wireline-client-'));
  // --no-sandbox: root may not have one, and the only pages are ours.
  const words = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--disable-background-networking', '--disable-component-update'];
  const child = spawn('chromium', [...words, '--remote-debugging-port=0', `--user-data-dir=${profile}`, 'about:blank'], { stdio: 'ignore' });
  const ended = once(child, 'exit');
  const sockets = [];
  t.after(async () => {
    for (const socket of sockets) socket.terminate();
    child.kill();
    await within(ended, 'the end of Chromium').catch(() => child.kill('SIGKILL'));
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  });
  const base = await address(profile, child);
  const connect = async (path) => {
    const socket = new WebSocket(base + path, { perMessageDeflate: false });
    sockets.push(socket);
    await within(once(socket, 'open'), 'the debugging protocol');
    const waiting = new Map();
    const errors = [];
    let calls = 0;
    socket.on('message', (data) => {
      const { id, method, params, result, error } = JSON.parse(data);
      if (method === 'Runtime.exceptionThrown') errors.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
      if (method === 'Log.entryAdded' && params.entry.level === 'error') errors.push(params.entry.text);
      waiting.get(id)?.(error ? Promise.reject(new Error(`${error.code} ${error.message}`)) : result);
    });
    const call = (method, params = {}) => {
      const id = ++calls;
      socket.send(JSON.stringify({ id, method, params }));
      return within(new Promise((resolve) => waiting.set(id, resolve)), method, 30_000);
    };
    return { call, errors };
  };
  const browser = await connect((await readFile(join(profile, 'DevToolsActivePort'), 'utf8')).split('\n')[1]);
  return {
    /** A tab. `evaluate(text)` gives what the expression promises; `errors` has what nobody caught and what the console says. */
    async page(url) {
      const { targetId } = await browser.call('Target.createTarget', { url: 'about:blank' });
      const { call, errors } = await connect(`/devtools/page/${targetId}`);
      const evaluate = async (expression) => {
        const { result, exceptionDetails } = await call('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
        if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
        return result.value;
      };
      await call('Runtime.enable');
      await call('Log.enable');
      await call('Page.enable');
      await call('Page.navigate', { url });
      await within(
        (async () => {
          while ((await evaluate('location.href + document.readyState')) !== `${url}complete`) await new Promise((resolve) => setTimeout(resolve, 20));
        })(),
        'the page',
      );
      return { call, errors, evaluate };
    },
  };
}

/** Where it listens: the first line of a file that it writes when it is there. */
async function address(profile, child) {
  for (const end = Date.now() + 30_000; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 50))) {
    const text = await readFile(join(profile, 'DevToolsActivePort'), 'utf8').catch(() => '');
    if (text.includes('\n')) return `ws://127.0.0.1:${text.split('\n')[0]}`;
    if (child.exitCode !== null) break;
  }
  throw new Error('Chromium did not start');
}
