/** How an HLS viewer reaches a common latency: a little faster or slower, and by a jump where that would take too long (timeline spec 13). */

/** What to do now. `seekMs`: by how much to move the position, forwards if positive. */
export type Pace = { readonly rate: number } | { readonly seekMs: number };

/** Slower or faster by this at most: nobody hears it. */
export const RATE_SPREAD = 0.05;
/** Nearer than this is near enough. */
const DEAD_MS = 20;
/** Farther than this: jump. */
export const SEEK_MS = 1000;
/** After a jump the picture needs time to come back before its latency says anything. */
const SETTLE_MS = 2000;
/** The rest is to be gone in so long, as far as the spread allows. */
const WITHIN_MS = 2000;

export class PlaybackPace {
  #notBefore = -Infinity;

  /** At `nowMs` the picture is `actualMs` behind and ought to be `wantedMs`. */
  step(nowMs: number, actualMs: number, wantedMs: number): Pace {
    const behind = actualMs - wantedMs;
    if (nowMs < this.#notBefore || Math.abs(behind) <= DEAD_MS) return { rate: 1 };
    if (Math.abs(behind) > SEEK_MS) {
      this.#notBefore = nowMs + SETTLE_MS;
      return { seekMs: behind };
    }
    return { rate: 1 + Math.min(Math.max(behind / WITHIN_MS, -RATE_SPREAD), RATE_SPREAD) };
  }
}
