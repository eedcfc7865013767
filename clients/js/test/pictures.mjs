// Makes the pictures of docs/pictures from the pages themselves: the example `whiteboard`, and the console of the program.
//
//     WHITEBOARD=target/debug/examples/whiteboard WIRELINE=target/debug/wireline node clients/js/test/pictures.mjs
//
// Of a program that is not named there is no picture.

import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { WebSocket } from 'ws';
import { sheet, whiteboard } from './board.js';
import { chromium } from './browser.js';
import { launch } from './server.js';
import { connect, deaf } from './support.js';

const FOLDER = fileURLToPath(new URL('../../../docs/pictures/', import.meta.url));
const cleaning = [];
const t = { after: (clean) => cleaning.unshift(clean) };
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** What the window shows, or the `whole` page with what has to be scrolled to. */
const picture = async (page, name, whole = false) => {
  await page.call('Page.bringToFront');
  const { cssContentSize: { width, height } } = await page.call('Page.getLayoutMetrics');
  const more = whole && { captureBeyondViewport: true, clip: { x: 0, y: 0, width, height, scale: 1 } };
  const { data } = await page.call('Page.captureScreenshot', { format: 'png', ...more });
  const octets = Buffer.from(data, 'base64');
  writeFileSync(FOLDER + name, octets);
  console.log(`${name}: ${octets.length} octets`);
};

/** A line that goes round: around a middle, so wide and so high, from one part of the circle to another. */
const round = ([x, y], width, height, from = 0, to = 1) =>
  Array.from({ length: 33 }, (_, at) => (from + ((to - from) * at) / 32) * 2 * Math.PI).map((angle) => [x + width * Math.cos(angle) + Math.sin(angle * 5), y + height * Math.sin(angle) + Math.cos(angle * 7)]);
const through = (...points) => points.flatMap((point, at) => (at ? [[(points[at - 1][0] + point[0]) / 2 + 2, (points[at - 1][1] + point[1]) / 2 - 2], point] : [point]));

async function drawn(browser) {
  const { place } = await whiteboard(t);
  const ada = await sheet(browser, place, 'ada', 'plan');
  const lin = await sheet(browser, place, 'lin', 'plan');
  const sam = await sheet(browser, place, 'sam', 'plan');
  // Three pages, a relay between them, and what comes back to all of them.
  await ada.draw(round([800, 430], 210, 110), 4);
  await ada.draw(round([800, 430], 205, 104, 0.05, 1.02), 4);
  for (const [number, [x, y]] of [[280, 190], [1320, 190], [800, 770]].entries()) {
    const page = [lin, sam, ada][number];
    await page.draw(through([x - 130, y - 75], [x + 130, y - 80], [x + 128, y + 72], [x - 132, y + 78], [x - 130, y - 76]), [3, 5, 2][number]);
    await page.draw(through([x - 128, y - 42], [x + 128, y - 45]), [3, 5, 2][number]);
    await page.draw(round([x - 108, y - 60], 6, 6), 1);
  }
  for (const [from, to] of [[[430, 250], [615, 340]], [[1170, 250], [990, 340]], [[800, 560], [800, 680]]]) {
    await sam.draw(through(from, to), 0);
    const angle = Math.atan2(to[1] - from[1], to[0] - from[0]);
    const [one, two] = [2.6, -2.6].map((turn) => [to[0] + 26 * Math.cos(angle + turn), to[1] + 26 * Math.sin(angle + turn)]);
    await sam.draw([one, to, two], 0);
  }
  // r e l a y
  await ada.draw([[668, 470], [668, 415], [670, 430], [690, 412], [704, 418]], 0);
  await ada.draw([[718, 442], [762, 440], [756, 416], [734, 412], [718, 432], [722, 462], [744, 474], [764, 464]], 0);
  await ada.draw([[788, 366], [786, 472]], 0);
  await ada.draw([...round([830, 443], 22, 30, -0.1, 0.9), [852, 415], [853, 474]], 0);
  await ada.draw([[884, 414], [904, 470]], 0);
  await ada.draw([[930, 412], [904, 472], [886, 506]], 0);
  await lin.draw(Array.from({ length: 30 }, (_, at) => [190 + at * 6, 215 + 18 * Math.sin(at / 2.2)]), 1);
  await sam.draw([[1240, 235], [1275, 200], [1305, 222], [1345, 175], [1390, 205]], 1);
  await ada.draw([[735, 790], [775, 760], [810, 792], [860, 745]], 1);
  await lin.call('Page.bringToFront');
  await lin.point([330, 250]);
  await sam.call('Page.bringToFront');
  await sam.point([1190, 330]);
  await ada.until("document.querySelectorAll('.cursor').length === 2", 'both cursors');
  await ada.until("document.getElementById('paper').dataset.pending === '0'", 'everything drawn');
  await pause(300);
  await picture(ada, 'whiteboard.png');
}

