// Other programs, as processes on ports of their own.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { within } from './support.js';

export const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** Starts a program, and waits until it listens; gives what kills it. */
export async function run(t, program, words, port) {
  const child = spawn(program, words, { stdio: 'ignore' });
  const ended = once(child, 'exit');
  const failed = once(child, 'error').then(([error]) => Promise.reject(error));
  const kill = async () => {
    child.kill('SIGKILL');
    await ended;
  };
  t.after(kill);
  const listens = async () => {
    for (;;) {
      const socket = connect(port, '127.0.0.1');
      const found = await Promise.race([once(socket, 'connect').then(() => true), once(socket, 'error').then(() => false)]).catch(() => false);
      socket.destroy();
      if (found) return;
      await pause(20);
    }
  };
  await within(Promise.race([listens(), failed]), `${program} at port ${port}`, 10_000);
  return kill;
}

/** A Redis with nothing on disk: its URL, what kills it, and what starts it again. */
export async function redis(t) {
  const folder = mkdtempSync(join(tmpdir(), 'wireline-redis-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const port = await freePort();
  const words = ['--port', port, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder];
  const start = async () => {
    server.kill = await run(t, 'redis-server', words, port);
  };
  const server = { url: `redis://127.0.0.1:${port}`, start };
  await start();
  return server;
}
