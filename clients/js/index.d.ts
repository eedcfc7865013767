/** What a token is made with: the topic it is for. Nothing ends the subscription. */
export type TopicToken = (topic: string) => string | undefined | null | Promise<string | undefined | null>;

/** The events of the application in a topic: the type of each one's payload, by its name. */
export type Events = Record<string, any>;

export interface ClientOptions {
  /** The class of sockets; the global one if left out. `null`: event streams alone, which only read. Node has a global one from version 22 on. */
  WebSocket?: (new (url: string, protocols?: string[]) => any) | null;
  /** Subprotocols to offer. With them the connection's token goes as one more, `bearer.<token>`; without, as the parameter `token` of the URL. */
  protocols?: string[];
  /** Asked before each connection. `expired`: the server has just said that the last one is (close code 4401), so a kept one is no use. */
  getToken?: (expired: boolean) => string | undefined | null | Promise<string | undefined | null>;
  /** Milliseconds that an answer, and the opening of a connection, may take. 10,000 unless said otherwise. */
  timeout?: number;
  /** Milliseconds between two pings. 25,000 unless said otherwise. */
  ping?: number;
  /** Milliseconds after a ping in which the server must say something, else the connection is dead. 10,000 unless said otherwise. */
  pong?: number;
  /** The first wait before a new connection is at most so many milliseconds, and each one twice as many. 1,000 unless said otherwise. */
  backoff?: number;
  /** No wait is longer than so many milliseconds. 30,000 unless said otherwise. */
  longest?: number;
  /** So many messages are kept while there is no connection; with 0, which is the default, they are refused. */
  keep?: number;
  /** Milliseconds in which the server may gather pushes into one frame, 1,000 at most. 0, which is the default: it does not. */
  batch?: number;
  /** Octets that a message may have, as the server is configured. A longer one is refused here, for there it would end the connection. 65,536 unless said otherwise. */
  maxMessage?: number;
  /** The URL of the event stream, which is read when no WebSocket can be opened; `false`: never. `/sse` of the same server unless said otherwise. */
  sse?: string | URL | false;
  /** Milliseconds after which a socket is tried again beside an event stream. 60,000 unless said otherwise. */
  probe?: number;
}

export interface SubscribeOptions {
  /** For the handler that decides. */
  payload?: unknown;
  /** Keep `members` up to date. */
  presence?: boolean;
  /** The newest messages that are kept, this many at most; 1 is the last value. */
  rewind?: number;
  /** A signed token, or what makes one. Only a function can renew it: before it ends, after it has ended, and for each connection. */
  token?: string | TopicToken;
  /** After a new connection, ask for what was missed meanwhile. `true` unless said otherwise; with `false`, `rewind` holds for each connection. */
  recover?: boolean;
}

export interface SendOptions {
  /** Milliseconds that the answer may take, those included that the message is kept. */
  timeout?: number;
}

export interface CallOptions {
  /** Milliseconds after which the server drops the call, 60,000 at most. 10,000 unless said otherwise. */
  deadline?: number;
  /** Drops the call; its promise is rejected with the signal's reason. */
  signal?: AbortSignal;
}

export interface Push<Payload = any> {
  type: 'push';
  topic: string;
  event: string;
  payload: Payload;
  /** `user`: it was sent to all connections of the user. `all`: it was sent without an offset, because the nodes of the cluster could not agree on one. Neither counts. */
  to?: string;
}

/** Pushes that are missing. */
export interface Lagged {
  type: 'lagged';
  topic: string;
  missed: number;
  /** The node of the cluster that published them, in its own count; none for offsets of the topic. */
  node?: string;
  /** The epoch of the topic's offsets. */
  epoch?: number;
  /** `all`: what is missing had no place in a count that all nodes share. */
  to?: 'all';
  /** The first and the last that are missing in that count. */
  first?: number;
  last?: number;
}

/** A connection that is present in a topic. */
export interface Member<Meta = any> {
  conn_id: number;
  user?: string;
  meta: Meta;
}

export interface Presence<Meta = any> {
  members: Member<Meta>[];
  joined: Member<Meta>[];
  left: Member<Meta>[];
}

export interface Subscribed {
  epoch?: number;
  offset?: number;
  /** Whether nothing is missing of what was asked for. */
  recovered?: boolean;
  /** What the handler says. */
  reply?: any;
  /** Seconds that the token still lives. */
  ttl?: number;
}

