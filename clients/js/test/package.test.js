// The package as it is published: its size, its files, its types, its dependencies.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';

const here = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const json = (path) => JSON.parse(readFileSync(here(path)));

/** Octets of everything that a page loads, minified and with gzip. */
const LIMIT = 5000;

test('it is small', (t) => {
  const text = readFileSync(here('dist/wireline-client.min.js'));
  const size = gzipSync(text, { level: 9 }).length;
  t.diagnostic(`${text.length} octets, ${size} with gzip`);
  assert.ok(size < LIMIT, `${size} octets with gzip, and ${LIMIT} are too many`);
  // It is all of it.
  assert.doesNotMatch(text.toString(), /\bimport\b/);
});

test('it needs nothing at run time', () => {
  const { dependencies, peerDependencies, optionalDependencies, sideEffects, devDependencies } = json('package.json');
  assert.deepEqual([dependencies, peerDependencies, optionalDependencies, sideEffects], [undefined, undefined, undefined, false]);
  for (const [name, version] of Object.entries(devDependencies)) assert.match(version, /^\d+\.\d+\.\d+$/, `${name} is not pinned`);
});

test('what is installed for its tests comes from the public registry', () => {
  const { packages } = json('package-lock.json');
  const found = Object.entries(packages).filter(([path]) => path);
  assert.ok(found.length > 3);
  for (const [path, { resolved, integrity }] of found) {
    assert.ok(resolved?.startsWith('https://registry.npmjs.org/'), `${path} comes from ${resolved}`);
    assert.match(integrity, /^sha512-/);
  }
});

test('it is packed whole, and nothing else with it', () => {
  const [{ files }] = JSON.parse(execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: here('.'), stdio: ['ignore', 'pipe', 'ignore'] }));
  assert.deepEqual(files.map(({ path }) => path).sort(), [
    'LICENSE-APACHE',
    'LICENSE-MIT',
    'README.md',
    'dist/wireline-client.min.js',
    'dist/wireline-client.min.js.map',
    'index.d.ts',
    'package.json',
    'src/client.js',
    'src/core.js',
    'src/index.js',
    'src/socket.js',
    'src/stream.js',
    'src/subscription.js',
  ]);
});

test('every file that its manifest names is there, and its licences', () => {
  const { exports, types, files, license } = json('package.json');
  const named = [types, ...Object.values(exports).flatMap((each) => Object.values(each)), ...files];
  assert.ok(named.length > 8);
  for (const path of named) assert.ok(existsSync(here(path)), path);
  assert.equal(license, 'MIT OR Apache-2.0');
});

test('its name leads to the source and to the built file, with the same things in them', async () => {
  const names = ['RelayClient', 'RelayError', 'Subscription', 'connect'];
  assert.deepEqual(Object.keys(await import('wireline-client')).sort(), names);
  assert.deepEqual(Object.keys(await import('wireline-client/min')).sort(), names);
});

test('its types say what it does, and the example of the README keeps to them', () => {
  const example = here('test/readme.example.ts');
  const [, code] = readFileSync(here('README.md'), 'utf8').match(/```js\n([^]*?)```/);
  assert.ok(code.split('\n').length <= 21, 'the example is longer than 20 lines');
  writeFileSync(example, code);
  try {
    const options = ['--noEmit', '--strict', '--target', 'es2022', '--lib', 'es2022,dom', '--module', 'nodenext', '--types', ''];
    execFileSync(process.execPath, [here('node_modules/typescript/bin/tsc'), ...options, here('test/types.ts'), example], { cwd: here('.'), stdio: ['ignore', 'inherit', 'inherit'] });
  } finally {
    rmSync(example);
  }
});

test('every option, event and error of the types stands in the README', () => {
  const types = readFileSync(here('index.d.ts'), 'utf8');
  const readme = readFileSync(here('README.md'), 'utf8');
  let found = 0;
  for (const name of ['ClientOptions', 'SubscribeOptions', 'SendOptions', 'CallOptions', 'SubscriptionEvents', 'ClientEvents']) {
    const body = types.match(new RegExp(`interface ${name} \\{\\n([^]*?)\\n\\}`))[1];
    for (const [, member] of body.matchAll(/^ {2}(\w+)\??:/gm)) {
      found++;
      assert.ok(readme.includes(`\`${member}\``), `${name}.${member} is not in the README`);
    }
  }
  assert.ok(found > 25, `${found} members`);
  const codes = types.match(/one of the client: ([^]*?)\.\n/)[1];
  for (const [code] of codes.matchAll(/`\w+`/g)) assert.ok(readme.includes(code), `the error ${code} is not in the README`);
});
