import { after, Emitter, noop, RelayError } from './core.js';
import { openSocket } from './socket.js';
import { openStream } from './stream.js';
import { Subscription } from './subscription.js';

/** Messages that may wait for their answer. */
const PENDING = 1024;
/** The server answers a call at its deadline; so long may the answer be under way. */
const GRACE = 1000;
const DEFAULTS = { timeout: 10_000, ping: 25_000, pong: 10_000, backoff: 1000, longest: 30_000, keep: 0, batch: 0, maxMessage: 65_536, probe: 60_000 };

/** A client of the relay at `url`. It connects at once, and again whenever it has to. */
export const connect = (url, options) => new RelayClient(url, options);

export class RelayClient extends Emitter {
  state = 'connecting';
  #url;
  #options;
  #WebSocket;
  #topics = new Map();
  // Messages that wait for their answer, by their ref, and messages that wait for a connection.
  #pending = new Map();
  #kept = new Set();
  #refs = 0;
  #joins = 0;
  // What is open, what is being opened, and which attempt that is: an earlier one is void.
  #link;
  #candidate;
  #attempt = 0;
  // Attempts and connections in a row that came to nothing, sockets among them that did not open, and when the last opened.
  #failures = 0;
  #refused = 0;
  #opened = 0;
  // What is open or being opened, other than beside a stream, is a stream.
  #streams = false;
  #expired = false;
  #heard = false;
  #stopBeat = noop;
  #stopWait = noop;
  #online = () => {
    if (this.state === 'waiting') this.#dial();
    else if (this.#writable()) this.#beat();
  };

