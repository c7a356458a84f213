/** Watching by LL-HLS: hls.js where there is MSE, else the browser's own player (older Safari on phones). */

import type Hls from 'hls.js';
import type { BufferAppendingData, ErrorData, ManifestLoadedData } from 'hls.js';
import { errorFromResponse, isRefused, UnisonoError } from '../errors';
import { droppedFrames, Growth, type Figures, type Kinds } from '../figures';
import type { Actuator } from '../lockstep/actuator';
import { hlsActuator } from '../lockstep/hls';
import { Backoff, delay } from '../net/backoff';
import { hostOf, type MoveReason } from '../net/endpoints';
import { within } from '../net/signals';
import { Player, type FrameTime, type PlayerOptions } from '../player';
import type { Displayed } from '../time/frames';
import { MediaTimeline } from '../time/media';
import type { MediaPoint } from '../time/point';
import { AnchorReader } from './anchors';
import { FAR_BEHIND_S, lowLatencyConfig, RATE_FAR, RATE_NEAR, SEEK_AHEAD_S, SEEK_BEHIND_S } from './config';
import { eventsOfPart } from './emsg';
import { isPlayable, kindsOfCodecs, kindsOfPlaylist } from './kinds';
import { NativeHlsPlayer } from './native';
import { failoverLoader } from './loader';
import { keepParts } from './parts';
import { Standstill } from './standstill';

export interface WatchHlsOptions extends PlayerOptions {
  /** The multivariant playlist. */
  readonly url: string;
  /** Milliseconds behind the live edge; left out, the playlist says (three parts). */
  readonly holdBackMs?: number;
}

/** Starts watching; the returned player works until it is closed. hls.js is loaded when it is first needed. */
export async function watchHls(options: WatchHlsOptions): Promise<Player> {
  const { default: HlsClass } = await loadHls();
  if (HlsClass.isSupported()) return new HlsPlayer(options, HlsClass);
  return new NativeHlsPlayer(options);
}

/** It is a file of its own, which an update of the server may have replaced, and a browser does not ask twice for what it did not get. */
function loadHls(): Promise<typeof import('hls.js')> {
  return import('hls.js').catch((error: Error) => {
    throw new UnisonoError('network', `The player for LL-HLS could not be loaded (${error.message}); reload the page`);
  });
}

const OVER_EVERY_MS = 1000;
/** A stream of sound alone is asked after so long whether it has a picture by now, and the other way round ... */
const KINDS_SOON_MS = 5000;
/** ... and then ever more seldom, down to this. */
const KINDS_SELDOM_MS = 30_000;
/** How often an ended stream is asked whether it has come back. */
const ENDED_PAUSE_MS = 1500;
const ENDED = 'The stream has ended';
/** How often a node is asked whether it has the stream before one moves there, and how long is waited in between. */
const READY_TRIES = 20;
const READY_PAUSE_MS = 500;

export class HlsPlayer extends Player {
  override readonly protocol = 'hls';

  #options: WatchHlsOptions;
  #Hls: typeof Hls;
  #hls: Hls | null = null;
  #timelines = { video: new MediaTimeline(), audio: new MediaTimeline() };
  #holdBackMs: number | null;
  #isPaced = false;
  #appendedBytes = 0;
  /** The last playback ran to the end of its playlist. */
  #hasEnded = false;
  #growth = new Growth();