async function watched(browser) {
  const { place } = await launch(t, ['--addr', '127.0.0.1:0', '--history', 'topics=room:*', '--relay-messages-per-second', '100000', '--relay-octets-per-second', '1GiB'], process.env.WIRELINE);
  const people = await Promise.all(
    ['ada', 'lin', 'sam', 'eve'].map(async (name) => {
      const relay = connect(`ws://${place}/ws`, { WebSocket });
      t.after(() => relay.close());
      const rooms = ['room:garden', 'room:kitchen', 'prices'].map((topic) => relay.subscribe(topic, { payload: { name } }));
      await Promise.all(rooms.map((room) => room.ready));
      return rooms;
    }),
  );
  const page = await browser.page(`http://${place}/`);
  const look = async ([width, height], scheme) => {
    await page.call('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: width < 600 });
    await page.call('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] });
  };
  await look(DESKTOP, 'light');
  await page.evaluate("{ const field = document.getElementById('topic'); field.value = 'room:garden'; field.dispatchEvent(new Event('input')); document.getElementById('subscribe').click(); }");
  // A quiet second first, and then as much as the lines can show.
  await pause(1500);
  const begun = Date.now();
  let goes = true;
  const talk = (async () => {
    for (let number = 0; goes; number++) {
      const [rooms, text] = [people[(number * 7) % people.length], ['hello', 'the tea is ready', 'who waters the beans?', 'I do', 'rain by four'][number % 5]];
      rooms[number % 3].send('say', { text, number });
      await pause(30 + 25 * Math.sin((Date.now() - begun) / 4000));
    }
  })();
  await pause(35_000);
  // Somebody who does not read, so that what is dropped and told is in the pictures, too.
  await deaf(t, place, 'prices', async () => {
    const dropped = async () => Number(await page.evaluate("document.getElementById('dropped').textContent.replaceAll(',', '')"));
    for (const end = Date.now() + 20_000; !(await dropped()) && Date.now() < end; await pause(20)) for (let number = 0; number < 100; number++) people[0][2].send('fill', 'x'.repeat(4000));
  });
  await pause(5000);
  for (const [name, size, scheme] of [['console', DESKTOP, 'light'], ['console-dark', DESKTOP, 'dark'], ['console-phone', PHONE, 'light'], ['console-phone-dark', PHONE, 'dark']]) {
    await look(size, scheme);
    // Its lines are drawn once a second.
    await pause(1200);
    await picture(page, `${name}.png`, size === PHONE);
  }
  goes = false;
  await talk;
}

const DESKTOP = [1200, 800];
const PHONE = [390, 844];

mkdirSync(FOLDER, { recursive: true });
try {
  const browser = await chromium(t);
  if (process.env.WHITEBOARD) await drawn(browser);
  if (process.env.WIRELINE) await watched(browser);
} finally {
  for (const clean of cleaning) await clean();
}
