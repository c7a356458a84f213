/**
 * How a WebRTC viewer reaches a common latency: by the jitter buffer's target. Raised slowly, since one big step freezes the picture for as
 * long as it adds; lowered in one step, which the browser does by playing faster (timeline spec 13).
 */

/** Raised by so much at most ... */
export const RAISE_MS = 100;
/** ... in so long. */
export const RAISE_EVERY_MS = 700;
/** The browser's limit. */
export const TARGET_MAX_MS = 4000;
/** Nearer than this is near enough. */
const DEAD_MS = 20;
/** A lowered buffer drains over this time; measuring earlier would lower it twice. */
const DRAIN_MS = 2000;

export class JitterBufferPace {
  #targetMs: number;
  #notBefore = -Infinity;

  /** `startMs`: what the buffer holds by itself. */
  constructor(startMs = 0) {
    this.#targetMs = clamp(startMs);
  }

  /** What the jitter buffer is to aim at. */
  get targetMs(): number {
    return this.#targetMs;
  }

  /** At `nowMs` the picture is `actualMs` behind and ought to be `wantedMs`. The new target; `null` where it stays. */
  step(nowMs: number, actualMs: number, wantedMs: number): number | null {
    const missing = wantedMs - actualMs;
    if (nowMs < this.#notBefore || Math.abs(missing) <= DEAD_MS) return null;
    // The buffer is a part of the latency: more than all of it is never needed, however little the picture follows just now.
    const next = Math.min(clamp(this.#targetMs + Math.min(missing, RAISE_MS)), clamp(wantedMs));
    if (next === this.#targetMs) return null;
    this.#notBefore = nowMs + (missing > 0 ? RAISE_EVERY_MS : DRAIN_MS);
    this.#targetMs = next;
    return next;
  }
}

function clamp(ms: number): number {
  return Math.round(Math.min(Math.max(ms, 0), TARGET_MAX_MS));
}
