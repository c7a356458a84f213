/**
 * Anchors of the media timeline from what hls.js appends.
 *
 * hls.js 1.7 passes fragmented MP4 through untouched and shifts it by `SourceBuffer.timestampOffset` (`offset` of `BUFFER_APPENDING`; earlier
 * versions rewrote `tfdt`, in which case `offset` is absent or zero and the bytes already tell the final time). Either way
 * `media time = (tfdt + first composition offset) / timescale + offset`.
 */

import type { Anchor } from '../time/media';
import { fragmentsOf, timescaleOf } from './fragment';

/** The server writes `tfdt = T - (epoch - 86400 s)`, so that T follows from the epoch where a `prft` is missing. */
const EPOCH_LEAD_S = 86_400;

/** `/{app}/{name}/hls/{epoch}/video/...` */
export function epochOfUrl(url: string): number | null {
  const match = /\/hls\/(\d{1,10})\//.exec(url);
  return match ? Number(match[1]) : null;
}

export class AnchorReader {
  #timescale: number | null = null;

  /** Bytes on their way into one source buffer. Init segments set the time scale; parts yield anchors. */
  read(bytes: Uint8Array, offset: number, url: string): Anchor[] {
    this.#timescale = timescaleOf(bytes) ?? this.#timescale;
    const timescale = this.#timescale;
    if (timescale === null) return [];
    const epoch = epochOfUrl(url) ?? 0;
    const all = fragmentsOf(bytes);
    // A part may hold a `moof` for each picture, of which the first has the `prft`; the others would only crowd it out.
    const exactly = all.filter(({ t }) => t !== null);
    return (exactly.length ? exactly : all).flatMap(({ pts, t }) => {
      const exact = t ?? (epoch ? Math.round((pts / timescale + epoch - EPOCH_LEAD_S) * 1e6) : null);
      return exact === null ? [] : [{ mediaTime: pts / timescale + offset, t: exact, epoch }];
    });
  }
}
