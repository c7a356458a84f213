/**
 * The browser's own HLS player, for browsers without MSE. It tells no `prft` and no exact frame time: T is approximate (the playlist's
 * program date), events come by the feed or as timed metadata.
 */

import { Backoff, delay } from '../net/backoff';
import type { MoveReason } from '../net/endpoints';
import { within } from '../net/signals';
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

  constructor(options: PlayerOptions) {
    super(options);
    this.#url = options.url;
    this.begin(() => this.#run());
  }

  override async figures(): Promise<Figures> {
    const unknown = { videoCodec: null, audioCodec: null, bitsPerSecond: null, bufferMs: null, jitterMs: null, loss: null };
    return { ...unknown, roundTripMs: null, droppedFrames: droppedFrames(this.video) };
  }

  /** Of the sound Safari alone tells; elsewhere there is said to be some. */
  override kinds(): Kinds | null {
    const { readyState, videoWidth, audioTracks } = this.video as HTMLVideoElement & { readonly audioTracks?: ArrayLike<unknown> };
    return readyState < HTMLMediaElement.HAVE_METADATA ? null : { video: videoWidth > 0, audio: audioTracks?.length !== 0 };
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

  /** It loads anew, which cannot be unseen: what is loaded is lost with the element's source. */
  protected override moveAway(why: MoveReason): Promise<boolean> {
    const { endpoints } = this;
    if (why === 'lost') endpoints.failed(endpoints.current);
    else endpoints.drained(endpoints.current);
    const to = endpoints.alternative();
    if (to === null) return Promise.resolve(false);
    endpoints.moveTo(to, why);
    this.#load();
    return Promise.resolve(true);
  }

  #load(): void {
    this.restart();
    this.video.src = this.endpoints.at(this.#url);
    void this.play();
  }

  protected override teardown(): void {
    this.video.removeAttribute('src');
    this.video.load();
  }

  async #run(): Promise<void> {
    if (!this.video.canPlayType('application/vnd.apple.mpegurl')) {
      return this.fail(new UnisonoError('unsupported', 'This browser can play neither MSE nor HLS'));
    }
    const { signal } = this.closing;
    // The element may outlive this player: nothing of ours stays on it.
    this.video.textTracks.addEventListener('addtrack', ({ track }) => track?.kind === 'metadata' && this.#readCues(track), { signal });
    const backoff = new Backoff(1000, 8000);
    while (!signal.aborted) {
      const over = new AbortController();
      const ended = new Promise<void>((resolve) => {
        for (const name of ['error', 'ended']) this.video.addEventListener(name, () => resolve(), { signal: over.signal });
        signal.addEventListener('abort', () => resolve(), { signal: over.signal });
      });
      this.#load();
      await ended;
      over.abort();
      if (this.closing.signal.aborted) return;
      if (this.video.error && (await this.#isGone()) && (await this.moveAway('lost'))) {
        this.moveTo('reconnecting', 'Going on at another node');
        continue;
      }
      this.moveTo('waiting', 'Waiting for the stream');
      await delay(backoff.next(), this.closing.signal);
    }
  }

  /** The element does not say whose fault an error is, and a decoder that gives up makes no dead node: the playlist is asked for. */
  async #isGone(): Promise<boolean> {
    const { signal } = this.closing;
    try {
      const { status } = await fetch(this.endpoints.at(this.#url), { signal: within(5000, signal), cache: 'no-store' });
      return status >= 500;
    } catch {
      return !signal.aborted;
    }
  }

  #readCues(track: TextTrack): void {
    track.mode = 'hidden';
    const take = () => {
      for (const { value } of (track.activeCues ?? []) as unknown as DataCue[]) {
        if (value?.key !== 'PRIV' || value.info !== 'unisono' || !value.data) continue;
        for (const event of eventsOfPriv(new Uint8Array(value.data))) this.receive(event, 'emsg');
      }
    };
    track.addEventListener('cuechange', take, { signal: this.closing.signal });
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
