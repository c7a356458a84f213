/** Holds events until the moment T they are bound to: the overlay has no picture of its own, so the server's clock tells where live is. */

import type { RoomEvent } from '@unisono/client';

/** Beyond this many waiting, the one farthest ahead goes. */
const WAITING_MAX = 256;
/** An event that comes this long after its moment is old news, unless it says that it is shown late. */
const LATE_US = 30_000_000;

export class Schedule {
  #waiting: RoomEvent[] = [];
  #seen = new Set<string>();

  push(event: RoomEvent): void {
    if (this.#seen.has(event.id)) return;
    this.#seen.add(event.id);
    if (this.#seen.size > 4 * WAITING_MAX) this.#seen.delete(this.#seen.values().next().value!);
    this.#waiting.push(event);
    this.#waiting.sort((a, b) => a.at - b.at || a.seq - b.seq);
    if (this.#waiting.length > WAITING_MAX) this.#waiting.pop();
  }

  /** What is due at `t` (microseconds), in order. Before the clock is known (`null`) nothing waits for it. */
  due(t: number | null): RoomEvent[] {
    const next = t === null ? -1 : this.#waiting.findIndex(({ at }) => at > t);
    const due = this.#waiting.splice(0, next < 0 ? this.#waiting.length : next);
    return due.filter(({ at, late, ttl }) => t === null || (late === 'show' ? t - at <= Math.max(LATE_US, ttl ?? 0) : t - at <= (ttl ?? 1_000_000)));
  }
}
