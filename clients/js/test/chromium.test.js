// The client, as it was built, and the real server, in a page of a real browser.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { chromium } from './browser.js';
import { scenarios } from './scenarios.js';
import { start } from './server.js';

const cleaning = [];
let place;
let page;

before(async () => {
  const t = { after: (clean) => cleaning.unshift(clean) };
  place = await start(t);
  page = await (await chromium(t)).page(`http://${place}/`);
  await page.evaluate(`(async () => {
    const { connect } = await import('/client.js');
    globalThis.run = async (scenario) => {
      const opened = [];
      // Relative to the page.
      const open = (options) => opened[opened.push(connect('/ws', { backoff: 50, ...options })) - 1];
      const sorted = (_, value) => value && value.constructor === Object ? Object.fromEntries(Object.entries(value).sort()) : value;
      const text = (value) => JSON.stringify(value, sorted);
      const same = (got, wanted) => { if (text(got) !== text(wanted)) throw new Error(text(got) + ' instead of ' + text(wanted)); };
      const next = (emitter, name) => new Promise((resolve, reject) => {
        const late = setTimeout(() => reject(new Error('no event ' + name)), 10_000);
        const off = emitter.on(name, (value) => { off(); clearTimeout(late); resolve(value); });
      });
      const up = (relay) => (relay.state === 'open' ? undefined : next(relay, 'open'));
      try { await scenario({ open, up, same, next }); } finally { for (const relay of opened) relay.close(); }
    };
  })()`);
});

after(async () => {
  for (const clean of cleaning) await clean();
});

describe('in Chromium', { concurrency: true }, () => {
  for (const [name, scenario] of Object.entries(scenarios)) {
    test(name, async () => {
      // A method's text begins with its name, which is a string here.
      const text = scenario.toString().replace(/^async '[^]*?'\(/, 'async function (');
      await page.evaluate(`run(${text})`);
    });
  }

  test('online again: the wait is over, and an open connection is asked', async () => {
    const seen = await page.evaluate(`(async () => {
      const { connect } = await import('/client.js');
      const relay = connect('/ws', { backoff: 60_000, longest: 60_000 });
      const next = (name) => new Promise((resolve) => { const off = relay.on(name, (value) => { off(); resolve(value); }); });
      await next('open');
      const { conn_id } = await relay.hello();
      const lost = next('close');
      relay.call('control', { do: 'disconnect', conn_id, code: 4000 });
      await lost;
      const state = relay.state;
      const began = performance.now();
      dispatchEvent(new Event('online'));
      await next('open');
      const took = performance.now() - began;
      dispatchEvent(new Event('online'));
      const sum = await relay.call('sum', [1, 2]);
      relay.close();
      return { state, soon: took < 5000, sum };
    })()`);
    assert.deepEqual(seen, { state: 'waiting', soon: true, sum: 3 });
  });
});

test('nothing was thrown that nobody caught', () => {
  assert.deepEqual(page.errors, []);
});
