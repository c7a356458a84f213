/**
 * The server's clock, estimated from the greeting of the event feed. It serves the latency display and "in N seconds" only: events need no
 * client clock, they are bound to frames.
 */

/** Wall time in microseconds that does not step while the page lives. */
export function wallClock(): number {
  return (performance.timeOrigin + performance.now()) * 1000;
}

export class ServerClock {
  #offset: number | null = null;
  #error = Infinity;

  /**
   * The server said it was `server` in an exchange that ran from `started` to `received` (wall microseconds) and took `trips` one-way trips,
   * the last of which carried the answer. A better bounded estimate is kept for ten minutes of drift at most.
   */
  observe(server: number, started: number, received: number, trips: number): void {
    const elapsed = Math.max(received - started, 0);
    const error = elapsed / trips;
    if (error > this.#error) return;
    this.#offset = server + elapsed / trips - received;
    this.#error = error;
  }

  /** The server's time now in microseconds; `null` before the first exchange. */
  now(): number | null {
    return this.#offset === null ? null : Math.round(wallClock() + this.#offset);
  }

  /** Half-width of the estimate, microseconds. */
  get error(): number {
    return this.#error;
  }

  /** Forget how good the old estimate was: the next one counts (after a reconnect; clocks drift). */
  renew(): void {
    this.#error = Infinity;
  }
}
