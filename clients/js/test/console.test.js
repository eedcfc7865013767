// The page of the program's console in a real browser: it subscribes, publishes, and shows what the relay counts. With the environment
// variable WIRELINE it is the page that this program serves at `/`, with the program's own API; without it test/server.rs serves it.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { WebSocket } from 'ws';
import { chromium } from './browser.js';
import { redis } from './process.js';
import { launch, start } from './server.js';
import { connect, deaf } from './support.js';

const PAGE = fileURLToPath(new URL('../../../cli/src/console.html', import.meta.url));
const cleaning = [];
let place;
let url;
let browser;
let other;

/** Nothing but the page's own style and script, and requests to its server. */
function policy() {
  const text = readFileSync(PAGE, 'utf8');
  const digest = (element) => `'sha256-${createHash('sha256').update(text.match(new RegExp(`<${element}>([^]*?)</${element}>`))[1]).digest('base64')}'`;
  return `default-src 'none'; style-src ${digest('style')}; script-src ${digest('script')}; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
}

before(async () => {
  const t = { after: (clean) => cleaning.unshift(clean) };
  const program = process.env.WIRELINE;
  place = await (program ? start(t, ['--addr', '127.0.0.1:0'], program) : start(t, [PAGE, policy()]));
  url = `http://${place}/${program ? '' : 'console'}`;
  browser = await chromium(t);
  other = connect(`ws://${place}/ws`, { WebSocket });
  t.after(() => other.close());
});

after(async () => {
  for (const clean of cleaning) await clean();
});

const SIZES = { phone: [360, 800], desktop: [1440, 900] };

/** A tab of this size, with what tests say in it: `text(id)`, `until(expression)`, `click(id)`, `type(id, text)`. */
async function open(size = 'desktop', at = url) {
  const page = await browser.page('about:blank');
  const [width, height] = SIZES[size];
  await page.call('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: size === 'phone' });
  await page.call('Page.navigate', { url: at });
  const until = async (expression, what = expression) => {
    for (const end = Date.now() + 10_000; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 50))) {
      const seen = await page.evaluate(`(() => { try { return ${expression} } catch { return undefined } })()`);
      if (seen) return seen;
    }
    throw new Error(`not in time: ${what}; the log: ${await page.evaluate("document.getElementById('log')?.textContent")}`);
  };
  await until("document.getElementById('state').dataset.is === 'live'");
  return {
    ...page,
    until,
    text: (id) => page.evaluate(`document.getElementById('${id}').textContent`),
    click: (id) => page.evaluate(`document.getElementById('${id}').click()`),
    type: (id, text) => page.evaluate(`{ const field = document.getElementById('${id}'); field.value = ${JSON.stringify(text)}; field.dispatchEvent(new Event('input')); }`),
  };
}

const number = (text) => Number(text.replaceAll(',', ''));

