// The example `whiteboard` in pages of a real browser: what one draws the others see, and whoever was away misses nothing.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { after, before, test } from 'node:test';
import { sheet, whiteboard } from './board.js';
import { chromium } from './browser.js';

const cleaning = [];
let place;
let browser;

before(async () => {
  const t = { after: (clean) => cleaning.unshift(clean) };
  ({ place } = await whiteboard(t));
  browser = await chromium(t);
});

after(async () => {
  for (const clean of cleaning) await clean();
});

/** A way to the server that can be cut, and mended. */
async function bridge(t) {
  const [host, port] = place.split(':');
  const sockets = new Set();
  let server;
  const mend = async (at = 0) => {
    server = createServer((near) => {
      const far = connect(port, host);
      for (const socket of [near, far]) {
        sockets.add(socket);
        socket.on('error', () => {});
        socket.on('close', () => {
          sockets.delete(socket);
          near.destroy();
          far.destroy();
        });
      }
      near.pipe(far).pipe(near);
    });
    server.listen(at, '127.0.0.1');
    await once(server, 'listening');
  };
  const cut = async () => {
    const closed = once(server, 'close');
    server.close();
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  await mend();
  const own = server.address().port;
  t.after(() => server.listening && cut());
  return { place: `127.0.0.1:${own}`, cut, mend: () => mend(own) };
}

const here = (count) => `document.querySelectorAll('#people li').length === ${count}`;
const idle = "document.getElementById('paper').dataset.pending === '0'";

test('two draw, one is away meanwhile, and nothing is missed', async (t) => {
  const way = await bridge(t);
  const ann = await sheet(browser, place, 'ann');
  const ben = await sheet(browser, way.place, 'ben');
  for (const page of [ann, ben]) {
    await page.until(here(2), 'both are here');
    assert.deepEqual(await page.people(), ['ann', 'ben']);
  }

  // What one draws the other sees, and where it is pointed.
  await ann.draw([[200, 200], [300, 200], [400, 200]], 1);
  await ben.until(ben.ink(300, 200), 'the line of ann');
  await ben.until("document.querySelector('.cursor')?.textContent === 'ann'", 'the cursor of ann');
  await ben.draw([[200, 300], [400, 300]], 4);
  await ann.until(ann.ink(300, 300), 'the line of ben');

  // Away: the others see it, and what is drawn on either side stays there.
  await way.cut();
  await ben.until("document.getElementById('state').textContent.startsWith('away')", 'ben knows');
  await ann.until(here(1), 'ben has gone');
  assert.deepEqual(await ann.people(), ['ann']);
  await ben.draw([[600, 500], [800, 500]], 4);
  await ben.until("+document.getElementById('paper').dataset.pending > 0", 'what ben draws waits');
  await ann.draw([[600, 600], [700, 600], [800, 600]], 1);
  await ann.until(ann.ink(700, 600), 'what ann draws');
  assert.equal(await ben.evaluate(ben.ink(700, 600)), false);
  assert.equal(await ann.evaluate(ann.ink(700, 500)), false);

  // Back by itself: each has what the other has drawn, without a new page.
  await ben.evaluate('globalThis.same = true');
  await way.mend();
  await ben.until(ben.ink(700, 600), 'what ben missed');
  await ann.until(ann.ink(700, 500), 'what ben drew meanwhile');
  for (const page of [ann, ben]) await page.until(`${here(2)} && ${idle}`, 'both are here again');
  assert.equal(await ben.evaluate('globalThis.same'), true);

  // The same pieces in the same order: the same picture, and the same for who comes now.
  const late = await sheet(browser, place, 'eve');
  const [count] = await Promise.all([ann.evaluate("document.getElementById('paper').dataset.drawn"), late.until(here(3), 'three are here')]);
  for (const page of [ben, late]) {
    await page.until(`document.getElementById('paper').dataset.drawn === '${count}'`, `${count} pieces`);
    assert.equal(await page.picture(), await ann.picture());
  }

  await late.evaluate("document.getElementById('clear').click()");
  for (const page of [ann, ben, late]) await page.until(`!(${page.ink(300, 200)})`, 'an empty board');
  assert.deepEqual([ann.errors, late.errors], [[], []]);
});

test('boards are apart, and what cannot be drawn is refused', async () => {
  const [one, other] = [await sheet(browser, place, 'one', 'red'), await sheet(browser, place, 'two', 'blue')];
  await one.draw([[100, 100], [200, 100]]);
  await one.until(one.ink(150, 100), 'its own line');
  assert.equal(await other.evaluate(other.ink(150, 100)), false);
  assert.deepEqual(await other.people(), ['two']);
  const said = await one.evaluate(`(async () => {
    const { connect } = await import('/client/index.js');
    const relay = connect('/ws');
    const nobody = await relay.subscribe('board:red').ready.then(() => 'let in', ({ message }) => message);
    const room = relay.subscribe('board:red', { payload: { name: 'me' } });
    await room.ready;
    const piece = { key: 'k', colour: 0, width: 5, points: [[1601, 0]] };
    const outside = await room.send('piece', piece).then(() => 'taken', ({ message }) => message);
    const elsewhere = await relay.subscribe('news').ready.then(() => 'let in', ({ code }) => code);
    relay.close();
    return [nobody, outside, elsewhere];
  })()`);
  assert.match(said[0], /who are you\?$/);
  assert.match(said[1], /nobody can draw that$/);
  assert.notEqual(said[2], 'let in');
});
