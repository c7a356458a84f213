/** What an expert wants to know about playback, the same for every protocol; `null` where a browser or protocol does not tell. */

export interface Figures {
  /** For example `H264` or `avc1.42c01e`. */
  readonly videoCodec: string | null;
  readonly audioCodec: string | null;
  /** Received over the last interval, picture and sound. */
  readonly bitsPerSecond: number | null;
  /** How much is held back before it is shown: the jitter buffer (WebRTC), or what is loaded ahead (HLS). */
  readonly bufferMs: number | null;
  /** Unevenness of packet arrival (RFC 3550 §6.4.1). */
  readonly jitterMs: number | null;
  /** Share of packets lost over the last interval, 0 to 1. */
  readonly loss: number | null;
  readonly roundTripMs: number | null;
  /** Frames that came and were not shown, since the start. */
  readonly droppedFrames: number | null;
}

/** Which kinds of media a stream has. */
export interface Kinds {
  readonly video: boolean;
  readonly audio: boolean;
}

/** A growing total and when it was read. */
interface Reading {
  readonly total: number;
  readonly at: number;
}

/** Turns growing totals into their growth between two looks. The first look, and one after a total has shrunk (a new session), give `null`. */
export class Growth {
  #last = new Map<string, Reading>();

  /** How much `name` has grown since the last look, and in how many milliseconds. */
  of(name: string, total: number | undefined, at: number): { readonly by: number; readonly ms: number } | null {
    if (total === undefined) return null;
    const last = this.#last.get(name);
    this.#last.set(name, { total, at });
    if (!last || total < last.total || at <= last.at) return null;
    return { by: total - last.total, ms: at - last.at };
  }
}

/** Frames the element dropped; `null` where it does not count. */
export function droppedFrames(video: HTMLVideoElement): number | null {
  return video.getVideoPlaybackQuality?.().droppedVideoFrames ?? null;
}
