/**
 * The browser's own HLS player, for browsers without MSE. It tells no `prft` and no exact frame time: T is approximate (the playlist's
 * program date), events come by the feed or as timed metadata.
 */

import { Backoff, delay } from '../net/backoff';
import { Player, type FrameTime, type PlayerOptions, type Sync } from '../player';
import { UnisonoError } from '../errors';
import { droppedFrames, type Figures, type Kinds } from '../figures';
import type { MediaPoint } from '../time/point';
import { eventsOfPriv } from './emsg';

interface DataCue extends TextTrackCue {
  readonly value?: { readonly key?: string; readonly info?: string; readonly data?: ArrayBuffer };
}

export class NativeHlsPlayer extends Player {
  override readonly protocol = 'hls-native';

  #url: string;

  constructor(options: PlayerOptions & { readonly url: string }) {
    super(options);
    this.#url = options.url;
    void this.#run();
  }

  override async figures(): Promise<Figures> {
    const unknown = { videoCodec: null, audioCodec: null, bitsPerSecond: null, bufferMs: null, jitterMs: null, loss: null };
    return { ...unknown, roundTripMs: null, droppedFrames: droppedFrames(this.video) };
  }

  /** It tells of the picture only. */
  override kinds(): Kinds | null {
    return this.video.readyState < HTMLMediaElement.HAVE_METADATA ? null : { video: this.video.videoWidth > 0, audio: true };
  }

  /** The browser keeps its own distance. */
  override set holdBackMs(_: number | null) {}

  override get sync(): Sync {
    return this.#startDate() === null ? 'none' : 'date';
  }

  /** Never exact here: the frame callback's time says nothing about T. */
  protected override timeOf(): MediaPoint | null {
    return this.estimate();
  }

  protected override estimate(): Pick<FrameTime, 't' | 'epoch'> | null {
    const start = this.#startDate();
    const t = start === null ? estimateT(this.serverNow(), this.video) : Math.round((start / 1000 + this.video.currentTime) * 1e6);
    return t === null ? null : { t, epoch: 0 };
  }

  /** Unix milliseconds of the element's position 0, where the browser tells (Safari). */
  #startDate(): number | null {
    const start = (this.video as HTMLVideoElement & { getStartDate?(): Date }).getStartDate?.().getTime();
    return start === undefined || Number.isNaN(start) ? null : start;
  }

  protected override teardown(): void {
    this.video.removeAttribute('src');
    this.video.load();
  }

  async #run(): Promise<void> {
    if (!this.video.canPlayType('application/vnd.apple.mpegurl')) {
      return this.fail(new UnisonoError('unsupported', 'This browser can play neither MSE nor HLS'));
    }
    this.video.textTracks.addEventListener('addtrack', ({ track }) => track?.kind === 'metadata' && this.#readCues(track));
    const backoff = new Backoff(1000, 8000);
    while (!this.closing.signal.aborted) {
      const ended = new Promise<void>((resolve) => {
        for (const name of ['error', 'ended']) this.video.addEventListener(name, () => resolve(), { once: true });
        this.closing.signal.addEventListener('abort', () => resolve(), { once: true });
      });
      this.restart();
      this.video.src = this.#url;
      void this.play();
      await ended;
      if (this.closing.signal.aborted) return;
      this.moveTo('waiting', 'Waiting for the stream');
      await delay(backoff.next(), this.closing.signal);
    }
  }

  #readCues(track: TextTrack): void {
    track.mode = 'hidden';
    track.addEventListener('cuechange', () => {
      for (const { value } of (track.activeCues ?? []) as unknown as DataCue[]) {
        if (value?.key !== 'PRIV' || value.info !== 'unisono' || !value.data) continue;
        for (const event of eventsOfPriv(new Uint8Array(value.data))) this.receive(event, 'emsg');
      }
    });
  }
}

/**
 * T on screen where nothing tells it: live is as new as the server's clock, and the picture is behind live by what the playlist holds beyond
 * it. Early rather than late by what packaging takes, about a segment. Microseconds.
 */
export function estimateT(serverNow: number | null, { seekable, currentTime, paused }: Pick<HTMLVideoElement, 'seekable' | 'currentTime' | 'paused'>): number | null {
  if (serverNow === null || paused || seekable.length === 0) return null;
  const behind = seekable.end(seekable.length - 1) - currentTime;
  return Number.isFinite(behind) ? Math.round(serverNow - Math.max(behind, 0) * 1e6) : null;
}
