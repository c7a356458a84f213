/**
 * From a position in the media element's timeline (MSE) to media time T.
 *
 * Each appended part brings one anchor: the media time of its first frame (`tfdt` + first composition offset + the buffer's timestamp
 * offset) and that frame's exact T (`prft`).
 */

import type { MediaPoint } from './point';

export interface Anchor extends MediaPoint {
  /** Seconds, as in `HTMLMediaElement.currentTime`. */
  readonly mediaTime: number;
}

/** Browsers round frame times to microseconds, and 90 kHz ticks are not whole microseconds: a boundary is met within two milliseconds. */
const TOLERANCE_S = 0.002;

/** Anchors in media order. Holds 1024 (over eight minutes of half-second parts); the earliest go first, long after their frames were played. */
export class MediaTimeline {
  static readonly CAPACITY = 1024;

  #anchors: Anchor[] = [];

  add(anchor: Anchor): void {
    const at = this.#indexAt(anchor.mediaTime + 1e-6) + 1;
    // The same part again (a whole segment after its parts, or after a seek) replaces its anchor.
    const replaces = at > 0 && Math.abs(this.#anchors[at - 1]!.mediaTime - anchor.mediaTime) <= 1e-6 ? 1 : 0;
    this.#anchors.splice(at - replaces, replaces, anchor);
    if (this.#anchors.length > MediaTimeline.CAPACITY) this.#anchors.shift();
  }

  /** T of the frame at `mediaTime`, or `null` before the first anchor. */
  at(mediaTime: number): MediaPoint | null {
    const anchor = this.#anchors[this.#indexAt(mediaTime + TOLERANCE_S)] ?? this.#anchors[0];
    if (!anchor) return null;
    return { t: anchor.t + Math.round((mediaTime - anchor.mediaTime) * 1e6), epoch: anchor.epoch };
  }

  get newest(): Anchor | null {
    return this.#anchors.at(-1) ?? null;
  }

  clear(): void {
    this.#anchors = [];
  }

  /** Index of the last anchor at or before `mediaTime`; -1 if there is none. Lookups are near the end nearly always. */
  #indexAt(mediaTime: number): number {
    return this.#anchors.findLastIndex((anchor) => anchor.mediaTime <= mediaTime);
  }
}
