/**
 * The room's clock by four timestamps (timeline spec 11): it serves lockstep and the figures, never the binding of events to frames.
 */

import { wallClock } from '../time/clock';

/** One exchange, microseconds: sent and received on our clock (`t0`, `t3`), received and sent on theirs (`t1`, `t2`). */
export interface Exchange {
  readonly t0: number;
  readonly t1: number;
  readonly t2: number;
  readonly t3: number;
}

interface Sample {
  readonly rtt: number;
  /** What to add to our clock. */
  readonly offset: number;
  readonly at: number;
}

/** Samples that are looked at. */
const KEPT = 16;
/** How fast an estimate grows old: two quartz clocks drift apart by less. */
const DRIFT = 50e-6;

export class ExchangeClock {
  #samples: Sample[] = [];
  #isGuess = false;

  /** Nonsense (a negative round trip) is left out. */
  observe(exchange: Exchange): void {
    const sample = read(exchange);
    if (!sample) return;
    if (this.#isGuess) this.clear();
    this.#samples.push(sample);
    if (this.#samples.length > KEPT) this.#samples.shift();
  }

  /**
   * An exchange that was put together from what is known of a connection's beginning: better than nothing until the first real one. Where a
   * proxy near the viewer answers TCP, it looks shorter than it was and would be taken for the best for a minute.
   */
  guess(exchange: Exchange): void {
    const sample = read(exchange);
    if (!sample || this.isKnown) return;
    [this.#samples, this.#isGuess] = [[sample], true];
  }

  /** Another server, another clock. */
  clear(): void {
    [this.#samples, this.#isGuess] = [[], false];
  }

  get isKnown(): boolean {
    return this.#samples.length > 0;
  }

  /** The room's time in microseconds when our wall clock is at `wall`; `null` before the first exchange. */
  now(wall = wallClock()): number | null {
    const best = this.#best();
    return best && Math.round(wall + best.offset);
  }

  /** e = RTT/2 + 50 ppm of the age, microseconds; infinite before the first exchange. */
  get error(): number {
    return this.errorAt(wallClock());
  }

  errorAt(wall: number): number {
    const best = this.#best();
    return best ? best.rtt / 2 + Math.max(wall - best.at, 0) * DRIFT : Infinity;
  }

  /** The shortest way of the last 16, without those that took more than twice the median. */
  #best(): Sample | null {
    const sorted = [...this.#samples].sort((a, b) => a.rtt - b.rtt);
    const median = sorted[Math.floor(sorted.length / 2)]?.rtt ?? 0;
    const usable = this.#samples.filter(({ rtt }) => rtt <= 2 * median);
    return usable.reduce<Sample | null>((best, one) => (best === null || one.rtt <= best.rtt ? one : best), null);
  }
}

function read({ t0, t1, t2, t3 }: Exchange): Sample | null {
  const rtt = t3 - t0 - (t2 - t1);
  return rtt >= 0 && t2 >= t1 ? { rtt, offset: (t1 - t0 + t2 - t3) / 2, at: t3 } : null;
}
