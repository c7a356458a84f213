/**
 * The line to a room: one WebSocket after the other, over the list of servers, for as long as it is wanted. Where something on the way lets no
 * WebSocket through, server-sent events take its place ([`EventStream`]).
 */

import { UnisonoError } from '../errors';
import { Backoff, delay } from '../net/backoff';
import { wallClock } from '../time/clock';
import { tokenOf, type Doors, type FeedQuery, type TokenSource } from './doors';
import { EventStream } from './event-stream';
import { parseMessage, type Message } from './messages';
import { Ways } from './ways';

/** What is needed of a WebSocket; the browser's, Node's from 22 on, and the package `ws` fit. */
export interface SocketLike {
  readonly readyState: number;
  readonly bufferedAmount?: number;
  /** It brings commands there by itself, whatever the greeting says of them. */
  readonly takesCommands?: boolean;
  // Each kind of socket has its own type of events; only `data` of a message is looked at.
  onmessage: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
  send(data: string): void;
  close(): void;
}

export type SocketConstructor = new (url: string) => SocketLike;

export type Hello = Extract<Message, { type: 'hello' }>;

export interface ConnectionListener {
  /** What the next connection says of itself in its query: where to resume, who it is. */
  query(): FeedQuery;
  /** The room greets. False if this connection is of no use: come again. `startedAt`: wall microseconds before it was opened. */
  onHello(hello: Hello, startedAt: number): boolean;
  onMessage(message: Message): void;
  onLost(words: string): void;
  /** It will not come back by itself. */
  onRefused(error: UnisonoError): void;
}

export interface ConnectionOptions {
  readonly doors: Doors;
  readonly token?: TokenSource | undefined;
  /** `null` where there is none: server-sent events then. */
  readonly Socket: SocketConstructor | null;
  readonly backoff?: Backoff;
}

/** A connection without a greeting for this long is given up: the server greets at once. */
const GREETING_MS = 10_000;
/** Asks for the time this often, which also tells whether anybody is there ... */
const ASK_MS = 15_000;
/** ... and is lost after so long without a word. */
const SILENCE_MS = 40_000;
/** A connection that held for so long was a good one: the next pause starts small again. */
const STEADY_MS = 5000;
/** More than this unsent: the link does not carry it, and what waits in the outbox comes again anyway. */
const BUFFERED_MAX = 1024 * 1024;
/** Nobody is sent away for longer, whatever is asked of us. With more servers the next one is tried at once. */
const RETRY_MAX_MS = 60_000;
const OPEN = 1;

/** Whose fault an end was, and so what comes next. */
type End = 'greeted' | 'silent' | 'again';

export class Connection {
  #options: ConnectionOptions;
  #listener: ConnectionListener;
  #closed = new AbortController();
  #socket: SocketLike | null = null;
  /** Ends the connection of the moment. */
  #drop: (() => void) | null = null;
  #hello: Hello | null = null;
  /** The refused token was replaced once by a fresh one. */
  #renewed = false;
  #ways: Ways;
  /** How long the server asked us to stay away. */
  #retryAfterMs = 0;

  constructor(options: ConnectionOptions, listener: ConnectionListener) {
    this.#options = options;
    this.#listener = listener;
    this.#ways = new Ways(options.Socket !== null);
  }

  /** Begins, and goes on until [`close`]. */
  async run(): Promise<void> {
    const backoff = this.#options.backoff ?? new Backoff(250, 15_000);
    const { signal } = this.#closed;
    while (!signal.aborted) {
      const beganAt = performance.now();
      const end = await this.#once();
      if (signal.aborted) return;
      if (end === 'again') continue;
      if (end === 'silent') this.#options.doors.next();
      // One that greets and drops us at once is left in peace more and more.
      else if (performance.now() - beganAt > STEADY_MS) backoff.reset();
      await this.#pause(Math.max(backoff.next(), this.#retryAfterMs));
      this.#retryAfterMs = 0;
    }
  }

