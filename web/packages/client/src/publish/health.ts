/** How publishing goes, from `getStats`. */

export interface Health {
  readonly videoBitsPerSecond: number;
  readonly audioBitsPerSecond: number;
  readonly framesPerSecond: number;
  readonly width: number;
  readonly height: number;
  /** For example `H264`. */
  readonly codec: string | null;
  readonly roundTripMs: number | null;
  /** Share of packets lost on the way to the server, 0 to 1, over the last second. */
  readonly loss: number | null;
  /** What holds the encoder back: `none`, `cpu`, `bandwidth`, `other`. */
  readonly limitedBy: string;
}

interface Sample {
  readonly at: number;
  readonly bytes: number;
}

/** The stats entries of several kinds, as one loose record: browsers differ in what they fill in. */
interface Entry {
  readonly id: string;
  readonly type: string;
  readonly kind?: string;
  readonly timestamp: number;
  readonly bytesSent?: number;
  readonly framesPerSecond?: number;
  readonly frameWidth?: number;
  readonly frameHeight?: number;
  readonly codecId?: string;
  readonly mimeType?: string;
  readonly roundTripTime?: number;
  readonly currentRoundTripTime?: number;
  readonly nominated?: boolean;
  readonly fractionLost?: number;
  readonly qualityLimitationReason?: string;
}

/** Turns counters into rates: give it every report in turn. */
export class HealthMeter {
  #last = new Map<string, Sample>();

  read(report: RTCStatsReport): Health {
    const entries = [...(report as unknown as Map<string, Entry>).values()];
    const outbound = (kind: string) => entries.find((entry) => entry.type === 'outbound-rtp' && entry.kind === kind);
    const video = outbound('video');
    const remote = entries.find((entry) => entry.type === 'remote-inbound-rtp' && entry.kind === 'video');
    const pair = entries.find((entry) => entry.type === 'candidate-pair' && entry.nominated);
    const codec = entries.find((entry) => entry.type === 'codec' && entry.id === video?.codecId);
    const roundTrip = remote?.roundTripTime ?? pair?.currentRoundTripTime;
    return {
      videoBitsPerSecond: this.#rate('video', video),
      audioBitsPerSecond: this.#rate('audio', outbound('audio')),
      framesPerSecond: video?.framesPerSecond ?? 0,
      width: video?.frameWidth ?? 0,
      height: video?.frameHeight ?? 0,
      codec: codec?.mimeType?.split('/')[1] ?? null,
      roundTripMs: roundTrip === undefined ? null : roundTrip * 1000,
      loss: remote?.fractionLost ?? null,
      limitedBy: video?.qualityLimitationReason ?? 'none',
    };
  }

  #rate(kind: string, entry: Entry | undefined): number {
    if (entry?.bytesSent === undefined) return 0;
    const now: Sample = { at: entry.timestamp, bytes: entry.bytesSent };
    const last = this.#last.get(kind);
    this.#last.set(kind, now);
    if (!last || now.at <= last.at || now.bytes < last.bytes) return 0;
    return ((now.bytes - last.bytes) * 8000) / (now.at - last.at);
  }
}
