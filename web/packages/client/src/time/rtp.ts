/**
 * From an RTP timestamp to media time T.
 *
 * The server says `{rtp0, t0, rate, epoch}` at join, every two seconds, at breaks and whenever the mapping moved by more than a millisecond.
 * Pictures wait in the jitter buffer, so a frame may be shown after a newer mapping has arrived: mappings are kept, and a frame uses the one
 * that was valid for its own RTP time.
 */

import type { MediaPoint } from './point';

export interface Mapping {
  readonly kind: 'video' | 'audio';
  readonly ssrc: number;
  /** RTP time (32 bits, wraps) of a frame whose T is `t0`. */
  readonly rtp0: number;
  /** Microseconds since the Unix epoch on the stream's timeline. */
  readonly t0: number;
  /** RTP ticks per second. */
  readonly rate: number;
  readonly epoch: number;
}

/** Reads a mapping from a control message; `null` if it is not a whole one. */
export function parseMapping(message: unknown): Mapping | null {
  const m = message as Partial<Mapping>;
  const whole =
    (m.kind === 'video' || m.kind === 'audio') &&
    isUint32(m.ssrc) &&
    isUint32(m.rtp0) &&
    isUint32(m.epoch) &&
    Number.isSafeInteger(m.t0) &&
    isUint32(m.rate) &&
    m.rate > 0;
  if (!whole) return null;
  return { kind: m.kind!, ssrc: m.ssrc!, rtp0: m.rtp0!, t0: m.t0!, rate: m.rate!, epoch: m.epoch! };
}

interface Entry extends Mapping {
  /** `rtp0` without wraps, relative to the first mapping. */
  readonly extended: number;
}

/** Mappings of one track (one `kind`). Holds the newest 64: two minutes at one each two seconds, far beyond any jitter buffer. */
export class RtpTimeline {
  static readonly CAPACITY = 64;

  #entries: Entry[] = [];

  add(mapping: Mapping): void {
    const newest = this.#entries.at(-1);
    // Another SSRC has its own random RTP origin: nothing older compares with it.
    if (newest && newest.ssrc !== mapping.ssrc) this.#entries = [];
    const extended = this.#extend(mapping.rtp0) ?? mapping.rtp0;
    const entry = { ...mapping, extended };
    const at = this.#entries.findLastIndex((other) => other.extended <= extended) + 1;
    const replaces = at > 0 && this.#entries[at - 1]!.extended === extended ? 1 : 0;
    this.#entries.splice(at - replaces, replaces, entry);
    if (this.#entries.length > RtpTimeline.CAPACITY) this.#entries.shift();
  }

  /** T of the frame with RTP time `rtp`, or `null` before the first mapping. */
  at(rtp: number): MediaPoint | null {
    const extended = this.#extend(rtp);
    if (extended === null) return null;
    // A frame from before the oldest mapping (joined in the middle of a group) extends the oldest backwards.
    const entry = this.#entries.findLast((other) => other.extended <= extended) ?? this.#entries[0]!;
    const t = entry.t0 + Math.round(((extended - entry.extended) * 1e6) / entry.rate);
    return { t, epoch: entry.epoch };
  }

  get isMapped(): boolean {
    return this.#entries.length > 0;
  }

  clear(): void {
    this.#entries = [];
  }

  /** Nearest to the newest mapping: right for anything within half a wrap (6.6 hours of video). */
  #extend(rtp: number): number | null {
    const newest = this.#entries.at(-1);
    return newest ? newest.extended + ((rtp - newest.rtp0) | 0) : null;
  }
}

function isUint32(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 0xffffffff;
}