  /** False where there is no connection now. */
  send(message: string): boolean {
    const socket = this.#socket;
    if (!this.#hello || socket?.readyState !== OPEN || (socket.bufferedAmount ?? 0) > BUFFERED_MAX) return false;
    socket.send(message);
    return true;
  }

  /** The server of the moment takes commands over the feed. */
  get takesCommands(): boolean {
    return this.#hello !== null && (this.#hello.session != null || this.#socket?.takesCommands === true);
  }

  /** Drops this connection; the next one resumes. */
  again(): void {
    this.#drop?.();
  }

  close(): void {
    this.#closed.abort();
    this.#drop?.();
  }

  /** Cut short when the device has a network again. */
  async #pause(ms: number): Promise<void> {
    const isOnline = new AbortController();
    const wake = () => isOnline.abort();
    globalThis.addEventListener?.('online', wake);
    await delay(ms, AbortSignal.any([this.#closed.signal, isOnline.signal]));
    globalThis.removeEventListener?.('online', wake);
  }

  async #once(): Promise<End> {
    let token: string | null;
    try {
      token = await tokenOf(this.#options.token);
    } catch (error) {
      this.#listener.onLost(`No token: ${(error as Error).message}`);
      return 'silent';
    }
    if (this.#closed.signal.aborted) return 'silent';
    const { doors } = this.#options;
    const query = this.#listener.query();
    const beganAt = performance.now();
    const { end, words } = await this.#talk(token, query);
    if (this.#closed.signal.aborted) return 'silent';
    this.#listener.onLost(words ?? (end === 'silent' ? `No connection to ${doors.origin}` : 'The connection was lost; coming back'));
    if (end !== 'silent') {
      this.#ways.held(doors.origin, performance.now());
      return end;
    }
    const look = await doors.look(token, query);
    const tookMs = performance.now() - beganAt;
    if (look === 'welcome') return this.#ways.refused(doors.origin, tookMs >= GREETING_MS, performance.now()) ? 'again' : 'silent';
    this.#ways.silent(doors.origin);
    return look === 'silent' ? 'silent' : this.#explain(look);
  }

  /** A refusal in words ends it, unless a fresh token may help. */
  #explain(refusal: UnisonoError): End {
    if (refusal.kind !== 'unauthorized' && refusal.kind !== 'refused') {
      // Full, too often, going down: worth another try, when the server says so.
      this.#retryAfterMs = this.#options.doors.count > 1 ? 0 : Math.min(refusal.retryAfterMs ?? 0, RETRY_MAX_MS);
      this.#listener.onLost(refusal.message);
      return 'silent';
    }
    if (this.#closed.signal.aborted) return 'silent';
    if (refusal.status === 401 && typeof this.#options.token === 'function' && !this.#renewed) {
      this.#renewed = true;
      return 'again';
    }
    this.close();
    this.#listener.onRefused(refusal);
    return 'silent';
  }

  /** One connection, until it ends. A dead link is not waited for: browsers take minutes to say that it is closed. */
  #talk(token: string | null, query: FeedQuery): Promise<{ readonly end: End; readonly words?: string }> {
    return new Promise((resolve) => {
      const startedAt = wallClock();
      const socket = this.#open(token, query);
      if (!socket) return resolve({ end: 'silent' });
      let heardAt = performance.now();
      let isUseless = false;
      const finish = (words?: string) => {
        clearInterval(watch);
        clearTimeout(giveUp);
        socket.onmessage = socket.onclose = null;
        socket.close();
        const end = isUseless ? 'again' : this.#hello ? 'greeted' : 'silent';
        this.#hello = null;
        this.#drop = null;
        resolve(words ? { end, words } : { end });
      };
      const watch = setInterval(() => this.#ask(performance.now() - heardAt), ASK_MS);
      const giveUp = setTimeout(() => this.#hello ?? finish(), GREETING_MS);
      this.#drop = finish;
      socket.onerror = () => undefined;
      socket.onclose = ({ reason }: { reason?: unknown }) => finish(typeof reason === 'string' ? reason : '');
      socket.onmessage = ({ data }: { data: unknown }) => {
        heardAt = performance.now();
        const message = parseMessage(data);
        if (message?.type !== 'hello') return void (message && this.#hello && this.#listener.onMessage(message));
        this.#hello = message;
        this.#renewed = false;
        isUseless = !this.#listener.onHello(message, startedAt);
        if (isUseless) finish();
      };
    });
  }

  #open(token: string | null, query: FeedQuery): SocketLike | null {
    const { doors, Socket } = this.#options;
    try {
      const hasSocket = Socket !== null && this.#ways.of(doors.origin) === 'socket';
      return (this.#socket = hasSocket
        ? new Socket(doors.feed(token, query))
        : new EventStream({ events: doors.stream(token, query), commands: doors.posting(query), server: doors.server, token }));
    } catch {
      return null;
    }
  }

  /** A server that takes commands answers; silence is a dead link. */
  #ask(silentMs: number): void {
    if (!this.takesCommands) return;
    if (silentMs > SILENCE_MS) return this.again();
    this.send(JSON.stringify({ type: 'clock', t0: Math.round(wallClock()) }));
  }
}