test('it subscribes, publishes both ways, shows the pushes, and the counters move', async () => {
  const page = await open();
  const before = { pushes: number(await page.text('pushes-all')), topics: number(await page.text('topics-now')), subscriptions: number(await page.text('subscriptions-now')) };
  await page.type('topic', 'console:tried');
  await page.click('subscribe');
  await page.until("/connection \\d+/.test(document.getElementById('socket').textContent)", 'the socket');
  await page.until("document.getElementById('log').textContent.includes('subscribed console:tried')", 'the subscription in the log');
  await page.type('payload', '{"number": 41}');
  await page.click('send');
  await page.until("document.querySelector('#log .in:last-of-type, #log .in') && document.getElementById('received').textContent === '1'", 'the push');
  await page.type('payload', '{"number": 42}');
  await page.click('publish');
  await page.until("document.getElementById('received').textContent === '2'", 'the other push');
  const log = await page.evaluate("[...document.querySelectorAll('#log .in')].map((line) => line.lastChild.textContent)");
  assert.ok(log.includes('console:tried say {"number":41}') && log.includes('console:tried say {"number":42}'), log.join('\n'));
  await page.until("document.querySelector('#log .out:last-child, #log').textContent.includes('1 subscriber, offset')", 'the answer of the API');
  await page.until(`Number(document.getElementById('pushes-all').textContent.replaceAll(',', '')) >= ${before.pushes + 2}`, 'the pushes counted');
  await page.until(`Number(document.getElementById('subscriptions-now').textContent.replaceAll(',', '')) === ${before.subscriptions + 1}`, 'the subscription counted');
  // The most that a second had is no longer nothing, and a line shows it.
  await page.until("document.querySelector('#pushes .most').textContent !== '0'", 'a rate');
  assert.match(await page.evaluate("document.querySelector('#pushes .line').getAttribute('d')"), /^M[\d.,L]+$/);
  assert.equal(await page.evaluate("[...document.querySelectorAll('#topics tr')].map((row) => row.textContent).includes('console:tried1')"), true);
  assert.equal(await page.evaluate("document.querySelector('#topics button[aria-pressed=true]').textContent"), 'console:tried');
  // The chip ends the subscription.
  await page.evaluate("document.querySelector('#mine button').click()");
  await page.until(`Number(document.getElementById('subscriptions-now').textContent.replaceAll(',', '')) === ${before.subscriptions}`, 'the subscription gone');
  assert.deepEqual(page.errors, []);
});

test('it shows what others do: topics, connections, who is present', async () => {
  const page = await open();
  const room = other.subscribe('room:shown', { payload: { device: 'phone' } });
  await room.ready;
  const { conn_id } = await other.hello();
  await page.until("[...document.querySelectorAll('#topics button')].some((button) => button.textContent === 'room:shown')", 'the topic');
  await page.evaluate("[...document.querySelectorAll('#topics button')].find((button) => button.textContent === 'room:shown').click()");
  await page.until(`document.querySelector('#present tr[data-key="${conn_id}"]').textContent.includes('{"device":"phone"}')`, 'who is present');
  await page.until("document.getElementById('present-count').textContent.startsWith('room:shown: 1 connection, 1 user')", 'their count');
  await page.until(`document.querySelector('#connections tr[data-key="${conn_id}"]')`, 'the connection');
  await room.unsubscribe();
  await page.until(`!document.querySelector('#present tr[data-key="${conn_id}"]') && document.getElementById('no-present').offsetParent`, 'nobody present');
  assert.deepEqual(page.errors, []);
});

test('it shows how a node stands among others, and that alone it has none', { skip: !process.env.WIRELINE && 'there is one node without the program' }, async (t) => {
  const alone = await open();
  assert.equal(await alone.evaluate("document.getElementById('cluster').hidden"), true);
  const broker = await redis(t);
  const [one, two] = await Promise.all([1, 2].map(() => launch(t, ['--addr', '127.0.0.1:0', '--backplane', broker.url], process.env.WIRELINE)));
  const page = await open('desktop', `http://${one.place}/`);
  const shows = (pattern, warns) => page.until(`((line) => line.offsetParent && ${pattern}.test(line.textContent) && line.classList.contains('warn') === ${warns})(document.getElementById('cluster'))`, `${pattern}`);
  await shows(/^2 nodes, lag \d+ ms, 0 lost$/, false);
  await broker.kill();
  await shows(/^2 nodes, redis down for \S.*, 0 lost$/, true);
  await broker.start();
  await shows(/^2 nodes, lag \d+ ms, 0 lost$/, false);
  // One that ends in order says so.
  two.child.kill('SIGINT');
  await shows(/^1 node, lag \d+ ms, 0 lost$/, false);
  assert.deepEqual(page.errors, []);
});