  constructor(url, options = {}) {
    super();
    this.#options = { ...DEFAULTS, ...options };
    this.#url = new URL(url, globalThis.location?.href);
    this.#url.protocol = this.#url.protocol.replace('http', 'ws');
    this.#WebSocket = options.WebSocket === undefined ? globalThis.WebSocket : options.WebSocket;
    if (this.#WebSocket === undefined) throw new TypeError('there is no WebSocket here: give one as options.WebSocket');
    globalThis.addEventListener?.('online', this.#online);
    this.#dial();
  }

  subscribe(topic, options = {}) {
    let subscription = this.#topics.get(topic);
    if (!subscription) {
      subscription = new Subscription(this, topic, options);
      if (this.state === 'closed') {
        subscription.end(gone());
      } else {
        this.#topics.set(topic, subscription);
        this.#ask(subscription);
      }
    }
    // One that the server chose is the client's own from now on.
    subscription.options ??= options;
    return subscription;
  }

  async unsubscribe(topic, subscription = this.#topics.get(topic)) {
    if (!subscription || this.#topics.get(topic) !== subscription) return;
    const { join } = subscription;
    this.#drop(subscription, new RelayError('unsubscribed', 'unsubscribed by the client', topic));
    if (this.#writable()) await this.#request({ type: 'unsubscribe', topic, join }).catch(noop);
    else this.#restream();
  }

  send(topic, event, payload, { timeout } = {}) {
    return this.#request({ type: 'message', topic, event, payload }, timeout);
  }

  call(method, payload, { deadline = 10_000, signal } = {}) {
    return this.#request({ type: 'call', method, payload, deadline }, deadline + GRACE, signal);
  }

  hello() {
    return this.#request({ type: 'hello' });
  }

  close() {
    this.#end(1000, '');
  }

  // Connections

  async #dial(stream = this.#WebSocket === null) {
    const attempt = ++this.#attempt;
    const { getToken, protocols, timeout } = this.#options;
    let link;
    const to = {
      opened: () => this.#up(link),
      text: (text, id) => this.#read(text, id),
      closed: (code, reason) => this.#down(link, code, reason),
    };
    this.#stopWait();
    this.#candidate?.close();
    if (!this.#link) {
      this.state = 'connecting';
      this.#streams = stream;
    }
    try {
      const token = await getToken?.(this.#expired);
      const url = stream ? await this.#streamUrl() : new URL(this.#url);
      if (attempt !== this.#attempt || (stream && !this.#topics.size)) return;
      if (stream) {
        link = openStream(url, token && { authorization: `Bearer ${token}` }, timeout, to);
      } else {
        if (token && !protocols) url.searchParams.set('token', token);
        link = openSocket(this.#WebSocket, url.href, protocols && token ? [...protocols, `bearer.${token}`] : protocols, timeout, to);
      }
      this.#candidate = link;
    } catch (cause) {
      if (attempt !== this.#attempt) return;
      this.emit('error', failure(cause));
      this.#down(link, 1006, 'no token');
    }
  }

  /** `link` is open. It may take the place of an event stream. */
  #up(link) {
    if (this.#link) this.#lost();
    this.#link = link;
    this.#candidate = undefined;
    this.#opened = Date.now();
    this.#refused = 0;
    this.#expired = false;
    this.state = 'open';
    if (link.stream) {
      this.#probe();
    } else {
      this.#streams = false;
      this.#stopBeat = after(this.#options.ping, () => this.#beat());
      const { batch } = this.#options;
      if (batch) link.send(JSON.stringify({ type: 'batch', delay: batch }));
      for (const subscription of this.#topics.values()) this.#ask(subscription);
    }
    this.emit('open', { transport: link.stream ? 'sse' : 'websocket' });
    this.#flush();
  }

  #down(link, code, reason) {
    const { getToken, backoff, longest, sse } = this.#options;
    const wasOpen = link && link === this.#link;
    this.#candidate = undefined;
    // A socket was tried beside the stream.
    if (this.#link && !wasOpen) return this.#probe();
    if (wasOpen) {
      this.#lost();
      if (Date.now() - this.#opened > longest) this.#failures = 0;
    }
    // A listener has closed it meanwhile.
    if (this.state === 'closed') return;
    if (code === 1000 || code === 1009 || (code >= 4500 && code < 5000) || (code === 4401 && !getToken)) return this.#end(code, reason);
    if (link && !wasOpen && !link.stream) this.#refused++;
    this.#expired = code === 4401;
    const tired = code === 1008 || code === 1013;
    const most = Math.min(longest, backoff * 2 ** (this.#failures++ + tired * 3));
    // Who has asked too much of the server leaves it alone for a while; everybody else comes at any time.
    const wait = tired ? most / 2 + (Math.random() * most) / 2 : Math.random() * most;
    const stream = this.#WebSocket === null || (sse !== false && !link?.stream && this.#topics.size > 0 && this.#refused > (this.#opened ? 2 : 0));
    this.state = 'waiting';
    // This timer alone keeps Node running, as the connection did.
    const timer = setTimeout(() => this.#dial(stream), wait);
    this.#stopWait = () => clearTimeout(timer);
    this.emit('close', { code, reason, wait });
  }

  /** Whatever hung on the connection. */
  #lost(error = new RelayError('disconnected', 'the connection was lost')) {
    this.#link.close();
    this.#link = undefined;
    this.#stopBeat();
    this.#stopWait();
    for (const subscription of [...this.#topics.values()]) {
      subscription.live = false;
      subscription.join = ++this.#joins;
      subscription.stop();
      // The server chose it for that connection.
      if (!subscription.options) this.#drop(subscription, error);
    }
    for (const answered of [...this.#pending.values()]) answered(error);
    this.#pending.clear();
  }

  #end(code, reason) {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.#attempt++;
    globalThis.removeEventListener?.('online', this.#online);
    this.#stopWait();
    this.#candidate?.close();
    const error = gone(reason);
    if (this.#link) this.#lost(error);
    for (const subscription of [...this.#topics.values()]) this.#drop(subscription, error);
    for (const { answered } of [...this.#kept]) answered(error);
    this.emit('close', { code, reason });
  }

  /** Asks whether the server is there. */
  #beat() {
    const { ping, pong } = this.#options;
    const link = this.#link;
    this.#stopBeat();
    this.#heard = false;
    link.send('{"type":"ping"}');
    this.#stopBeat = after(pong, () => {
      if (this.#heard) {
        this.#stopBeat = after(ping - pong, () => this.#beat());
      } else {
        link.close(true);
        this.#down(link, 1006, 'no answer to a ping');
      }
    });
  }

  // Event streams

  /** Beside a stream: whether a socket can be opened by now. */
  #probe() {
    if (this.#WebSocket) this.#stopWait = after(this.#options.probe, () => this.#dial());
  }

  /** A stream is for other topics now. */
  #restream() {
    if (!this.#streams || this.state === 'waiting') return;
    if (this.#link) this.#lost();
    this.#dial(this.#topics.size > 0 || undefined);
  }

  async #streamUrl() {
    const url = new URL(this.#options.sse ?? '/sse', this.#url);
    url.protocol = url.protocol.replace('ws', 'http');
    const cursor = [];
    let most;
    for (const subscription of this.#topics.values()) {
      const { topic, options, epoch, offset } = subscription;
      const { rewind, presence, token, recover } = options;
      url.searchParams.append('topic', topic);
      subscription.resumes = recover !== false && epoch !== undefined;
      if (subscription.resumes) cursor.push(`${topic} ${epoch} ${offset}`);
      else if (rewind > (most ?? 0)) most = rewind;
      if (presence) url.searchParams.set('presence', 1);
      const given = await (typeof token === 'function' ? token(topic) : token);
      if (given) url.searchParams.append('token', given);
    }
    if (most) url.searchParams.set('rewind', most);
    if (cursor.length) url.searchParams.set('cursor', cursor.join(';'));
    return url;
  }

  // Subscriptions

  async #ask(subscription) {
    if (!this.#writable()) return this.#restream();
    const { topic, options } = subscription;
    const { payload, presence, rewind, recover = true } = options;
    const join = (subscription.join = ++this.#joins);
    let { token } = options;
    if (typeof token === 'function') {
      try {
        // Who subscribes can listen for its error first.
        token = await Promise.resolve(topic).then(token);
      } catch (cause) {
        if (join !== subscription.join) return;
        subscription.emit('error', failure(cause, topic));
        return this.#askAgain(subscription);
      }
      if (join !== subscription.join) return;
    }
    const { epoch, offset } = subscription;
    const resumes = (subscription.resumes = recover && epoch !== undefined);
    const message = { type: 'subscribe', topic, ref: ++this.#refs, join, payload, presence, token, ...(resumes ? { epoch, offset } : { rewind }) };
    this.#write(message.ref, JSON.stringify(message), (answer) => {
      if (answer.type === 'error' && join === subscription.join) this.#refuse(subscription, answer);
    });
  }

  /** The server does not have it, or has it no longer. */
  #refuse(subscription, message) {
    const { type, code } = message;
    const error = refusal(message);
    if (type === 'error') subscription.emit(type, error);
    if (code === 'rate_limited' || (typeof subscription.options?.token === 'function' && /token/.test(code))) this.#askAgain(subscription);
    else this.#drop(subscription, error);
  }

  #askAgain(subscription) {
    const now = Date.now();
    const { backoff, longest } = this.#options;
    subscription.live = false;
    if (now - subscription.tried > 2 * longest) subscription.tries = 0;
    subscription.tried = now;
    subscription.stop = after(Math.random() * Math.min(longest, backoff * 2 ** subscription.tries++), () => this.#ask(subscription));
  }

  /** Puts off the end of a subscription that ends with its token. */
  #renew(subscription, ttl) {
    const { topic, options, join } = subscription;
    subscription.stop();
    if (typeof options?.token !== 'function' || !ttl) return;
    subscription.stop = after(ttl * 800, async () => {
      // Seconds until another try, should this one fail.
      let next = Math.max(ttl / 20, 10);
      try {
        const token = await options.token(topic);
        if (join !== subscription.join) return;
        next = (await this.#request({ type: 'refresh', topic, token })).ttl;
      } catch (cause) {
        if (join === subscription.join) subscription.emit('error', failure(cause, topic));
      }
      if (join === subscription.join) this.#renew(subscription, next);
    });
  }

  #drop(subscription, error) {
    this.#topics.delete(subscription.topic);
    subscription.join = ++this.#joins;
    subscription.end(error);
    this.#flush();
  }

  // Messages

  #writable() {
    return this.#link && !this.#link.stream;
  }

  /** A message with an answer: a promise of it, which may be left alone. */
  #request(message, wait = this.#options.timeout, signal) {
    const { type, topic } = message;
    const { keep, maxMessage } = this.#options;
    const ref = (message.ref = ++this.#refs);
    const promise = new Promise((resolve, reject) => {
      let stop = noop;
      const kept = { message };
      const refuse = (code, text) => answered(new RelayError(code, text, topic));
      const aborted = () => {
        this.#cancel(message);
        answered(signal.reason);
      };
      const answered = (answer) => {
        stop();
        this.#kept.delete(kept);
        this.#pending.delete(ref);
        signal?.removeEventListener('abort', aborted);
        if (answer.type === 'error') reject(refusal(answer));
        else if (!answer.type || answer instanceof Error) reject(answer);
        else resolve(type === 'call' ? answer.payload : type === 'message' ? undefined : answer);
      };
      kept.answered = answered;
      if (signal?.aborted) return reject(signal.reason);
      if (this.state === 'closed') return reject(gone());
      if (this.#link?.stream) return refuse('read_only', 'an event stream only reads: the WebSocket could not be opened');
      const ready = this.#ready(message);
      if (!ready && (!keep || type !== 'message')) return refuse('disconnected', 'there is no connection');
      if (!ready && this.#kept.size >= keep) return refuse('queue_full', `${keep} messages wait for a connection`);
      if (this.#pending.size >= PENDING) return refuse('too_many', `${PENDING} messages wait for their answers`);
      kept.text = JSON.stringify(message);
      if (kept.text.length * 3 > maxMessage && new TextEncoder().encode(kept.text).length > maxMessage) {
        return refuse('too_long', `a message has at most ${maxMessage} octets`);
      }
      stop = after(wait, () => {
        this.#cancel(message);
        refuse(type === 'call' ? 'deadline_exceeded' : 'timeout', 'no answer in time');
      });
      signal?.addEventListener('abort', aborted);
      if (ready) this.#write(ref, kept.text, answered);
      else this.#kept.add(kept);
    });
    promise.catch(noop);
    return promise;
  }

  /** Whether the server would take it: who keeps messages keeps them until their topic is subscribed to. */
  #ready({ type, topic }) {
    return this.#writable() && !(type === 'message' && this.#options.keep && this.#topics.get(topic)?.live === false);
  }

  #flush() {
    for (const kept of [...this.#kept]) {
      if (!this.#ready(kept.message)) continue;
      this.#kept.delete(kept);
      this.#write(kept.message.ref, kept.text, kept.answered);
    }
  }

  #cancel({ type, ref }) {
    if (type === 'call' && this.#pending.has(ref) && this.#writable()) this.#link.send(JSON.stringify({ type: 'cancel', ref }));
  }

  #write(ref, text, answered) {
    this.#pending.set(ref, answered);
    this.#link.send(text);
  }

  #read(text, id) {
    this.#heard = true;
    let messages;
    try {
      messages = JSON.parse(text);
    } catch {
      return this.emit('error', new RelayError('invalid_message', 'the server said something that is no JSON'));
    }
    for (const message of [].concat(messages)) if (message?.type && this.state !== 'closed') this.#receive(message);
    // The cursor of a stream says where its topics are.
    for (const place of id?.split(';') ?? []) {
      const [topic, epoch, offset] = place.split(' ');
      const subscription = this.#topics.get(topic);
      if (subscription) Object.assign(subscription, { epoch: +epoch, offset: +offset });
    }
  }

  #receive(message) {
    const { type, topic, ref, join } = message;
    const answered = this.#pending.get(ref);
    let subscription = this.#topics.get(topic);
    // Of a generation before the present one.
    if (subscription && join < subscription.join) subscription = undefined;
    this.#pending.delete(ref);
    answered?.(message);
    if (type === 'push') {
      this.emit(type, message);
    } else if (type === 'disconnect' && this.#link.stream) {
      // Where a socket has a Close frame.
      this.#down(this.#link, message.code, message.reason);
    } else if (type === 'subscribed' && !this.#topics.has(topic) && ref === undefined && join === undefined) {
      subscription = new Subscription(this, topic);
      this.#topics.set(topic, subscription);
      this.emit('subscription', subscription);
    } else if (subscription && ref === undefined && (type === 'unsubscribed' || (type === 'error' && this.#link.stream && !subscription.live))) {
      // A stream says so of a topic that it has not.
      this.#refuse(subscription, message);
    } else if (type === 'error' && ref === undefined) {
      (subscription ?? this).emit(type, refusal(message));
    }
    subscription?.receive(message);
    if (type === 'subscribed' && subscription) {
      this.#renew(subscription, message.ttl);
      this.#flush();
    }
  }
}

const gone = (reason) => new RelayError('closed', reason || 'the client is closed');
const refusal = ({ code, message, topic }) => new RelayError(code, message, topic);
const failure = (cause, topic) => (cause instanceof RelayError ? cause : Object.assign(new RelayError('token', cause?.message, topic), { cause }));
