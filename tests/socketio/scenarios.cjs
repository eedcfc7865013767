// What an application does with socket.io-client, for Node and for a page: each function is carried there as text and sees only what it is given.
//
//   open(namespace, options)   a socket of the application at /app, which connects; closed at the end
//   up(socket)                 when it is connected
//   next(socket, event)        the arguments of its next event of that name
//   same(got, wanted)          fails unless both are the same as JSON
//   octets(list)               binary data; plain(value) gives a value with lists in its place
//   websocket                  whether the transport is a WebSocket in the end
//   reference                  whether the server is npm's

'use strict';

exports.scenarios = {
  async 'connect: an id, and the transport that was asked for'({ open, up, same, websocket, upgrades }) {
    const socket = open('/', { auth: { name: 'a' } });
    await up(socket);
    if (upgrades && socket.io.engine.transport.name === 'polling') await new Promise((resolve) => socket.io.engine.once('upgrade', resolve));
    const who = await socket.emitWithAck('who');
    same(who, { id: socket.id, auth: { name: 'a' }, recovered: false, transport: websocket ? 'websocket' : 'polling' });
    same(socket.id !== socket.io.engine.id, true);
    same(socket.io.engine.transport.name, websocket ? 'websocket' : 'polling');
  },

  async 'events of every kind of argument'({ open, next, same }) {
    const socket = open('/');
    for (const args of [[], [1], ['€ 🎉 "\\\n'], [null, true, -1.5e300], [{ a: [1, { b: [] }] }, 'x', []], ['/', '451-', '2["a"]']]) {
      const answer = next(socket, 'echo');
      socket.emit('echo', ...args);
      same(await answer, args);
    }
  },

  async 'three hundred events keep their order, both ways'({ open, same }) {
    const socket = open('/');
    const seen = [];
    const all = new Promise((resolve) => socket.on('echo', (at) => seen.push(at) === 300 && resolve()));
    for (let at = 0; at < 300; at++) socket.emit('echo', at);
    await all;
    same(seen, Array.from({ length: 300 }, (_, at) => at));
  },

  async 'the server acknowledges'({ open, same }) {
    const socket = open('/');
    same(await Promise.all([1, 2, 3].map((at) => socket.timeout(5000).emitWithAck('ack', at))), [1, 2, 3]);
    same(await new Promise((resolve) => socket.emit('ack', 1, { a: 2 }, (...answers) => resolve(answers))), [1, { a: 2 }]);
  },

  async 'an acknowledgement that does not come times out'({ open, up, same }) {
    const socket = open('/');
    await up(socket);
    const late = await socket.timeout(100).emitWithAck('silence').then(() => 'answered', (error) => error.message);
    same(late, 'operation has timed out');
  },

  async 'the client acknowledges, or the server sees that it does not'({ open, same }) {
    const socket = open('/');
    socket.on('question', (question, answer) => question === 'silence' || answer({ you: question }));
    same(await socket.timeout(5000).emitWithAck('ask', 3000, 'name'), { you: 'name' });
    same(await socket.timeout(5000).emitWithAck('ask', 100, 'silence'), null);
    same(await socket.timeout(5000).emitWithAck('ask', 3000, 'again'), { you: 'again' });
  },

  async 'binary data, alone, deep and in acknowledgements'({ open, next, same, octets, plain }) {
    const socket = open('/');
    const every = Array.from({ length: 256 }, (_, at) => at);
    const answer = next(socket, 'echo');
    socket.emit('echo', octets([1, 2, 3]), 'x', { deep: [octets([]), { more: octets(every) }] });
    same(plain(await answer), [[1, 2, 3], 'x', { deep: [[], { more: every }] }]);
    same(plain(await socket.timeout(5000).emitWithAck('ack', octets([7]))), [7]);
    socket.on('question', (question, reply) => reply([question, octets([9])]));
    same(plain(await socket.timeout(5000).emitWithAck('ask', 3000, octets([8]))), [[8], [9]]);
  },

  async 'a large message, text and binary'({ open, same, octets, plain }) {
    const socket = open('/');
    const text = 'é'.repeat(150_000);
    same((await socket.timeout(10_000).emitWithAck('ack', text)) === text, true);
    const many = plain(await socket.timeout(10_000).emitWithAck('ack', octets(Array.from({ length: 300_000 }, (_, at) => at % 251))));
    same([many.length, many[299_999]], [300_000, 299_999 % 251]);
  },

  async 'namespaces over one connection'({ open, up, next, same }) {
    const main = open('/');
    await up(main);
    const other = open('/room-seven', { share: main });
    same(await next(other, 'name'), ['/room-seven']);
    same([other.io === main.io, other.id !== main.id], [true, true]);
    other.disconnect();
    same(await main.timeout(5000).emitWithAck('ack', 1), 1);
  },

  async 'a namespace that there is not'({ open, next, same }) {
    const [error] = await next(open('/nowhere'), 'connect_error');
    same(error.message, 'Invalid namespace');
  },

  async 'a refusal has its message and its data, and does not end the connection'({ open, up, next, same }) {
    const refused = open('/private', { auth: { token: 'wrong' } });
    const [error] = await next(refused, 'connect_error');
    same([error.message, error.data, refused.connected], ['not allowed', { code: 401, tried: 'wrong' }, false]);
    refused.auth = { token: 'secret' };
    refused.connect();
    await up(refused);
    same(await refused.timeout(5000).emitWithAck('ack', 'in'), 'in');
  },

  async 'rooms: to the others, to everybody, to everybody but some'({ open, up, same, unique }) {
    const [one, two, three] = [open('/'), open('/'), open('/')];
    await Promise.all([one, two, three].map(up));
    const seen = { one: [], two: [], three: [] };
    one.on('said', (what) => seen.one.push(what));
    two.on('said', (what) => seen.two.push(what));
    three.on('said', (what) => seen.three.push(what));
    const [a, b] = [unique('a'), unique('b')];
    same((await one.emitWithAck('join', [a, b])).sort(), [a, b].sort());
    same(await two.emitWithAck('join', [a]), [a]);
    same(await three.emitWithAck('join', [b]), [b]);
    // What one socket sends is carried out in its order, and the last of it is known to all.
    one.emit('others-in', [a], 'others in a');
    one.emit('all-in', [a, b], 'all in a and b');
    same((await one.emitWithAck('leave', a)).sort(), [b]);
    one.emit('all-in', [a], 'a without one');
    one.emit('others-in', [a, b], 'others in both');
    one.emit('all-in', [b], 'end b');
    one.emit('all-in', [a], 'end a');
    await Promise.all([
      [two, seen.two, 'end a'], [three, seen.three, 'end b'], [one, seen.one, 'end b'],
    ].map(([socket, list, last]) => new Promise((resolve) => (list.includes(last) ? resolve() : socket.on('said', (what) => what === last && resolve())))));
    same(seen, {
      one: ['all in a and b', 'end b'],
      two: ['others in a', 'all in a and b', 'a without one', 'others in both', 'end a'],
      three: ['all in a and b', 'others in both', 'end b'],
    });
  },

  async 'a broadcast reaches the others, with octets, and not whom it leaves out'({ open, up, next, same, octets, plain, unique }) {
    const place = unique('/room');
    const [one, two, three] = [open(place), open(place), open(place)];
    await Promise.all([one, two, three].map(up));
    const mine = unique('mine');
    const quiet = unique('quiet');
    await three.emitWithAck('join', [quiet]);
    const hears = (socket) => new Promise((resolve) => socket.on('said', (tag, ...rest) => tag === mine && resolve(plain(rest))));
    const heard = [hears(two), hears(three)];
    let own = false;
    one.on('said', (tag) => (own ||= tag === mine));
    one.emit('others', mine, octets([1, 2]), { x: octets([3]) });
    same(await Promise.all(heard), [[[1, 2], { x: [3] }], [[1, 2], { x: [3] }]]);
    const last = unique('last');
    let disturbed = false;
    three.on('said', (tag) => (disturbed ||= tag === last));
    const end = new Promise((resolve) => one.on('said', (tag) => tag === last && resolve()));
    one.emit('all-except', [quiet], last);
    await end;
    await three.emitWithAck('ack', 1);
    same([own, disturbed], [false, false]);
  },

  async 'a broadcast that everybody in a room answers, or not'({ open, up, same, unique }) {
    const [one, two] = [open('/'), open('/')];
    await Promise.all([one, two].map(up));
    const room = unique('room');
    await Promise.all([one, two].map((socket) => socket.emitWithAck('join', [room])));
    one.on('question', (question, answer) => answer(`one ${question}`));
    let silent = false;
    two.on('question', (question, answer) => silent || answer(`two ${question}`));
    same(await one.emitWithAck('poll-room', room, 3000, 'x'), { late: false, answers: ['one x', 'two x'] });
    silent = true;
    same(await one.emitWithAck('poll-room', room, 1000, 'y'), { late: true, answers: ['one y'] });
    same(await one.emitWithAck('fetch', room), [one.id, two.id].sort());
  },

  async 'what a handler sends keeps its order, to a room and to the socket itself'({ open, same, unique }) {
    const socket = open('/');
    const seen = [];
    const all = new Promise((resolve) => socket.on('said', (at) => [1, 2, 3, 4].includes(at) && seen.push(at) === 12 && resolve()));
    for (let at = 0; at < 3; at++) socket.emit('order', unique('order'));
    await all;
    same(seen, [1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4]);
  },

  async 'volatile events come in order, or not at all'({ open, up, same, websocket, upgrades }) {
    const socket = open('/');
    await up(socket);
    // From the moment that the client has gone over, and not before.
    if (upgrades && socket.io.engine.transport.name === 'polling') await new Promise((resolve) => socket.io.engine.once('upgrade', resolve));
    const seen = [];
    socket.on('said', (at) => typeof at === 'number' && seen.push(at));
    same(await socket.timeout(5000).emitWithAck('volatile', 50), 50);
    same(seen.every((at, index) => index === 0 || at > seen[index - 1]), true);
    // A connection that nothing waits on takes at least the first.
    same(!websocket || seen[0] === 0, true);
  },

  async 'the server disconnects a socket'({ open, up, next, same }) {
    const socket = open('/');
    await up(socket);
    const gone = next(socket, 'disconnect');
    socket.emit('bye', false);
    same((await gone)[0], 'io server disconnect');
    const whole = open('/');
    await up(whole);
    // However far it is with going over to a WebSocket.
    const ended = next(whole, 'disconnect');
    whole.emit('bye', true);
    same((await ended)[0], 'io server disconnect');
  },

  async 'the server ends a session: each of its namespaces hears that, and none comes back'({ open, up, next, same }) {
    const main = open('/', { reconnection: true, reconnectionDelay: 10, reconnectionDelayMax: 10 });
    await up(main);
    const [one, two] = [open('/room-one', { share: main }), open('/room-two', { share: main })];
    await Promise.all([one, two].map(up));
    const order = [];
    const all = Promise.all([two, main, one].map((socket) => next(socket, 'disconnect').then(([reason]) => order.push([socket.nsp, reason]))));
    two.emit('bye', true);
    await all;
    same(order.map(([name]) => name), ['/', '/room-one', '/room-two']);
    same(order.map(([, reason]) => reason), Array(3).fill('io server disconnect'));
    // Another connection takes longer than coming back.
    await up(open('/'));
    same([main, one, two].map((socket) => [socket.connected, socket.active]), Array(3).fill([false, false]));
  },

  async 'the others are told why a socket went'({ open, up, same }) {
    const [stays, leaves, cut] = [open('/'), open('/'), open('/')];
    await Promise.all([stays, leaves, cut].map(up));
    const told = (id) => new Promise((resolve) => stays.on('left', (who, reason) => who === id && resolve(reason)));
    const [first, second] = [told(leaves.id), told(cut.id)];
    leaves.disconnect();
    same(await first, 'client namespace disconnect');
    cut.io.engine.close();
    same(['transport close', 'transport error'].includes(await second), true);
  },

  async 'a connection that is cut comes back with its rooms and what it missed'({ open, up, next, same, unique }) {
    const room = unique('room');
    const [socket, other] = [open('/', { path: '/recovery', reconnection: true, reconnectionDelay: 300, reconnectionDelayMax: 300, randomizationFactor: 0 }), open('/', { path: '/recovery' })];
    await Promise.all([socket, other].map(up));
    await socket.emitWithAck('join', [room]);
    const id = socket.id;
    const first = next(socket, 'said');
    other.emit('all-in', [room], 'before');
    await first;
    const seen = [];
    socket.on('said', (what) => seen.push(what));
    const [gone, back] = [next(socket, 'disconnect'), next(socket, 'connect')];
    // The connection, not the socket.
    socket.io.engine.close();
    await gone;
    other.emit('all-in', [room], 'missed 1');
    other.emit('all-in', [room], 'missed 2');
    await other.emitWithAck('ack', 1);
    await back;
    same([socket.recovered, socket.id], [true, id]);
    other.emit('all-in', [room], 'after');
    if (!seen.includes('after')) await new Promise((resolve) => socket.on('said', (what) => what === 'after' && resolve()));
    same(seen, ['missed 1', 'missed 2', 'after']);
    same((await socket.emitWithAck('who')).id, id);
  },

  async 'a client that missed nothing and was sent nothing comes back as itself'({ open, up, next, same, unique, reference }) {
    if (reference) return;
    const room = unique('room');
    const [socket, other] = [open('/', { path: '/recovery', reconnection: true, reconnectionDelay: 100, reconnectionDelayMax: 100, randomizationFactor: 0 }), open('/', { path: '/recovery' })];
    await Promise.all([socket, other].map(up));
    await socket.emitWithAck('join', [room]);
    const id = socket.id;
    const [gone, back] = [next(socket, 'disconnect'), next(socket, 'connect')];
    // The connection, not the socket.
    socket.io.engine.close();
    await gone;
    await back;
    same([socket.recovered, socket.id], [true, id]);
    const said = next(socket, 'said');
    other.emit('all-in', [room], 'after');
    same((await said)[0], 'after');
  },

  async 'pings are answered: only then the next one comes'({ open, up, same, within }) {
    const socket = open('/', { path: '/steady' });
    const reasons = [];
    socket.on('disconnect', (reason) => reasons.push(reason));
    let pings = 0;
    const fourth = new Promise((resolve) => socket.io.on('ping', () => ++pings === 4 && resolve()));
    await up(socket);
    // One without an answer is the last for 20 s, and then the session ends.
    await within(fourth, 'fourth ping', 15_000);
    same([reasons, await socket.timeout(5000).emitWithAck('ack', 'on')], [[], 'on']);
  },

  async 'messages are compressed: what was sent is what comes'({ open, up, next, same, websocket, upgrades, octets, plain }) {
    const socket = open('/', { path: '/deflate' });
    await up(socket);
    if (upgrades && socket.io.engine.transport.name === 'polling') await new Promise((resolve) => socket.io.engine.once('upgrade', resolve));
    const text = '{"€": 1} '.repeat(20_000);
    same((await socket.timeout(20_000).emitWithAck('ack', text)) === text, true);
    const many = plain(await socket.timeout(20_000).emitWithAck('ack', octets(Array.from({ length: 50_000 }, (_, at) => at % 251))));
    same([many.length, many[49_999]], [50_000, 49_999 % 251]);
    const answer = next(socket, 'echo');
    socket.emit('echo', 'short', text);
    same((await answer)[1] === text, true);
    if (websocket) same(/permessage-deflate/.test(socket.io.engine.transport.ws.extensions), true);
  },

  async 'MessagePack: events, binary data, acknowledgements, a refusal'({ open, next, same, octets, plain, msgpack }) {
    if (!msgpack) return;
    const socket = open('/', { path: '/msgpack', parser: msgpack });
    const answer = next(socket, 'echo');
    socket.emit('echo', 1, 'é', octets([1, 2, 3]), { deep: [octets([4]), null, true, 2 ** 40, -1.5] });
    same(plain(await answer), [1, 'é', [1, 2, 3], { deep: [[4], null, true, 2 ** 40, -1.5] }]);
    same(plain(await socket.timeout(5000).emitWithAck('ack', octets([7]))), [7]);
    socket.on('question', (question, reply) => reply([question]));
    same(await socket.timeout(5000).emitWithAck('ask', 3000, 'x'), ['x']);
    const refused = open('/private', { path: '/msgpack', parser: msgpack });
    const [error] = await next(refused, 'connect_error');
    same([error.message, error.data], ['not allowed', { code: 401, tried: null }]);
  },
};

