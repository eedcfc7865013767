// What type checkers must accept and refuse. Nothing runs it.

import { connect, RelayClient, RelayError, Subscription as Subscribed, type Member, type Push, type Subscription } from 'wireline-client';
import { connect as small } from 'wireline-client/min';

interface Room extends Record<string, any> {
  say: { text: string };
  typing: boolean;
}

const relay: RelayClient = connect('wss://example.com/ws', {
  getToken: async (expired) => (expired ? 'new' : 'old'),
  WebSocket,
  keep: 10,
  sse: false,
});
small(new URL('https://example.com/ws'), { WebSocket: null }).close();

const room: Subscription<Room> = relay.subscribe<Room>('room:1', { payload: { nick: 'ann' }, presence: true, rewind: 5, token: (topic) => topic, recover: true });
room.on('say', ({ text }, push) => text.length + push.topic.length);
room.on('subscribed', ({ epoch, recovered }) => [epoch?.toFixed(), recovered === true]);
room.on('unrecovered', () => {});
room.on('lagged', (missed) => missed.toFixed());
room.on('lagged', (missed, { epoch, first, last }) => [epoch?.toFixed(), first !== undefined && last === first + missed - 1]);
room.on('presence', ({ members, joined, left }) => [...members, ...joined, ...left].map((member: Member) => member.conn_id));
const off: () => void = room.on('error', (error: RelayError) => error.code);
off();
const members: ReadonlyMap<number, Member> = room.members;
relay.on('close', ({ code, wait }) => [code.toFixed(), wait?.toFixed(), members.size]);
relay.on('subscription', (given) => given.topic);

export async function all(): Promise<void> {
  const sum = await relay.call<number>('sum', [1, 2], { deadline: 1000, signal: new AbortController().signal });
  sum.toFixed();
  await room.send('say', { text: 'hi' }, { timeout: 1000 });
  for await (const push of room) {
    const { event, payload }: Push = push;
    payload[event];
  }
  await room.unsubscribe();
}

// @ts-expect-error: a number is no URL
connect(1);
// @ts-expect-error: there is no such option
connect('/ws', { retries: 3 });
// @ts-expect-error: there is no such event
relay.on('opened', () => {});
// @ts-expect-error: the payload has no such field
room.on('say', ({ words }) => words);
// @ts-expect-error: it is read only
room.live = true;
// @ts-expect-error: subscriptions are made by a client
new Subscribed("room:1");
