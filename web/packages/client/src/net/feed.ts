/** The room's event feed over a WebSocket: resumes after the last event it saw, for as long as it is open. */

import { parseEvent, type RoomEvent } from '../events';
import { wallClock, type ServerClock } from '../time/clock';
import { Sequence } from '../room/sequence';
import { Backoff, delay } from './backoff';
import type { Endpoints } from './endpoints';
import { parseMove, type MoveNotice } from './moving';

export interface FeedListener {
  onEvent(event: RoomEvent): void;
  onOpen?(isOpen: boolean): void;
  /** The node `from` asks to be left, or takes it back. */
  onNotice?(notice: MoveNotice, from: string): void;
}

/** A connection without a greeting for this long is given up: the server greets at once. */
const GREETING_MS = 10_000;
/** How often the server is asked for a sign of life: a room may be quiet for hours, and a line that is gone looks the same. */
const ASK_MS = 15_000;
/** Nothing at all for so long after asking: the line is gone. */
const DEAD_MS = 25_000;
/** A node that is behind the one before is asked again after so long. */
const BEHIND_MS = 250;

type End = 'greeted' | 'silent' | 'later';

export class EventFeed {
  #closed = new AbortController();
  #sequence = new Sequence();
  /** Who greeted last. */
  #node: string | null = null;

  constructor(
    private readonly url: string,
    private readonly clock: ServerClock,
    private readonly listener: FeedListener,
    /** Whose node in use this follows; without it there is but one. */
    private readonly endpoints: Endpoints | null = null,
  ) {
    void this.#run();
  }

  close(): void {
    this.#closed.abort();
  }

  async #run(): Promise<void> {
    const backoff = new Backoff(500, 15_000);
    while (!this.#closed.signal.aborted) {
      const end = await this.#connection();
      this.listener.onOpen?.(false);
      if (end === 'greeted') backoff.reset();
      await delay(end === 'later' ? BEHIND_MS : backoff.next(), this.#closed.signal);
    }
  }

  /** One connection, until it ends. A dead machine is not waited for: browsers take a minute to say that a connection to it is closed. */
  #connection(): Promise<End> {
    return new Promise((resolve) => {
      const started = wallClock();
      let end: End = 'silent';
      const resume = this.#sequence.from === null ? '' : `?from_seq=${this.#sequence.from}`;
      const node = this.endpoints?.current ?? '';
      const socket = new WebSocket((this.endpoints?.at(this.url) ?? this.url) + resume);
      const finish = () => {
        clearTimeout(giveUp);
        clearInterval(asking);
        clearTimeout(dead);
        stopFollowing?.();
        this.#closed.signal.removeEventListener('abort', finish);
        socket.onmessage = socket.onclose = null;
        socket.close();
        resolve(end);
      };
      const giveUp = setTimeout(() => end === 'silent' && finish(), GREETING_MS);
      let dead: ReturnType<typeof setTimeout> | undefined;
      const asking = setInterval(() => {
        if (socket.readyState !== WebSocket.OPEN) return;
        socket.send(JSON.stringify({ type: 'clock', t0: Math.round(wallClock()) }));
        dead ??= setTimeout(finish, DEAD_MS);
      }, ASK_MS);
      const stopFollowing = this.endpoints?.onChange(finish);
      this.#closed.signal.addEventListener('abort', finish);
      socket.onmessage = ({ data }) => {
        clearTimeout(dead);
        dead = undefined;
        const message = parse(data);
        if (message?.type === 'hello') {
          const greeting = this.#greet(message, started, node);
          end = greeting === 'later' ? 'later' : 'greeted';
          if (greeting !== 'welcome') finish();
        } else if (message?.type === 'event') {
          this.#take(message.event);
        } else if (message?.type === 'events' && Array.isArray(message.events)) {
          for (const event of message.events) this.#take(event);
        } else {
          const notice = parseMove(message);
          if (notice) this.listener.onNotice?.(notice, node);
        }
        // `lagged` needs no answer: what the room still keeps follows by itself, the rest is gone.
      };
      socket.onclose = finish;
    });
  }

  /** `anew`, `later`: this feed cannot go on where the last one ended; see [`Sequence.greet`]. */
  #greet(hello: Record<string, unknown>, started: number, node: string): 'welcome' | 'anew' | 'later' {
    if (Number.isSafeInteger(hello.t)) {
      // TCP's round trip, then the request, then the greeting: four one-way trips.
      this.clock.observe(hello.t as number, started, wallClock(), 4);
    }
    const seq = Number.isSafeInteger(hello.seq) ? (hello.seq as number) : 0;
    const greeting = this.#sequence.greet(seq, this.#node !== null && this.#node !== node);
    if (greeting !== 'later') this.#node = node;
    if (greeting === 'welcome') this.listener.onOpen?.(true);
    return greeting;
  }

  #take(value: unknown): void {
    const event = parseEvent(value);
    if (!event) return;
    this.#sequence.lag(event.seq + 1);
    this.listener.onEvent(event);
  }
}

function parse(data: unknown): Record<string, unknown> | null {
  try {
    return typeof data === 'string' ? (JSON.parse(data) as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
