import { Emitter, noop, RelayError } from './core.js';

/** What a subscription tells of itself. Pushes with such an event come under `push` alone. */
const OWN = ['subscribed', 'unsubscribed', 'unrecovered', 'push', 'lagged', 'presence', 'error'];
/** How many pushes may wait for who iterates. */
const WAITING = 1024;

/** A topic that the client subscribes to, over all connections. */
export class Subscription extends Emitter {
  live = false;
  ended = false;
  epoch;
  offset;
  members = new Map();
  more = false;
  // The client's: the generation of the last `subscribe`, whether it gave an offset, retries and their timer.
  join = 0;
  resumes = false;
  tries = 0;
  tried = 0;
  stop = noop;
  #client;
  #settle;

  constructor(client, topic, options) {
    super();
    this.#client = client;
    this.topic = topic;
    this.options = options;
    this.ready = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    // Who does not look at it must not be punished when it fails.
    this.ready.catch(noop);
  }

  send(event, payload, options) {
    return this.#client.send(this.topic, event, payload, options);
  }

  unsubscribe() {
    return this.#client.unsubscribe(this.topic, this);
  }

  /** Pushes from now on, until the subscription has ended. */
  async *[Symbol.asyncIterator]() {
    const waiting = [];
    let wake = noop;
    let lost = false;
    const off = [
      this.on('push', (push) => {
        lost ||= waiting.length === WAITING;
        if (!lost) waiting.push(push);
        wake();
      }),
      this.on('unsubscribed', () => wake()),
    ];
    try {
      for (;;) {
        while (waiting.length) yield waiting.shift();
        if (lost) throw new RelayError('overflow', `more than ${WAITING} pushes were waiting`, this.topic);
        if (this.ended) return;
        await new Promise((resolve) => {
          wake = resolve;
        });
      }
    } finally {
      for (const stop of off) stop();
    }
  }

  /** A message of the server about this topic. */
  receive(message) {
    const { type } = message;
    if (type === 'subscribed') {
      const { epoch, offset, recovered, reply, ttl } = message;
      const lost = this.resumes && recovered === false;
      this.live = true;
      this.resumes = false;
      this.epoch = epoch ?? this.epoch;
      this.offset = offset ?? this.offset;
      this.#settle.resolve(reply);
      this.emit(type, { epoch, offset, recovered, reply, ttl });
      if (lost) this.emit('unrecovered');
    } else if (!this.live) {
      // Of an earlier subscription to the topic.
    } else if (type === 'push') {
      if (!message.to) this.#count(1);
      this.emit(type, message);
      if (!OWN.includes(message.event)) this.emit(message.event, message.payload, message);
    } else if (type === 'lagged') {
      if (!message.to) this.#count(message.missed);
      this.emit(type, message.missed, message);
    } else if (type === 'skipped') {
      this.#count(message.count);
    } else if (type === 'presence_state') {
      const { members, more } = message;
      const before = this.members;
      this.members = new Map(members.map((member) => [member.conn_id, member]));
      this.more = !!more;
      this.#present(members, [...before.values()].filter(({ conn_id }) => !this.members.has(conn_id)));
    } else if (type === 'presence_diff') {
      const { joined, left } = message;
      for (const { conn_id } of left) this.members.delete(conn_id);
      for (const member of joined) this.members.set(member.conn_id, member);
      this.#present(joined, left);
    }
  }

  /** It is over, until somebody subscribes anew. */
  end(error) {
    this.ended = true;
    this.live = false;
    this.stop();
    this.#settle.reject(error);
    this.emit('unsubscribed', error);
  }

  #count(pushes) {
    if (this.offset !== undefined) this.offset += pushes;
  }

  #present(joined, left) {
    this.emit('presence', { members: [...this.members.values()], joined, left });
  }
}