test('it shows the namespaces, rooms and sockets of Socket.IO where that is served', { skip: !process.env.WIRELINE && 'there is none without the program' }, async (t) => {
  const without = await open();
  assert.equal(await without.evaluate("document.getElementById('socketio').hidden"), true);
  const { place } = await launch(t, ['--addr', '127.0.0.1:0', '--socketio-on', '--socketio-namespaces', '/chat'], process.env.WIRELINE);
  const socket = new WebSocket(`ws://${place}/socket.io/?EIO=4&transport=websocket`);
  t.after(() => socket.terminate());
  // The session, the namespace, then what is asked: each packet waits for the answer of the one before.
  const said = [];
  const asks = ['40/chat,', '42/chat,0["join","lobby"]'];
  const joined = new Promise((resolve) => socket.on('message', (data) => {
    said.push(String(data));
    if (asks.length) socket.send(asks.shift());
    else resolve();
  }));
  const page = await open('desktop', `http://${place}/`);
  await joined;
  assert.equal(said[2], '43/chat,0[true]');
  const { sid } = JSON.parse(said[1].slice('40/chat,'.length));
  const row = (body, text) => page.until(`[...document.querySelectorAll('#${body} tr')].some((row) => [...row.cells].map((cell) => cell.textContent).join('|').startsWith(${JSON.stringify(text)}))`, text);
  await row('namespaces', '/chat|1');
  await row('rooms', 'lobby in /chat|1');
  await row('sockets', `${sid}|/chat|websocket|lobby|–|0:00:`);
  socket.close();
  await page.until("document.getElementById('no-sockets').offsetParent && document.getElementById('no-rooms').offsetParent", 'nothing left');
  assert.deepEqual(page.errors, []);
});

test('what it is given wrong it says where it stands', async () => {
  const page = await open();
  for (const [field, text, said] of [
    ['topic', 'no topic', /letters, digits/],
    ['event', '', /has a name/],
    ['payload', '{', /no JSON/],
  ]) {
    const had = await page.evaluate(`document.getElementById('${field}').value`);
    await page.type(field, text);
    await page.click('send');
    assert.match(await page.text('fault'), said);
    assert.deepEqual(await page.evaluate("[document.activeElement.id, document.activeElement.getAttribute('aria-invalid')]"), [field, 'true']);
    await page.type(field, had);
  }
  assert.equal(await page.text('socket'), 'no socket yet');
});

test('it says when the server does not answer, wants a key, and when it is back; hidden it asks nothing', async () => {
  const page = await open();
  await page.evaluate("globalThis.real = fetch; globalThis.asked = 0; fetch = () => Promise.reject(new TypeError('gone')); null");
  await page.until("document.getElementById('state').dataset.is === 'gone' && document.body.classList.contains('stale')", 'no answer');
  assert.equal(await page.text('state-text'), 'no answer');
  await page.evaluate("fetch = (path, options) => options.headers.authorization === 'Bearer secret' ? real(path, options) : Promise.resolve(new Response('{\"title\":\"Unauthorized\"}', { status: 401 })); null");
  await page.until("!document.getElementById('key').hidden && document.getElementById('state-text').textContent === 'key needed'", 'a key is wanted');
  await page.type('key-text', 'wrong');
  await page.evaluate("document.getElementById('key').requestSubmit()");
  await page.until("document.getElementById('state-text').textContent === 'key refused'", 'the key is refused');
  await page.type('key-text', 'secret');
  await page.evaluate("document.getElementById('key').requestSubmit()");
  await page.until("document.getElementById('key').hidden && document.getElementById('state').dataset.is === 'live' && !document.body.classList.contains('stale')", 'it is back');
  await page.evaluate("fetch = (...words) => { asked++; return real(...words); }; Object.defineProperty(document, 'hidden', { configurable: true, get: () => true }); document.dispatchEvent(new Event('visibilitychange')); asked = 0; null");
  await new Promise((resolve) => setTimeout(resolve, 1500));
  assert.deepEqual([await page.evaluate('asked'), await page.text('state-text')], [0, 'paused']);
  await page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))");
  await page.until("asked > 0 && document.getElementById('state').dataset.is === 'live'", 'it goes on');
});

