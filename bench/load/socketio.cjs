// Virtual users of Socket.IO, by npm's client: who connects, says what its scenario says, waits for what has to come back, and leaves.
//
//     node socketio.cjs URL [TRANSPORT,TRANSPORT]      prints one line of JSON
//
// 520 users in 68 seconds; of ten users six play ping-pong, three are in a room, one sends to everybody. A user fails that cannot connect, is
// disconnected, or lacks what has to come back five seconds after it asked for it.

const { io } = require("socket.io-client");

const [url, transports] = process.argv.slice(2);

// Seconds, users a second at their begin and at their end.
const PHASES = [
  [10, 2, 2],
  [20, 2, 18],
  [10, 18, 18],
  [28, 60 / 14, 60 / 14],
];
const SCENARIOS = [pingPong, room, pingPong, pingPong, storm, pingPong, room, pingPong, room, pingPong];
const PATIENCE = 5000;
const PAUSE = 330;

const begin = performance.now();
const latencies = [];
const sessions = [];
const faults = {};
const inSecond = [];
let users = 0;
let failed = 0;
let emits = 0;
let most = 0;
let open = 0;

/** What `start` waits for, or a fault when it takes too long. */
function within(what, start) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${what}`)), PATIENCE);
    start((answer) => {
      clearTimeout(timer);
      resolve(answer);
    }, reject);
  });
}

const pause = (time) => new Promise((resolve) => setTimeout(resolve, time));

/** Sends an event, and measures how long what has to come back takes. */
async function said(socket, name, args, back) {
  const second = Math.floor((performance.now() - begin) / 1000);
  inSecond[second] = (inSecond[second] ?? 0) + 1;
  emits += 1;
  const sent = performance.now();
  await within(back ?? `answer to ${name}`, (done, fail) => {
    socket.gone = fail;
    if (!back) return socket.emit(name, ...args, done);
    const wanted = JSON.stringify(args.at(-1));
    const comes = (came) => {
      // Others' events have the same name.
      if (JSON.stringify(came) !== wanted) return;
      socket.off(back, comes);
      done();
    };
    socket.on(back, comes);
    socket.emit(name, ...args);
  });
  latencies.push(performance.now() - sent);
}

async function pingPong(socket) {
  for (let number = 0; number < 6; number += 1) {
    await said(socket, "ping", [number], "pong");
    await pause(PAUSE);
  }
}

async function room(socket, user) {
  const name = `room-${user % 5}`;
  await said(socket, "join", [name]);
  for (let number = 0; number < 6; number += 1) {
    await said(socket, "say", [name, `${user}: ${number}`], "said");
    await pause(PAUSE);
  }
}

async function storm(socket, user) {
  for (let number = 0; number < 12; number += 1) {
    await said(socket, "storm", [`${user}: ${number}`], "storm");
    await pause(PAUSE / 2);
  }
}

async function session(user) {
  users += 1;
  open += 1;
  most = Math.max(most, open);
  const came = performance.now();
  // A connection of its own for each, which is not tried again.
  const socket = io(url, { forceNew: true, reconnection: false, ...(transports ? { transports: transports.split(",") } : {}) });
  socket.on("disconnect", (reason) => socket.gone?.(new Error(reason)));
  try {
    await within("connection", (done, fail) => {
      socket.on("connect", done);
      socket.on("connect_error", fail);
    });
    await SCENARIOS[user % SCENARIOS.length](socket, user);
    sessions.push(performance.now() - came);
  } catch (fault) {
    failed += 1;
    faults[fault.message] = (faults[fault.message] ?? 0) + 1;
  }
  socket.gone = undefined;
  socket.disconnect();
  open -= 1;
}

/** When each user comes, in milliseconds. */
function* arrivals() {
  let start = 0;
  for (const [seconds, from, to] of PHASES) {
    const count = Math.round((seconds * (from + to)) / 2);
    const climb = (to - from) / seconds;
    for (let number = 0; number < count; number += 1) {
      // So many have come after t seconds: from * t + climb * t * t / 2.
      const time = climb ? (Math.sqrt(from * from + 2 * climb * number) - from) / climb : number / from;
      yield (start + time) * 1000;
    }
    start += seconds;
  }
}

function percentile(of, share) {
  of.sort((a, b) => a - b);
  return Math.round((of[Math.floor((of.length - 1) * share)] ?? 0) * 100) / 100;
}

async function main() {
  const all = [];
  for (const time of arrivals()) {
    const rest = time - (performance.now() - begin);
    if (rest > 0) await pause(rest);
    all.push(session(all.length));
  }
  await Promise.all(all);
  console.log(
    JSON.stringify({
      users,
      failed,
      faults,
      emits,
      peak_per_second: Math.max(0, ...inSecond.filter(Boolean)),
      most_users_at_once: most,
      p50_ms: percentile(latencies, 0.5),
      p99_ms: percentile(latencies, 0.99),
      session_p50_s: percentile(sessions, 0.5) / 1000,
      seconds: Math.round((performance.now() - begin) / 100) / 10,
    }),
  );
  // What a client of polling still waits for is nobody's.
  process.exit(0);
}

main();
