/** The room's event feed over a WebSocket: resumes after the last event it saw, for as long as it is open. */

import { parseEvent, type RoomEvent } from '../events';
import { wallClock, type ServerClock } from '../time/clock';
import { Backoff, delay } from './backoff';

export interface FeedListener {
  onEvent(event: RoomEvent): void;
  onOpen?(isOpen: boolean): void;
}

/** Without a word or a ping's effect for this long the connection is given up (the server greets at once). */
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
          this.#greet(message, started);
        } else if (message?.type === 'event') {
          this.#take(message.event);
        } else if (message?.type === 'lagged') {
          // We were too slow and missed some: come again for them.
          socket.close();
        }
      };
      socket.onclose = () => {
        clearTimeout(giveUp);
        this.#closed.signal.removeEventListener('abort', close);
        resolve(greeted);
      };
    });
  }

  #greet(hello: Record<string, unknown>, started: number): void {
    if (Number.isSafeInteger(hello.t)) {
      this.clock.renew();
      // TCP's round trip, then the request, then the greeting: four one-way trips.
      this.clock.observe(hello.t as number, started, wallClock(), 4);
    }
    if (this.#seq === null && Number.isSafeInteger(hello.seq)) this.#seq = hello.seq as number;
    this.listener.onOpen?.(true);
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
