/**
 * The line to a room: one WebSocket after the other, over the list of servers, for as long as it is wanted. Where something on the way lets no
 * WebSocket through, server-sent events take its place ([`EventStream`]).
 */

import { UnisonoError } from '../errors';
import { Backoff, delay } from '../net/backoff';
import { Mover, type MoveNotice } from '../net/moving';
import { anySignal } from '../net/signals';
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
  /** The room greets. If not `welcome`, this connection is of no use: come again, or later. `startedAt`: wall microseconds before it was opened. */
  onHello(hello: Hello, startedAt: number, origin: string): 'welcome' | 'anew' | 'later';
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
/** With other servers at hand nobody waits as long for one that says nothing. */
const GREETING_OF_SEVERAL_MS = 3000;
const ASK_OF_SEVERAL_MS = 3000;
const SILENCE_OF_SEVERAL_MS = 8000;
/** Those who lost the same server do not come back in one moment. */
const SPREAD_MS = 100;
/** A server that is behind what we know of the room catches up by then. */
const BEHIND_MS = 250;
/** A connection that held for so long was a good one: the next pause starts small again. */
const STEADY_MS = 5000;
/** More than this unsent: the link does not carry it, and what waits in the outbox comes again anyway. */
const BUFFERED_MAX = 1024 * 1024;
/** Nobody is sent away for longer, whatever is asked of us. With more servers the next one is tried at once. */
const RETRY_MAX_MS = 60_000;
const OPEN = 1;

/** Whose fault an end was, and so what comes next. */
type End = 'greeted' | 'silent' | 'again' | 'later' | 'moved' | 'refused';

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
  #mover = new Mover(() => Promise.resolve(this.#leave()));
  /** The connection of the moment ends because we go elsewhere. */
  #isMoving = false;

  constructor(options: ConnectionOptions, listener: ConnectionListener) {
    this.#options = options;
    this.#listener = listener;
    this.#ways = new Ways(options.Socket !== null);
    // A node that was lost need not be left any more, and the next one did not ask for it.
    options.doors.onChange(() => this.#mover.cancel());
  }

  /** Begins, and goes on until [`close`]. */
  async run(): Promise<void> {
    const backoff = this.#options.backoff ?? new Backoff(250, 15_000);
    const { signal } = this.#closed;
    const { doors } = this.#options;
    void doors.keep(signal);
    while (!signal.aborted) {
      const beganAt = performance.now();
      const end = await this.#once();
      if (signal.aborted) return;
      const wasSteady = end !== 'silent' && performance.now() - beganAt > STEADY_MS;
      if (end === 'again' || end === 'moved') continue;
      // One that greets and drops us at once is left in peace more and more.
      if (wasSteady) backoff.reset();
      await this.#pause(this.#pauseAfter(end, wasSteady, backoff));
      this.#retryAfterMs = 0;
    }
  }

  #pauseAfter(end: Exclude<End, 'again' | 'moved'>, wasSteady: boolean, backoff: Backoff): number {
    const { doors } = this.#options;
    if (end === 'later') return BEHIND_MS;
    // Another server may have what this one has lost; it is looked at first whether this one is still there.
    const isFresh = end === 'silent' ? doors.next() : wasSteady && doors.count > 1;
    return isFresh ? Math.random() * SPREAD_MS : Math.max(backoff.next(), this.#retryAfterMs);
  }

  /** True where there is another server to go to. */
  #leave(): boolean {
    if (!this.#options.doors.leave()) return false;
    // Between two connections there is none to end: the next one is at the new server anyway.
    this.#isMoving = this.#drop !== null;
    this.again();
    return true;
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
    this.#mover.cancel();
    this.#drop?.();
  }

  /** Cut short when the device has a network again. */
  async #pause(ms: number): Promise<void> {
    const isOnline = new AbortController();
    const wake = () => isOnline.abort();
    globalThis.addEventListener?.('online', wake);
    await delay(ms, anySignal(this.#closed.signal, isOnline.signal));
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
    if (this.#isMoving) {
      this.#isMoving = false;
      this.#listener.onLost('Going on at another server');
      return 'moved';
    }
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
    if (!this.#options.doors.refused()) {
      this.#listener.onLost(refusal.message);
      return 'refused';
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
      let useless: 'again' | 'later' | null = null;
      const finish = (words?: string) => {
        clearInterval(watch);
        clearTimeout(giveUp);
        socket.onmessage = socket.onclose = null;
        socket.close();
        const end = useless ?? (this.#hello ? 'greeted' : 'silent');
        this.#hello = null;
        this.#drop = null;
        resolve(words ? { end, words } : { end });
      };
      const hasOthers = this.#options.doors.count > 1;
      const watch = setInterval(() => this.#ask(performance.now() - heardAt), hasOthers ? ASK_OF_SEVERAL_MS : ASK_MS);
      const giveUp = setTimeout(() => this.#hello ?? finish(), hasOthers ? GREETING_OF_SEVERAL_MS : GREETING_MS);
      this.#drop = finish;
      socket.onerror = () => undefined;
      socket.onclose = ({ reason }: { reason?: unknown }) => finish(typeof reason === 'string' ? reason : '');
      socket.onmessage = ({ data }: { data: unknown }) => {
        heardAt = performance.now();
        const message = parseMessage(data);
        if (message?.type === 'move' || message?.type === 'stay') return this.#notice(message);
        if (message?.type !== 'hello') return void (message && this.#hello && this.#listener.onMessage(message));
        this.#hello = message;
        this.#renewed = false;
        this.#options.doors.worked();
        const greeted = this.#listener.onHello(message, startedAt, this.#options.doors.origin);
        useless = greeted === 'anew' ? 'again' : greeted === 'later' ? 'later' : null;
        if (useless) finish();
      };
    });
  }

  #notice(notice: MoveNotice): void {
    const { doors } = this.#options;
    if (notice.type === 'stay') return this.#mover.cancel();
    if (notice.endpoints.length > 0) doors.learn(notice.endpoints);
    this.#mover.ask(doors.origin, notice.withinMs);
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
    if (silentMs > (this.#options.doors.count > 1 ? SILENCE_OF_SEVERAL_MS : SILENCE_MS)) return this.again();
    this.send(JSON.stringify({ type: 'clock', t0: Math.round(wallClock()) }));
  }
}