export interface SubscriptionEvents {
  /** The server takes it; once for each connection. */
  subscribed: (subscribed: Subscribed) => void;
  /** After a new connection: not all that was missed is kept. Ask the application's database. */
  unrecovered: () => void;
  /** It is over. `code`: `unsubscribed` (by this client), `server`, `token_expired`, `join_rejected` and the other refusals, `closed`. */
  unsubscribed: (reason: RelayError) => void;
  /** So many pushes are missing here; the gap says which. */
  lagged: (missed: number, gap: Lagged) => void;
  /** Members have come, gone, or have another meta. */
  presence: (presence: Presence) => void;
  /** The server refuses something, or a token could not be made. */
  error: (error: RelayError) => void;
}

/** A topic that the client subscribes to, over all connections. */
export class Subscription<E extends Events = Events> implements AsyncIterable<Push> {
  private constructor();
  readonly topic: string;
  /** Whether the server has it now. */
  readonly live: boolean;
  /** Whether it is over. */
  readonly ended: boolean;
  /** The life of the topic that `offset` counts in. */
  readonly epoch: number | undefined;
  /** Where the client stands: the offset of the last push. */
  readonly offset: number | undefined;
  /** Who is present, by connection; asked for with `presence`. */
  readonly members: ReadonlyMap<number, Member>;
  /** Whether there are more members than the server says. */
  readonly more: boolean;
  /** What the handler says to the first subscription; rejected if the subscription ends before. */
  readonly ready: Promise<any>;

  /** Calls `listener` for each such event; gives what ends that. */
  on<Name extends keyof SubscriptionEvents>(name: Name, listener: SubscriptionEvents[Name]): () => void;
  /** Every push of the topic. */
  on(name: 'push', listener: (push: Push<E[keyof E]>) => void): () => void;
  /** Pushes with this event. */
  on<Name extends Exclude<keyof E, keyof SubscriptionEvents | 'push'>>(name: Name, listener: (payload: E[Name], push: Push<E[Name]>) => void): () => void;

  /** A message to the topic; settled by the server's answer. */
  send(event: string, payload?: unknown, options?: SendOptions): Promise<void>;
  /** Ends it, and is done when the server has answered. */
  unsubscribe(): Promise<void>;
  /** Pushes from now on, until the subscription has ended. When 1,024 wait for who iterates, it ends with the error `overflow`. */
  [Symbol.asyncIterator](): AsyncGenerator<Push<E[keyof E]>, void, void>;
}

export interface ClientEvents {
  /** A connection is open. An event stream only reads. */
  open: (connection: { transport: 'websocket' | 'sse' }) => void;
  /** A connection has ended, or could not be opened. The next one is tried after `wait` milliseconds; without `wait` there is none. */
  close: (end: { code: number; reason: string; wait?: number }) => void;
  /** Every push of every topic, and those to the user in topics that are not subscribed to. */
  push: (push: Push) => void;
  /** The server has subscribed this connection to a topic. */
  subscription: (subscription: Subscription) => void;
  /** The server refuses something that was no answer, or the connection's token could not be made. */
  error: (error: RelayError) => void;
}

export class RelayClient {
  constructor(url: string | URL, options?: ClientOptions);
  /** `waiting` for the next attempt to connect; `closed` for good. */
  readonly state: 'connecting' | 'open' | 'waiting' | 'closed';

  /** Calls `listener` for each such event; gives what ends that. */
  on<Name extends keyof ClientEvents>(name: Name, listener: ClientEvents[Name]): () => void;
  /** The subscription to a topic; the same one again while there is one. */
  subscribe<E extends Events = Events>(topic: string, options?: SubscribeOptions): Subscription<E>;
  /** Ends the subscription to a topic, and is done when the server has answered. */
  unsubscribe(topic: string): Promise<void>;
  /** A message to a topic; settled by the server's answer. */
  send(topic: string, event: string, payload?: unknown, options?: SendOptions): Promise<void>;
  /** What a method of the server gives. */
  call<Result = any>(method: string, payload?: unknown, options?: CallOptions): Promise<Result>;
  /** By which number the server knows this connection, and as whose. */
  hello(): Promise<{ conn_id: number; user?: string }>;
  /** Ends the connection and everything on it; nothing can be done with the client afterwards. */
  close(): void;
}

/** A client of the relay at `url`, `ws:`, `wss:`, `http:`, `https:`, or in browsers relative to the page. It connects at once, and again whenever it has to. */
export function connect(url: string | URL, options?: ClientOptions): RelayClient;

/** What the server or the client refuses. */
export class RelayError extends Error {
  constructor(code: string, message?: string, topic?: string);
  /**
   * A code of the server (see its protocol), or one of the client: `disconnected`, `timeout`, `deadline_exceeded`, `closed`, `unsubscribed`, `queue_full`, `too_many`, `too_long`,
   * `read_only`, `overflow`, `token`, `invalid_message`.
   */
  readonly code: string;
  readonly topic?: string;
}
