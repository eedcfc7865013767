// Makes dist/wireline-client.min.js, one ES module with everything in it, and its source map.

import { build } from 'esbuild';
import { fileURLToPath } from 'node:url';

const here = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

await build({
  entryPoints: [here('src/index.js')],
  outfile: here('dist/wireline-client.min.js'),
  bundle: true,
  minify: true,
  // What the files call each other by, and nobody else: no message and no page has these names.
  mangleProps: /^(answered|closed|end|opened|receive|resumes|stop|text|tried|tries)$/,
  format: 'esm',
  target: 'es2022',
  sourcemap: true,
  logLevel: 'warning',
});
