/**
 * How a WebRTC viewer reaches a common latency: by the jitter buffer's target (timeline spec 13, docs/lockstep.md).
 *
 * The browser holds the largest of three: what we ask for, what the network's jitter asks for, and what keeps picture and sound together.
 * The last two are its floor. Asking for less than the floor changes nothing, and the floor itself wanders for seconds after a change, since
 * the sound follows slowly. So it matters who decides at the moment: the browser's own totals tell what it aims at.
 */

/** Raised by so much at most: one big step freezes the picture for as long as it adds. */
export const RAISE_MS = 100;
/** ... in so long. */
export const RAISE_EVERY_MS = 700;
/** The browser's limit. */
export const TARGET_MAX_MS = 4000;
/** Nearer than this is near enough. */
const DEAD_MS = 20;
/** Lowered in one step, which the browser plays away; measuring earlier would lower it twice. */
const LOWER_EVERY_MS = 2000;
/** From a change until the picture has followed. */
const SETTLE_MS = 700;
/** What the browser aims at lies about 10 ms below what it was asked for: it counts drawing apart. More than this above it is the floor. */
const FLOOR_ABOVE_MS = 15;

export class JitterBufferPace {
  #targetMs: number;
  #floorMs = 0;
  #isAtFloor = false;
  #changedAt = -Infinity;
  #notBefore = -Infinity;

  /** `startMs`: what was asked for before. */
  constructor(startMs = 0) {
    this.#targetMs = clamp(startMs);
  }

  /** What the jitter buffer is to aim at. */
  get targetMs(): number {
    return this.#targetMs;
  }

  /** How much of what is held is held because we asked for it. */
  get slackMs(): number {
    return this.#isAtFloor ? 0 : Math.max(this.#targetMs - this.#floorMs, 0);
  }

  /** The picture has followed what was asked for last. */
  isSettled(nowMs: number): boolean {
    return nowMs >= this.#changedAt + SETTLE_MS;
  }

  /** On average since `sinceMs` the browser aimed at `aimMs`. */
  observe(sinceMs: number, aimMs: number): void {
    if (!this.isSettled(sinceMs)) return;
    this.#isAtFloor = aimMs > this.#targetMs + FLOOR_ABOVE_MS;
    // Held by us, the floor is somewhere below; what was seen of it last is the best guess.
    this.#floorMs = this.#isAtFloor ? aimMs : Math.min(this.#floorMs, this.#targetMs);
  }

  /** At `nowMs` the picture is `actualMs` behind and ought to be `wantedMs`. The new target; `null` where it stays. */
  step(nowMs: number, actualMs: number, wantedMs: number): number | null {
    const missing = wantedMs - actualMs;
    if (nowMs < this.#notBefore || Math.abs(missing) <= DEAD_MS) return null;
    // As low as it goes: only the browser can lower it further.
    if (missing < 0 && this.#isAtFloor) return null;
    const from = this.#isAtFloor ? Math.max(this.#targetMs, this.#floorMs) : this.#targetMs;
    // The buffer is a part of the latency: more than all of it is never needed, however little the picture follows just now.
    const next = Math.min(clamp(from + Math.min(missing, RAISE_MS)), clamp(wantedMs));
    if (next === this.#targetMs) return null;
    this.#changedAt = nowMs;
    this.#notBefore = nowMs + (missing > 0 ? RAISE_EVERY_MS : LOWER_EVERY_MS);
    this.#targetMs = next;
    return next;
  }
}

function clamp(ms: number): number {
  return Math.round(Math.min(Math.max(ms, 0), TARGET_MAX_MS));
}
