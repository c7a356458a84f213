/** The room's event feed over a WebSocket: resumes after the last event it saw, for as long as it is open. */

import { parseEvent, type RoomEvent } from '../events';
import { wallClock, type ServerClock } from '../time/clock';
import { Backoff, delay } from './backoff';

export interface FeedListener {
  onEvent(event: RoomEvent): void;
  onOpen?(isOpen: boolean): void;
}

/** A connection without a greeting for this long is given up: the server greets at once. */
const GREETING_MS = 10_000;

export class EventFeed {
  #closed = new AbortController();
  #seq: number | null = null;

  constructor(
    private readonly url: string,
    private readonly clock: ServerClock,
    private readonly listener: FeedListener,
  ) {
    void this.#run();
  }

  close(): void {
    this.#closed.abort();
  }

  async #run(): Promise<void> {
    const backoff = new Backoff(500, 15_000);
    while (!this.#closed.signal.aborted) {
      const greeted = await this.#connection();
      this.listener.onOpen?.(false);
      if (greeted) backoff.reset();
      await delay(backoff.next(), this.#closed.signal);
    }
  }

  /** One connection, until it ends. True if the server greeted us. */
  #connection(): Promise<boolean> {
    return new Promise((resolve) => {
      const started = wallClock();
      let greeted = false;
      const resume = this.#seq === null ? '' : `?from_seq=${this.#seq + 1}`;
      const socket = new WebSocket(this.url + resume);
      const giveUp = setTimeout(() => greeted || socket.close(), GREETING_MS);
      const close = () => socket.close();
      this.#closed.signal.addEventListener('abort', close);
      socket.onmessage = ({ data }) => {
        const message = parse(data);
        if (message?.type === 'hello') {
          greeted = true;
          if (!this.#greet(message, started)) socket.close();
        } else if (message?.type === 'event') {
          this.#take(message.event);
        } else if (message?.type === 'events' && Array.isArray(message.events)) {
          for (const event of message.events) this.#take(event);
        }
        // `lagged` needs no answer: what the room still keeps follows by itself, the rest is gone.
      };
      socket.onclose = () => {
        clearTimeout(giveUp);
        this.#closed.signal.removeEventListener('abort', close);
        resolve(greeted);
      };
    });
  }

  /** False if this feed cannot go on where the last one ended. */
  #greet(hello: Record<string, unknown>, started: number): boolean {
    if (Number.isSafeInteger(hello.t)) {
      // TCP's round trip, then the request, then the greeting: four one-way trips.
      this.clock.observe(hello.t as number, started, wallClock(), 4);
    }
    const seq = Number.isSafeInteger(hello.seq) ? (hello.seq as number) : 0;
    if (this.#seq !== null && seq < this.#seq) {
      // The room began anew (its server restarted without a log): come again for whatever is new.
      this.#seq = null;
      return false;
    }
    this.#seq ??= seq;
    this.listener.onOpen?.(true);
    return true;
  }

  #take(value: unknown): void {
    const event = parseEvent(value);
    if (!event) return;
    this.#seq = Math.max(this.#seq ?? 0, event.seq);
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
