/**
 * The browser's own HLS player, for browsers without MSE. It tells no `prft` and no exact frame time: T is approximate (the playlist's
 * program date), events come by the feed or as timed metadata.
 */

import { Backoff, delay } from '../net/backoff';
import { Player, type FrameTime, type PlayerOptions } from '../player';
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

  /** Never exact here: the frame callback's time says nothing about T. */
  protected override timeOf(): MediaPoint | null {
    return this.estimate();
  }

  protected override estimate(): Pick<FrameTime, 't' | 'epoch'> | null {
    const start = (this.video as HTMLVideoElement & { getStartDate?(): Date }).getStartDate?.().getTime();
    if (start === undefined || Number.isNaN(start)) return null;
    return { t: Math.round((start / 1000 + this.video.currentTime) * 1e6), epoch: 0 };
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
