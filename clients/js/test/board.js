// What draws on the page of the example `whiteboard`, as a hand does.

import { launch } from './server.js';

const [WIDTH, HEIGHT] = [1600, 900];

/** The example, and its address. */
export function whiteboard(t) {
  const program = process.env.WHITEBOARD;
  if (!program) throw new Error('WHITEBOARD names no program: bash clients/js/test.sh builds it');
  return launch(t, ['127.0.0.1:0'], program);
}

/** A page of it: `until(expression)`, `draw(points)`, `ink(x, y)`, `picture()`. Points are units of the paper, not of the window. */
export async function sheet(browser, place, name, board = 'lobby') {
  const page = await browser.page('about:blank');
  await page.call('Emulation.setDeviceMetricsOverride', { width: 1200, height: 720, deviceScaleFactor: 1, mobile: false });
  await page.call('Page.navigate', { url: `http://${place}/?board=${board}&name=${name}` });
  const until = async (expression, what = expression) => {
    for (const end = Date.now() + 15_000; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 20))) {
      const seen = await page.evaluate(`(() => { try { return ${expression} } catch { return undefined } })()`);
      if (seen) return seen;
    }
    throw new Error(`${name}: not in time: ${what}; the state: ${await page.evaluate("document.getElementById('state')?.textContent")}`);
  };
  await until("document.getElementById('state').dataset.is === 'live'", 'live');
  const mouse = async (type, [x, y], more = {}) => {
    const { left, top, width, height } = await page.evaluate("(({ left, top, width, height }) => ({ left, top, width, height }))(document.getElementById('paper').getBoundingClientRect())");
    await page.call('Input.dispatchMouseEvent', { type, x: left + (x / WIDTH) * width, y: top + (y / HEIGHT) * height, ...more });
  };
  return {
    ...page,
    until,
    point: (at) => mouse('mouseMoved', at),
    /** A line through these points, with the pen of this number. */
    async draw(points, pen) {
      await page.call('Page.bringToFront');
      if (pen !== undefined) await page.evaluate(`document.querySelectorAll('#tools button')[${pen}].click()`);
      const held = { button: 'left', buttons: 1, clickCount: 1 };
      await mouse('mousePressed', points[0], held);
      for (const point of points.slice(1)) await mouse('mouseMoved', point, held);
      await mouse('mouseReleased', points.at(-1), { ...held, buttons: 0 });
    },
    /** Whether the relay has said that something is drawn here. */
    ink: (x, y) => `document.getElementById('board').getContext('2d').getImageData(${x} - 2, ${y} - 2, 4, 4).data.some((part) => part > 0)`,
    picture: () => page.evaluate("document.getElementById('board').toDataURL()"),
    people: () => page.evaluate("[...document.querySelectorAll('#people li')].map(({ textContent }) => textContent).sort()"),
  };
}