test('it shows on a phone what slow clients have lost, and a picture of all of it is longer than the window', { skip: !process.env.WIRELINE && 'the limits are of the program' }, async (t) => {
  const { place } = await launch(t, ['--addr', '127.0.0.1:0', '--relay-messages-per-second', '100000', '--relay-octets-per-second', '1GiB'], process.env.WIRELINE);
  const page = await open('phone', `http://${place}/`);
  const loud = connect(`ws://${place}/ws`, { WebSocket });
  t.after(() => loud.close());
  const topic = loud.subscribe('console:loud');
  await topic.ready;
  assert.deepEqual([await page.text('dropped'), await page.text('lagged')], ['0', '0']);
  await deaf(t, place, 'console:loud', async () => {
    for (const end = Date.now() + 10_000; !number(await page.text('dropped')) && Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 20))) for (let sent = 0; sent < 100; sent++) topic.send('fill', 'x'.repeat(4000));
  });
  await page.until("['dropped', 'lagged'].every((id) => parseInt(document.getElementById(id).textContent) > 0 && document.getElementById(id).offsetParent)", 'what is lost');
  const { cssContentSize: { width, height } } = await page.call('Page.getLayoutMetrics');
  assert.ok(width === SIZES.phone[0] && height > SIZES.phone[1], `${width} x ${height}`);
  const { data } = await page.call('Page.captureScreenshot', { format: 'png', captureBeyondViewport: true, clip: { x: 0, y: 0, width, height, scale: 1 } });
  const octets = Buffer.from(data, 'base64');
  assert.deepEqual([octets.readUInt32BE(16), octets.readUInt32BE(20)], [width, height]);
});

test('it fits a phone and a desktop, and every field has a name', async () => {
  for (const size of Object.keys(SIZES)) {
    const page = await open(size);
    const seen = await page.evaluate(`({
      wide: document.documentElement.scrollWidth - innerWidth,
      nameless: [...document.querySelectorAll('input, textarea, button')].filter((field) => !(field.labels?.length || field.textContent.trim() || field.getAttribute('aria-label'))).map((field) => field.id),
      outside: [...document.querySelectorAll('button, input, textarea, h2, .value, .counts dd')].filter((node) => node.offsetParent && node.getBoundingClientRect().right > innerWidth + 0.5).map((node) => node.id || node.textContent),
      figures: getComputedStyle(document.querySelector('.counts dd')).fontVariantNumeric + ' ' + getComputedStyle(document.querySelector('.counts dd')).textAlign,
      foreign: performance.getEntriesByType('resource').map(({ name }) => name).filter((name) => !name.startsWith(location.origin)),
    })`);
    assert.deepEqual(seen, { wide: 0, nameless: [], outside: [], figures: 'tabular-nums right', foreign: [] }, size);
  }
});

test('text can be read: its contrast is 4.5 to 1, light and dark', async () => {
  for (const scheme of ['light', 'dark']) {
    const page = await open();
    await page.call('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] });
    const poor = await page.evaluate(`(() => {
      const style = getComputedStyle(document.documentElement);
      const light = (name) => {
        const [r, g, b] = style.getPropertyValue(name).trim().match(/[0-9a-f]{2}/gi).map((pair) => parseInt(pair, 16) / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const pairs = [];
      for (const text of ['--ink', '--soft', '--accent', '--good', '--bad', '--warn']) for (const ground of ['--paper', '--card', '--well']) pairs.push([text, ground]);
      pairs.push(['--ink', '--bar'], ['--accent', '--bar'], ['--accent-ink', '--accent']);
      const ratio = ([one, two]) => { const [low, high] = [light(one), light(two)].sort((a, b) => a - b); return (high + 0.05) / (low + 0.05); };
      return pairs.filter((pair) => !(ratio(pair) >= 4.5)).map((pair) => pair.join(' on ') + ' ' + ratio(pair).toFixed(2)).concat(['--field', '--card'].map(light).length && ratio(['--field', '--card']) >= 3 ? [] : ['--field']);
    })()`);
    assert.deepEqual(poor, [], scheme);
  }
});