/** What a scenario is given, where `io` is socket.io-client. */
exports.tools = function tools({ io, base, transports, msgpack, reference }) {
  const opened = [];
  let counter = 0;
  // Nothing takes so long; a busy machine may need seconds for what an idle one does at once.
  const within = (promise, what, milliseconds = 30_000) => {
    let late;
    const end = new Promise((_, reject) => (late = setTimeout(() => reject(new Error(`no ${what} in ${milliseconds} ms`)), milliseconds)));
    return Promise.race([promise, end]).finally(() => clearTimeout(late));
  };
  const sorted = (_, value) => (value && value.constructor === Object ? Object.fromEntries(Object.entries(value).sort()) : value);
  const text = (value) => JSON.stringify(value, sorted);
  const plain = (value) => {
    if (value instanceof ArrayBuffer) return [...new Uint8Array(value)];
    if (ArrayBuffer.isView(value)) return [...new Uint8Array(value.buffer, value.byteOffset, value.byteLength)];
    if (Array.isArray(value)) return value.map(plain);
    if (value && typeof value === 'object') return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
    return value;
  };
  return {
    open(namespace, { share, base: other = base, ...options } = {}) {
      const place = share ? share.io : undefined;
      const socket = place
        ? place.socket(namespace, options)
        : io(other + namespace, { path: '/app', forceNew: true, reconnection: false, transports, timeout: 10_000, ...options });
      opened.push(socket);
      return socket;
    },
    up: (socket) => (socket.connected ? undefined : within(new Promise((resolve, reject) => (socket.once('connect', resolve), socket.once('connect_error', reject))), 'connection')),
    next: (socket, event) => within(new Promise((resolve) => socket.once(event, (...args) => resolve(args))), `event ${event}`),
    same(got, wanted) {
      if (text(got) !== text(wanted)) throw new Error(`${text(got)?.slice(0, 500)} instead of ${text(wanted)?.slice(0, 500)}`);
    },
    octets: (list) => (typeof Buffer === 'undefined' ? new Uint8Array(list) : Buffer.from(list)),
    plain,
    within,
    unique: (name) => `${name}-${Math.random().toString(36).slice(2)}_${++counter}`,
    websocket: transports.includes('websocket'),
    upgrades: transports.length > 1,
    msgpack,
    reference,
    close: () => opened.forEach((socket) => (socket.disconnect(), socket.io.engine?.close())),
  };
};