  constructor(options: WatchHlsOptions, HlsClass: typeof Hls) {
    super(options);
    this.#options = options;
    this.#holdBackMs = options.holdBackMs ?? null;
    this.#Hls = HlsClass;
    this.begin(() => this.#run());
  }

  /** hls.js at work, for figures. */
  get hls(): Hls | null {
    return this.#hls;
  }

  override async figures(): Promise<Figures> {
    const level = this.#hls?.levels[Math.max(this.#hls.currentLevel, 0)];
    const rate = this.#growth.of('bytes', this.#appendedBytes, performance.now());
    return {
      videoCodec: this.kinds()?.video === false ? null : (level?.videoCodec ?? null),
      audioCodec: level?.audioCodec ?? null,
      bitsPerSecond: rate && (rate.by * 8000) / rate.ms,
      bufferMs: this.aheadMs(),
      jitterMs: null,
      loss: null,
      roundTripMs: null,
      droppedFrames: droppedFrames(this.video),
    };
  }

  override actuator(): Actuator {
    return hlsActuator(this);
  }

  override kinds(): Kinds | null {
    const [video, audio] = [this.#timelines.video.newest !== null, this.#timelines.audio.newest !== null];
    return this.video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA && (video || audio) ? { video, audio } : null;
  }

  override set holdBackMs(ms: number | null) {
    this.#holdBackMs = ms;
    const hls = this.#hls;
    const least = hls?.latestLevelDetails?.partHoldBack;
    if (!hls || !least) return;
    hls.targetLatency = Math.max(ms === null ? 0 : ms / 1000, least);
    // Farther back is reached by a jump, since nobody wants to see slow motion; the way forward is #catchUp's.
    const { liveSyncPosition } = hls;
    if (liveSyncPosition !== null && liveSyncPosition < this.video.currentTime - 0.3) this.video.currentTime = liveSyncPosition;
  }

  /** Somebody else keeps the distance (lockstep): neither hls.js nor this player hurries or jumps by itself. */
  set isPaced(isPaced: boolean) {
    if (this.#isPaced && !isPaced) this.video.playbackRate = 1;
    this.#isPaced = isPaced;
    if (isPaced && this.#hls) this.#hls.config.maxLiveSyncPlaybackRate = 1;
  }

  /** While [`isPaced`]: 1 is as fast as it happened. */
  set playbackRate(rate: number) {
    if (this.#isPaced && this.video.playbackRate !== rate) this.video.playbackRate = rate;
  }

  /** While [`isPaced`]: jumps by `ms`, forwards if positive, not beyond where new pictures come in time. */
  moveBy(ms: number): void {
    const { currentTime, seeking, seekable } = this.video;
    if (!this.#isPaced || seeking || seekable.length === 0) return;
    const most = currentTime + Math.max(this.slackMs() ?? 0, 0) / 1000;
    this.video.currentTime = Math.min(Math.max(currentTime + ms / 1000, seekable.start(0)), most);
  }

  /** How much nearer to live it could be, by the playlist; negative where it is too near. */
  slackMs(): number | null {
    const details = this.#hls?.latestLevelDetails;
    if (!this.#hls || !details) return null;
    return (this.#hls.latency - (details.partHoldBack || details.holdBack || 3 * details.targetduration)) * 1000;
  }

  /** How much is loaded beyond the picture on screen. */
  aheadMs(): number | null {
    const { buffered, currentTime } = this.video;
    return buffered.length ? Math.max(buffered.end(buffered.length - 1) - currentTime, 0) * 1000 : null;
  }

  protected override timeOf({ mediaTime }: Displayed): MediaPoint | null {
    return this.#timelines.video.at(mediaTime) ?? this.#timelines.audio.at(mediaTime);
  }

  protected override estimate(): Pick<FrameTime, 't' | 'epoch' | 'mediaTime'> | null {
    const { currentTime: mediaTime, readyState, paused, seeking } = this.video;
    // A visible picture is announced by itself; in a hidden tab, or with sound alone, the clock of the element leads.
    const isAnnounced = this.#timelines.video.newest !== null && !document.hidden && 'requestVideoFrameCallback' in this.video;
    if (isAnnounced || paused || seeking || readyState < HTMLMediaElement.HAVE_FUTURE_DATA) return null;
    const point = this.timeOf({ mediaTime } as Displayed);
    return point && { ...point, mediaTime };
  }

  /** The next requests are made at another node, once that has the stream as far as it is loaded here. */
  protected override async moveAway(why: MoveReason): Promise<boolean> {
    const { endpoints } = this;
    const from = endpoints.current;
    endpoints.drained(from);
    for (let to = endpoints.alternative(); to !== null; to = endpoints.alternative()) {
      const isReady = await this.#isReadyAt(to);
      if (this.closing.signal.aborted) return false;
      if (endpoints.current !== from) return true;
      if (isReady) {
        endpoints.moveTo(to, why);
        return true;
      }
      endpoints.failed(to);
    }
    return false;
  }

  /** That node lists what is asked for next. Its first viewer makes it pull the stream, which takes a moment. */
  async #isReadyAt(node: string): Promise<boolean> {
    const { signal } = this.closing;
    for (let tries = 0; tries < READY_TRIES; tries += 1) {
      const details = this.#hls?.latestLevelDetails;
      const url = details?.url ?? this.#options.url;
      const answer = await fetch(this.endpoints.on(node, url.split('?')[0]!), { signal: within(5000, signal), cache: 'no-store' }).catch(() => null);
      const first = /^#EXT-X-MEDIA-SEQUENCE:(\d+)/m.exec((await answer?.text().catch(() => '')) ?? '')?.[1];
      // Whoever is loading the last listed segment finds it there as well.
      if (answer?.ok && (!details || (first !== undefined && Number(first) < details.endSN))) return true;
      if (!(await delay(READY_PAUSE_MS, signal))) return false;
    }
    return false;
  }

  protected override teardown(): void {
    this.#hls?.destroy();
    this.#hls = null;
  }

  async #run(): Promise<void> {
    const backoff = new Backoff();
    const signal = this.closing.signal;
    while (!signal.aborted) {
      const waited = await this.#published();
      if (signal.aborted) return;
      if (waited instanceof UnisonoError) return this.fail(waited);
      const startedAt = performance.now();
      const words = await this.#playOnce();
      this.teardown();
      if (signal.aborted) return;
      if (words instanceof UnisonoError) return this.fail(words);
      this.moveTo('reconnecting', words);
      if (performance.now() - startedAt > 10_000) backoff.reset();
      await delay(backoff.next(), signal);
    }
  }

  /** Resolves when there is a playlist; with an error if there never will be. */
  async #published(): Promise<UnisonoError | null> {
    const backoff = new Backoff(500, 5000);
    const signal = this.closing.signal;
    while (!signal.aborted) {
      let pause = backoff.next();
      try {
        const node = this.endpoints.current;
        const response = await fetch(this.endpoints.at(this.#options.url), { signal: within(10_000, signal) });
        if (response.ok && !(this.#hasEnded && (await isClosed(response, signal)))) return null;
        if (response.ok) {
          this.moveTo('waiting', ENDED);
          await delay(ENDED_PAUSE_MS, signal);
          continue;
        }
        const error = await errorFromResponse(response);
        if (isRefused(error) && this.endpoints.refused(node)) return error;
        if (error.kind === 'network' && this.#elsewhere()) continue;
        if (error.kind === 'absent') pause = error.retryAfterMs ?? 1000;
        this.moveTo('waiting', error.message);
      } catch {
        if (!signal.aborted && this.#elsewhere()) continue;
        if (!signal.aborted) this.moveTo('reconnecting', 'The server could not be reached');
      }
      await delay(pause, signal);
    }
    return null;
  }

  /** The node in use does not do: true if another one is worth a try now. */
  #elsewhere(): boolean {
    const from = this.endpoints.current;
    this.endpoints.failed(from);
    const to = this.endpoints.alternative();
    if (to === null) return false;
    this.moveTo('reconnecting', `${hostOf(from)} does not answer; going on at ${hostOf(to)}`);
    this.endpoints.moveTo(to, 'lost');
    return true;
  }

  /** Plays until hls.js gives up; resolves with words, or with an error where another try would end the same way. */
  #playOnce(): Promise<string | UnisonoError> {
    const Hls = this.#Hls;
    const loader = failoverLoader(Hls.DefaultConfig.loader, this.endpoints, (notice, from) => this.noticed(notice, from));
    const hls = new Hls({ ...lowLatencyConfig(this.#holdBackMs ?? undefined), loader });
    this.#hls = hls;
    this.restart();
    this.#timelines.video.clear();
    this.#timelines.audio.clear();
    keepParts(hls, Hls.Events);
    this.#readAppends(hls);
    const catchUp = setInterval(() => this.#catchUp(hls), 500);
    const over = new AbortController();
    return new Promise<string | UnisonoError>((resolve) => {
      let recovered = false;
      let codecs = '';
      hls.on(Hls.Events.MANIFEST_LOADED, (_, { levels }: ManifestLoadedData) => {
        codecs = levels[0]?.attrs?.CODECS ?? '';
        void this.#awaitKinds(kindsOfCodecs(codecs), over.signal).then((kind) => kind && resolve(`The stream has ${kind === 'video' ? 'a picture' : 'sound'} now; starting again`));
      });
      void this.#lookOut(hls, over.signal).then((found) => {
        this.#hasEnded = found === 'over';
        if (found === 'over') resolve(ENDED);
        if (found === 'stuck') resolve('The picture stood still; starting again');
      });
      this.closing.signal.addEventListener('abort', () => resolve('Closed'), { signal: over.signal });
      hls.on(Hls.Events.MANIFEST_PARSED, () => void this.play());
      hls.on(Hls.Events.ERROR, (_, data: ErrorData) => {
        if (!data.fatal) return;
        if (data.details === Hls.ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR) {
          resolve(new UnisonoError('unsupported', `This browser cannot play the stream's codecs by LL-HLS (${codecs})`));
        } else if (data.type === Hls.ErrorTypes.MEDIA_ERROR && !recovered) {
          recovered = true;
          hls.recoverMediaError();
        } else {
          resolve(`Playback was interrupted (${data.details}); coming back`);
        }
      });
      hls.attachMedia(this.video);
      hls.loadSource(this.#options.url);
    }).finally(() => {
      clearInterval(catchUp);
      over.abort();
    });
  }

  /** `over`: what the playlist ended with has been played, or nothing moves and the server has no such stream any more. `stuck`: see [`Standstill`]. */
  async #lookOut(hls: Hls, signal: AbortSignal): Promise<'over' | 'stuck' | null> {
    const standstill = new Standstill();
    while (await delay(OVER_EVERY_MS, signal)) {
      const isClosed = hls.latestLevelDetails?.live === false;
      if (isClosed && (this.video.ended || this.state !== 'playing')) return 'over';
      if (this.state !== 'stalled' || document.hidden) standstill.over();
      if (this.state !== 'stalled') continue;
      const answer = await this.#ask(this.#options.url, signal);
      if (answer?.status === 404) return 'over';
      const playlist = answer?.ok && !document.hidden ? await this.#ask(hls.latestLevelDetails?.url.split('?')[0] ?? '', signal) : null;
      const text = playlist?.ok ? await playlist.text().catch(() => '') : '';
      if (standstill.isStuck(text, performance.now())) return 'stuck';
    }
    return null;
  }

  /**
   * Resolves when the stream has what it had not when playback began: hls.js asks for the multivariant playlist once only. What this browser cannot
   * play is not waited for: starting again would end what plays.
   */
  async #awaitKinds(had: Kinds, signal: AbortSignal): Promise<keyof Kinds | null> {
    if (had.video === had.audio) return null;
    const missing = had.video ? 'audio' : 'video';
    let pause = KINDS_SOON_MS;
    while (await delay(pause, signal)) {
      // Nobody would see it.
      if (missing === 'video' && document.hidden) continue;
      pause = Math.min(pause * 1.3, KINDS_SELDOM_MS);
      const answer = await this.#ask(this.#options.url, signal);
      const playlist = answer?.ok ? await answer.text().catch(() => '') : '';
      if (kindsOfPlaylist(playlist, isPlayable)[missing]) return missing;
    }
    return null;
  }

  /** The same path at the node in use; `null` where nothing is asked or nothing answers. */
  async #ask(url: string, signal: AbortSignal): Promise<Response | null> {
    if (url === '') return null;
    return fetch(this.endpoints.at(url), { signal: within(10_000, signal), cache: 'no-store' }).catch(() => null);
  }

  #readAppends(hls: Hls): void {
    const readers = { video: new AnchorReader(), audio: new AnchorReader() };
    hls.on(this.#Hls.Events.BUFFER_APPENDING, (_, { type, data, offset, frag, part }: BufferAppendingData) => {
      const kind = type === 'audio' ? 'audio' : 'video';
      this.#appendedBytes += data.byteLength;
      for (const anchor of readers[kind].read(data, offset ?? 0, part?.url ?? frag.url)) this.#timelines[kind].add(anchor);
      for (const event of eventsOfPart(data)) this.receive(event, 'emsg');
    });
  }

  #catchUp(hls: Hls): void {
    if (this.#isPaced) {
      hls.config.maxLiveSyncPlaybackRate = 1;
      return;
    }
    const { latency, targetLatency, liveSyncPosition, latestLevelDetails } = hls;
    if (!latestLevelDetails?.live || this.video.paused || this.video.seeking || targetLatency === null || liveSyncPosition === null) return;
    const behind = latency - targetLatency;
    hls.config.maxLiveSyncPlaybackRate = behind > FAR_BEHIND_S ? RATE_FAR : RATE_NEAR;
    if (behind > SEEK_BEHIND_S && liveSyncPosition > this.video.currentTime) this.video.currentTime = liveSyncPosition;
    // Too close for what was asked: a stream that had just begun was joined at its start.
    const isTooClose = this.#holdBackMs !== null && behind < -SEEK_AHEAD_S;
    if (isTooClose && liveSyncPosition < this.video.currentTime - SEEK_AHEAD_S) this.video.currentTime = liveSyncPosition;
  }
}

/** True if the stream behind a multivariant playlist is over: its playlists end with EXT-X-ENDLIST for a while before they go. */
async function isClosed(multivariant: Response, signal: AbortSignal): Promise<boolean> {
  const first = (await multivariant.text()).split('\n').find((line) => line.trim() !== '' && !line.startsWith('#'));
  if (!first) return false;
  const media = await fetch(new URL(first.trim(), multivariant.url), { signal, cache: 'no-store' });
  return media.ok && /^#EXT-X-ENDLIST/m.test(await media.text());
}
