/**
 * The server's clock, estimated from the greeting of the event feed. It serves the latency display and "in N seconds" only: events need no
 * client clock, they are bound to frames.
 */

/** Wall time in microseconds that does not step while the page lives. */
export function wallClock(): number {
  return (performance.timeOrigin + performance.now()) * 1000;
}

/** How fast an estimate grows old: two quartz clocks drift apart by less. */
const DRIFT = 50e-6;

export class ServerClock {
  #offset: number | null = null;
  #error = Infinity;
  #at = 0;

  /**
   * The server said it was `server` in an exchange that ran from `started` to `received` (wall microseconds) and took `trips` one-way trips,
   * the last of which carried the answer. Kept if its error bound is smaller than that of the old estimate has become by age.
   */
  observe(server: number, started: number, received: number, trips: number): void {
    const oneWay = Math.max(received - started, 0) / trips;
    if (oneWay > this.#errorAt(received)) return;
    this.#offset = server + oneWay - received;
    this.#error = oneWay;
    this.#at = received;
  }

  /** The server's time in microseconds when our wall clock is at `wall`; `null` before the first exchange. */
  now(wall = wallClock()): number | null {
    return this.#offset === null ? null : Math.round(wall + this.#offset);
  }

  /** Half-width of the estimate, microseconds. */
  get error(): number {
    return this.#errorAt(wallClock());
  }

  #errorAt(now: number): number {
    return this.#error + Math.max(now - this.#at, 0) * DRIFT;
  }
}
