/** Figures of a receiving peer connection, from `getStats`. */

import { Growth, type Figures } from '../figures';

/** The stats entries of several kinds, as one loose record: browsers differ in what they fill in. */
interface Entry {
  readonly id: string;
  readonly type: string;
  readonly kind?: string;
  readonly timestamp: number;
  readonly bytesReceived?: number;
  readonly packetsReceived?: number;
  readonly packetsLost?: number;
  readonly jitter?: number;
  readonly jitterBufferDelay?: number;
  readonly jitterBufferEmittedCount?: number;
  readonly framesDropped?: number;
  readonly codecId?: string;
  readonly mimeType?: string;
  readonly currentRoundTripTime?: number;
  readonly nominated?: boolean;
}

/** Give it every report in turn. */
export class ReceiveMeter {
  #growth = new Growth();

  read(report: ReadonlyMap<string, unknown>): Figures {
    const entries = [...(report as ReadonlyMap<string, Entry>).values()];
    const inbound = (kind: string) => entries.find((entry) => entry.type === 'inbound-rtp' && entry.kind === kind);
    const [video, audio] = [inbound('video'), inbound('audio')];
    const pair = entries.find((entry) => entry.type === 'candidate-pair' && entry.nominated);
    const codec = (of: Entry | undefined) => (of && entries.find(({ type, id }) => type === 'codec' && id === of.codecId))?.mimeType?.split('/')[1] ?? null;
    const leading = video ?? audio;
    return {
      videoCodec: codec(video),
      audioCodec: codec(audio),
      bitsPerSecond: this.#bitrate([video, audio]),
      bufferMs: leading ? this.#buffer(leading) : null,
      jitterMs: leading?.jitter === undefined ? null : leading.jitter * 1000,
      loss: this.#loss([video, audio]),
      roundTripMs: pair?.currentRoundTripTime === undefined ? null : pair.currentRoundTripTime * 1000,
      droppedFrames: video?.framesDropped ?? null,
    };
  }

  #bitrate(inbound: readonly (Entry | undefined)[]): number | null {
    const rates = inbound.map((entry) => entry && this.#growth.of(`bytes ${entry.kind}`, entry.bytesReceived, entry.timestamp));
    const known = rates.filter((rate) => rate != null);
    return known.length ? known.reduce((sum, { by, ms }) => sum + (by * 8000) / ms, 0) : null;
  }

  /** Mean stay of what left the jitter buffer since the last look. */
  #buffer(entry: Entry): number | null {
    const delay = this.#growth.of('delay', entry.jitterBufferDelay, entry.timestamp);
    const emitted = this.#growth.of('emitted', entry.jitterBufferEmittedCount, entry.timestamp);
    return delay && emitted && emitted.by > 0 ? (delay.by / emitted.by) * 1000 : null;
  }

  #loss(inbound: readonly (Entry | undefined)[]): number | null {
    let [lost, all] = [0, 0];
    for (const entry of inbound) {
      if (!entry) continue;
      // A packet that comes after it was counted as lost is taken off: never below zero over one interval here.
      const gone = this.#growth.of(`lost ${entry.kind}`, entry.packetsLost, entry.timestamp);
      const came = this.#growth.of(`packets ${entry.kind}`, entry.packetsReceived, entry.timestamp);
      lost += gone?.by ?? 0;
      all += (gone?.by ?? 0) + (came?.by ?? 0);
    }
    return all > 0 ? lost / all : null;
  }
}
