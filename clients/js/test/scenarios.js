// What a client and the real server do together. Each one runs in Node and, as its text, in a page of a browser, so it uses nothing but its arguments:
// `open(options)` gives a client, `up(client)` promises its connection, `next(emitter, name)` an event's value, `same(got, wanted)` fails unless they are equal.

export const scenarios = {
  async 'a subscription, its reply, and messages through it'({ open, same, next }) {
    const relay = open();
    const room = relay.subscribe('room:echo', { payload: { nick: 'ann' } });
    same(await room.ready, { topic: 'room:echo', said: { nick: 'ann' } });
    same([Number.isSafeInteger(room.epoch), room.epoch > 0, room.live], [true, true, true]);
    const begin = room.offset;
    const said = next(room, 'say');
    await room.send('say', { text: 'Grüße, 世界 🦀' });
    same(await said, { text: 'Grüße, 世界 🦀' });
    same(room.offset, begin + 1);
    await room.unsubscribe();
    let code;
    await room.send('say', 1).catch((error) => (code = error.code));
    same(code, 'not_subscribed');
  },

  async 'what goes to all others counts for the sender, too'({ open, same, next }) {
    const [ann, bob] = [open(), open()];
    const rooms = [ann.subscribe('room:others'), bob.subscribe('room:others')];
    await Promise.all(rooms.map(({ ready }) => ready));
    const begin = rooms[0].offset;
    const mine = [];
    rooms[0].on('push', ({ event }) => mine.push(event));
    const theirs = next(rooms[1], 'others');
    const both = Promise.all(rooms.map((room) => next(room, 'end')));
    await rooms[0].send('others', 1);
    same(await theirs, 1);
    await rooms[0].send('end');
    await both;
    same([mine, rooms[0].offset - begin, rooms[1].offset - begin], [['end'], 2, 2]);
  },

  async 'presence of several connections'({ open, same, next }) {
    const [ann, bob] = [open({ getToken: () => 'ann' }), open({ getToken: () => 'bob' })];
    const room = ann.subscribe('room:present', { presence: true, payload: { device: 'phone' } });
    same((await next(room, 'presence')).members.map(({ user, meta }) => [user, meta]), [['ann', { device: 'phone' }]]);
    const came = next(room, 'presence');
    const other = bob.subscribe('room:present', { payload: { device: 'desk' } });
    same((await came).joined.map(({ user, meta }) => [user, meta]), [['bob', { device: 'desk' }]]);
    await other.ready;
    same([...room.members.values()].map(({ user }) => user).sort(), ['ann', 'bob']);
    const { conn_id } = await bob.hello();
    same(room.members.get(conn_id).user, 'bob');
    const gone = next(room, 'presence');
    bob.close();
    same((await gone).left.map(({ user }) => user), ['bob']);
    same(room.members.size, 1);
  },

  async 'calls: what they give, their errors, their end'({ open, same, next, up }) {
    const relay = open();
    await up(relay);
    same(await relay.call('sum', [1, 2, 3]), 6);
    const codes = [];
    const refused = (call) => call.catch(({ code, name }) => codes.push(code ?? name));
    await refused(relay.call('none'));
    await refused(relay.call('slow', null, { deadline: 100 }));
    const abort = new AbortController();
    const slow = refused(relay.call('slow', null, { signal: abort.signal }));
    abort.abort();
    await slow;
    // What was cancelled has left its place: sixteen more have room, and the seventeenth has not.
    const many = Array.from({ length: 17 }, () => relay.call('slow', null, { deadline: 300 }).catch(({ code }) => code));
    same((await Promise.all(many)).sort(), [...Array(16).fill('deadline_exceeded'), 'too_many_calls']);
    same(codes.slice(0, 2), ['unknown_method', 'deadline_exceeded']);
    same(codes[2] === 20 || codes[2] === 'AbortError', true);
    same(await relay.call('sum', []), 0);
  },

  async 'after a lost connection nothing is missing and nothing is double'({ open, same, next, up }) {
    const [reader, program] = [open({ backoff: 300, longest: 300 }), open()];
    const room = reader.subscribe('room:resumed');
    await room.ready;
    const begin = room.offset;
    const seen = [];
    let unrecovered = 0;
    room.on('pushed', (payload) => seen.push(payload));
    room.on('unrecovered', () => unrecovered++);
    await up(program);
    const wanted = [];
    for (let turn = 0; turn < 5; turn++) {
      const { conn_id } = await reader.hello();
      const push = (count) => {
        const payloads = Array.from({ length: count }, () => wanted.push(wanted.length) - 1);
        return program.call('control', { do: 'push', topic: 'room:resumed', payloads });
      };
      await push(3);
      const lost = next(reader, 'close');
      const back = next(room, 'subscribed');
      same(await program.call('control', { do: 'disconnect', conn_id, code: 4000 }), 1);
      await push(4);
      same((await lost).code, 4000);
      await push(2);
      same((await back).recovered, true);
      const last = new Promise((resolve) => room.on('pushed', (payload) => payload === wanted.length - 1 && resolve()));
      await push(1);
      await last;
    }
    same([seen, unrecovered, room.offset - begin], [wanted, 0, wanted.length]);
  },

  async 'a gap that cannot be filled is told'({ open, same, next, up }) {
    const [reader, program] = [open({ backoff: 300, longest: 300 }), open()];
    const topic = 'fleeting:gap';
    const room = reader.subscribe(topic);
    await room.ready;
    await up(program);
    // Somebody who stays, so that the topic lives on.
    await program.subscribe(topic).ready;
    const { conn_id } = await reader.hello();
    const gap = next(room, 'unrecovered');
    await program.call('control', { do: 'disconnect', conn_id, code: 4499 });
    await program.call('control', { do: 'push', topic, payloads: [1, 2] });
    await gap;
    const said = next(room, 'pushed');
    await program.call('control', { do: 'push', topic, payloads: [3] });
    same(await said, 3);
  },

  async 'the newest messages, and the last value'({ open, same, next, up }) {
    const relay = open();
    await up(relay);
    const topic = 'news:rewound';
    const keeper = relay.subscribe(topic);
    await keeper.ready;
    await relay.call('control', { do: 'push', topic, payloads: [1, 2, 3, 4, 5] });
    for (const rewind of [1, 3]) {
      const other = open();
      const seen = [];
      const room = other.subscribe(topic, { rewind });
      room.on('pushed', (payload) => seen.push(payload));
      await room.ready;
      while (seen.length < rewind) await next(room, 'pushed');
      same([seen, room.offset], [[3, 4, 5].slice(3 - rewind), keeper.offset]);
      other.close();
    }
  },

  async 'more than a connection takes: each gap is counted, and its range told'({ open, same, next, up }) {
    const [reader, program] = [open({ batch: 20 }), open()];
    const topic = 'news:flood';
    const room = reader.subscribe(topic);
    await room.ready;
    await up(program);
    const { epoch, offset: begin } = room;
    let expected = 0;
    let wrong = 0;
    const last = new Promise((resolve) =>
      room.on('pushed', (payload) => {
        if (payload !== expected) wrong++;
        expected = payload + 1;
        if (payload === 2999) resolve();
      }),
    );
    room.on('lagged', (missed, gap) => {
      // Which they are: the first push has the offset behind `begin`, and the number 0.
      const range = [epoch, begin + expected + 1, begin + expected + missed];
      if (`${[gap.epoch, gap.first, gap.last]}` !== `${range}`) wrong++;
      expected += missed;
    });
    for (let first = 0; first < 3000; first += 1000) {
      await program.call('control', { do: 'push', topic, payloads: Array.from({ length: 1000 }, (_, at) => first + at) });
    }
    await last;
    same([wrong, room.offset - begin], [0, 3000]);
  },

  async 'a code that says not to come back'({ open, same, next, up }) {
    const [banned, program] = [open(), open()];
    const room = banned.subscribe('room:banned');
    await room.ready;
    await up(program);
    const { conn_id } = await banned.hello();
    const over = next(room, 'unsubscribed');
    const lost = next(banned, 'close');
    await program.call('control', { do: 'disconnect', conn_id, code: 4500 });
    same(await lost, { code: 4500, reason: 'as you wish' });
    same([(await over).code, banned.state], ['closed', 'closed']);
  },

  async 'a message that is too long for the server'({ open, same, next, up }) {
    const relay = open({ maxMessage: 1 << 20 });
    await up(relay);
    const lost = next(relay, 'close');
    relay.send('room:long', 'say', 'x'.repeat(100_000));
    const { code, wait } = await lost;
    same([code, wait === undefined, relay.state], [1009, true, 'closed']);
  },

  async 'a push to all connections of a user'({ open, same, next, up }) {
    const ann = [open({ getToken: () => 'ann' }), open({ getToken: () => 'ann' })];
    const bob = open({ getToken: () => 'bob' });
    await Promise.all([...ann, bob].map(up));
    same((await bob.hello()).user, 'bob');
    const notes = ann.map((relay) => next(relay, 'push'));
    same((await bob.call('control', { do: 'push_to_user', user: 'ann', topic: 'mail' })) >= 2, true);
    for (const note of notes) {
      const { type, topic, event, payload, to } = await note;
      same([type, topic, event, payload, to], ['push', 'mail', 'note', 1, 'user']);
    }
  },

  async 'the server subscribes and unsubscribes'({ open, same, next, up }) {
    const relay = open();
    await up(relay);
    const given = next(relay, 'subscription');
    same(await relay.call('control', { do: 'subscribe', topic: 'news:chosen' }), 1);
    const news = await given;
    if (!news.live) await next(news, 'subscribed');
    same([news.topic, Number.isSafeInteger(news.offset)], ['news:chosen', true]);
    const said = next(news, 'pushed');
    await relay.call('control', { do: 'push', topic: 'news:chosen', payloads: [7] });
    same(await said, 7);
    const over = next(news, 'unsubscribed');
    same(await relay.call('control', { do: 'unsubscribe', topic: 'news:chosen' }), 1);
    same([(await over).code, news.ended], ['server', true]);
  },

  async 'a subscription that is refused'({ open, same }) {
    const relay = open();
    const refused = relay.subscribe('refused:room');
    const said = await refused.ready.catch(({ code, message, topic }) => [code, message, topic]);
    same(said, ['join_rejected', 'join rejected: not you', 'refused:room']);
  },

  async 'subscriptions one after the other, as fast as they can be said'({ open, same, next, up }) {
    const relay = open();
    await up(relay);
    let room;
    for (let turn = 0; turn < 20; turn++) {
      room?.unsubscribe();
      room = relay.subscribe('room:hasty', { payload: turn });
    }
    same((await room.ready).said, 19);
    const said = next(room, 'say');
    await room.send('say', 1);
    same([await said, room.ended, room.live], [1, false, true]);
  },

  async 'tokens of a topic: missing, wrong, and renewed before they end'({ open, same, next }) {
    const relay = open();
    same(await relay.subscribe('vip:none').ready.catch(({ code }) => code), 'token_required');
    same(await relay.subscribe('vip:wrong', { token: 'wrong' }).ready.catch(({ code }) => code), 'invalid_token');
    let made = 0;
    const room = relay.subscribe('vip:renewed', { token: () => (made++, 'ann:3') });
    const fixed = relay.subscribe('vip:fixed', { token: 'ann:2' });
    const ends = [];
    for (const each of [room, fixed]) each.on('unsubscribed', ({ code }) => ends.push([each.topic, code]));
    const { ttl } = await next(room, 'subscribed');
    same(ttl >= 2 && ttl <= 3, true);
    await new Promise((resolve) => setTimeout(resolve, 4500));
    same([ends, room.live, made >= 2 && made <= 4], [[['vip:fixed', 'token_expired']], true, true]);
  },

  async 'a sign-in that ends, and a new one'({ open, same, next }) {
    const asked = [];
    const relay = open({ getToken: (expired) => (asked.push(expired) === 1 ? 'ann:2' : 'ann') });
    const room = relay.subscribe('room:signed');
    await room.ready;
    const back = next(relay, 'close');
    same((await back).code, 4401);
    await next(room, 'subscribed');
    same([asked, (await relay.hello()).user], [[false, true], 'ann']);
  },

  async 'event streams alone: what is pushed, what was missed, who is present'({ open, same, next, up }) {
    const [reader, program] = [open({ WebSocket: null, backoff: 300, longest: 300 }), open()];
    const opened = next(reader, 'open');
    const room = reader.subscribe('room:streamed', { presence: true });
    const other = reader.subscribe('news:streamed', { rewind: 2 });
    same(await opened, { transport: 'sse' });
    await Promise.all([room.ready, other.ready, up(program)]);
    const seen = [];
    let unrecovered = 0;
    for (const each of [room, other]) {
      each.on('pushed', (payload) => seen.push(payload));
      each.on('unrecovered', () => unrecovered++);
    }
    const wanted = [];
    const push = (topic, count) => program.call('control', { do: 'push', topic, payloads: Array.from({ length: count }, () => wanted.push(wanted.length) - 1) });
    const all = async () => {
      while (seen.length < wanted.length) await Promise.race([next(room, 'pushed'), next(other, 'pushed')]);
      same(seen, wanted);
    };
    await push('room:streamed', 3);
    await all();
    const present = next(room, 'presence');
    const guest = program.subscribe('room:streamed', { payload: 'guest' });
    await guest.ready;
    same((await present).members.some(({ meta }) => meta === 'guest'), true);
    await push('news:streamed', 2);
    await all();
    // Another topic is another stream, which takes up where the first one stopped.
    const third = reader.subscribe('news:third');
    await push('room:streamed', 2);
    await third.ready;
    await all();
    same([unrecovered, Number.isSafeInteger(room.epoch), room.offset > 0], [0, true, true]);
    same(await reader.call('sum', [1]).catch(({ code }) => code), 'read_only');
    same(await reader.subscribe('refused:streamed').ready.catch(({ code }) => code), 'join_rejected');
    same(await open({ WebSocket: null }).subscribe('vip:streamed', { token: 'ann' }).ready.then(() => 'let in'), 'let in');
  },
};
