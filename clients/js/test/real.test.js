// The client and the real server, in Node.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { WebSocket } from 'ws';
import { scenarios } from './scenarios.js';
import { start } from './server.js';
import { connect, event, within } from './support.js';

const up = (relay) => (relay.state === 'open' ? undefined : event(relay, 'open'));

const cleaning = [];
let place;
before(async () => {
  place = await start({ after: (clean) => cleaning.push(clean) });
});
after(async () => {
  for (const clean of cleaning) await clean();
});

describe('with the real server', { concurrency: true }, () => {
  for (const [name, scenario] of Object.entries(scenarios)) {
    test(name, async (t) => {
      const open = (options) => {
        const relay = connect(`ws://${place}/ws`, { WebSocket, backoff: 50, ...options });
        t.after(() => relay.close());
        return relay;
      };
      await within(scenario({ open, up, same: (got, wanted) => assert.deepEqual(got, wanted), next: event }), name, 20_000);
    });
  }
});
