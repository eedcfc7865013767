// The real server: the program that the environment variable RELAY_JS names is test/server.rs.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { within } from './support.js';

const SCRIPT = fileURLToPath(new URL('../dist/wireline-client.min.js', import.meta.url));

/** Starts it with more words, or another program; gives its address, and its process. */
export async function launch(t, words = [], program = process.env.RELAY_JS) {
  if (!program) throw new Error('RELAY_JS names no program: bash clients/js/test.sh builds it');
  const own = program === process.env.RELAY_JS;
  const child = spawn(program, own ? ['127.0.0.1:0', SCRIPT, ...words] : words, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const ended = once(child, 'exit');
  t.after(async () => {
    child.kill();
    await within(ended, 'the end of the server').catch(() => child.kill('SIGKILL'));
    if (/panicked/.test(output)) throw new Error(`the server panicked: ${output}`);
  });
  const place = new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (data) => {
        output = (output + data).slice(-65_536);
        const found = output.match(/listening on (?:http:\/\/)?(\S+)/);
        if (found) resolve(found[1]);
      });
    }
    child.on('error', reject);
    child.on('exit', () => reject(new Error(`the server did not start: ${output}`)));
  });
  return { place: await within(place, 'the server', 15_000), child };
}

/** The same, of which the address is enough. */
export const start = async (t, words, program) => (await launch(t, words, program)).place;
