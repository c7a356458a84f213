/** What the players of all protocols have in common: state, the frame on screen, events, figures. */

import { Emitter } from './emitter';
import { UnisonoError } from './errors';
import type { RoomEvent, Via } from './events';
import type { Figures, Kinds } from './figures';
import type { Actuator } from './lockstep/actuator';
import { keepClock } from './net/clock';
import { Endpoints, type EndpointChange, type MoveReason } from './net/endpoints';
import { EventFeed } from './net/feed';
import { Mover, type MoveNotice } from './net/moving';
import { parseStream } from './names';
import { Presenter, type Applied } from './presenter';
import { ServerClock } from './time/clock';
import { observeFrames, type Displayed } from './time/frames';
import type { MediaPoint } from './time/point';

export type Protocol = 'webrtc' | 'hls' | 'hls-native';

/**
 * How a player knows which T is on screen. `frame`: frame by frame. `date`: from the date of the playlist, to a few frames. `none`: not at all;
 * the server's clock and the distance to the live edge give an estimate, and the player counts as unsynchronised.
 */
export type Sync = 'frame' | 'date' | 'none';

export type State =
  /** Asking the server, bringing the connection up. */
  | 'connecting'
  /** Nobody publishes this stream now; asking again. */
  | 'waiting'
  | 'playing'
  /** Connected, but no new frame for a while. */
  | 'stalled'
  /** The connection was lost; coming back. */
  | 'reconnecting'
  /** Given up; see the error. */
  | 'failed'
  | 'closed';

/** The displayed frame. */
export interface FrameTime extends MediaPoint {
  readonly rtpTimestamp?: number;
  /** Seconds in the media element's timeline. */
  readonly mediaTime?: number;
  /** `performance.now()` at which this was known. */
  readonly now: number;
  /** `performance.now()` at which it is expected to be visible. */
  readonly expectedDisplayTime: number;
  /** Frames the browser has presented so far; a jump tells of frames we were not told about. */
  readonly presentedFrames?: number;
  /** False where it was estimated (hidden tab, audio only, native HLS). */
  readonly isExact: boolean;
}

export interface Stats {
  readonly protocol: Protocol;
  readonly state: State;
  /** From the frame's arrival at the server to the screen; `null` while the server's clock or T is unknown. */
  readonly latencyMs: number | null;
  /** Half-width of the server clock estimate behind `latencyMs`. */
  readonly latencyErrorMs: number | null;
  readonly t: number | null;
  readonly epoch: number | null;
  readonly isExact: boolean;
  readonly framesPerSecond: number;
  readonly frames: number;
  /** Times playback stood still for more than half a second after it had begun. */
  readonly stalls: number;
  readonly width: number;
  readonly height: number;
  readonly events: { applied: number; late: number; dropped: number; waiting: number };
}

export interface PlayerEvents {
  state: { readonly state: State; readonly words: string };
  frame: FrameTime;
  event: Applied;
  error: UnisonoError;
  /** It goes on at another node: told when it turns there, which may be before that one has given anything. */
  endpoint: EndpointChange;
}

export interface PlayerOptions {
  /** The element to play in. */
  readonly video: HTMLVideoElement;
  /** Where the stream is. */
  readonly url: string;
  /**
   * Nodes that have the same streams under the same paths, `https://host[:port]`: when the one in use dies or sends its viewers away, the player goes
   * on at the next. Left out, the server is asked for them, at the start and now and then; `[]` stays where it is.
   */
  readonly endpoints?: readonly string[];
  /** The node to begin at, where that is not `url`'s: the one that a player before this one had moved to. */
  readonly beginAt?: string;
  /** WebSocket feed of the room; without it there is no latency figure, and native HLS has no events. */
  readonly feedUrl?: string;
  /** `/api/v1/server`, for a better estimate of the server's clock than the feed's greeting gives. */
  readonly clockUrl?: string;
}

/** No new frame for this long counts as standing still. */
const STALL_MS = 500;
/** ... and is told as a state after this long. */
const STALLED_STATE_MS = 2000;

export abstract class Player {
  abstract readonly protocol: Protocol;

  protected readonly video: HTMLVideoElement;
  protected readonly closing = new AbortController();
  protected readonly serverClock = new ServerClock();
  /** The nodes, and the one in use. */
  protected readonly endpoints: Endpoints;

  #emitter = new Emitter<PlayerEvents>();
  #presenter = new Presenter((applied) => this.#emitter.emit('event', applied));
  #feed: EventFeed | null;
  #mover = new Mover(() => this.#moveOn());
  #stopObserving: () => void;
  /** `app/name`, where its address says so. */
  #stream: string | null;
  #state: State = 'connecting';
  #failure: UnisonoError | null = null;
  #frame: FrameTime | null = null;
  /** No frame has been told since playback began. */
  #isFirst = true;
  #frames = 0;
  #stalls = 0;
  #isStanding = true;
  /** New pictures count. Not between sessions: what is left of the old one is not live. */
  #isExpecting = true;
  #lastMoved = performance.now();
  /** Callback times of the last second, for the frame rate. At most 240 a second. */
  #recent: number[] = [];

  constructor({ video, url, endpoints, beginAt, feedUrl, clockUrl }: PlayerOptions) {
    this.video = video;
    this.endpoints = new Endpoints({ home: url, given: endpoints, beginAt });
    this.endpoints.onChange((change) => this.#hasMoved(change));
    this.#stream = streamOf(url);
    void this.endpoints.keep(this.#stream, this.closing.signal);
    const onNotice = (notice: MoveNotice, from: string) => this.noticed(notice, from);
    this.#feed = feedUrl ? new EventFeed(feedUrl, this.serverClock, { onEvent: (event) => this.receive(event, 'feed'), onNotice }, this.endpoints) : null;
    if (clockUrl) void keepClock(this.serverClock, () => this.endpoints.at(clockUrl), this.closing.signal);
    this.#stopObserving = observeFrames(video, {
      onFrame: (displayed) => this.#displayed(displayed),
      onOverdue: (now) => this.#overdue(now),
    });
  }

  /** T of a frame the browser says it displays; `null` while unknown. */
  protected abstract timeOf(displayed: Displayed): MediaPoint | null;

  /** Where playback stands when no frame is announced; `null` if that cannot be told. */
  protected abstract estimate(now: number): Pick<FrameTime, 't' | 'epoch' | 'rtpTimestamp' | 'mediaTime'> | null;

  /** What an expert wants to know, measured since the last call. */
  abstract figures(): Promise<Figures>;

  /** What the stream has; `null` until that is known. */
  abstract kinds(): Kinds | null;

  /** The dial between latency and smoothness, while playing: milliseconds to hold back, or `null` for as few as the protocol allows. */
  abstract set holdBackMs(ms: number | null);

  /** The node it plays from, `https://host[:port]`. */
  get endpoint(): string {
    return this.endpoints.current;
  }

  /** All nodes that it knows of. */
  get nodes(): readonly string[] {
    return this.endpoints.all;
  }

  /** How it knows which T is on screen. */
  get sync(): Sync {
    return 'frame';
  }

  /** What moves its latency for lockstep; `null` where nothing can, and the player stays unsynchronised. */
  actuator(): Actuator | null {
    return null;
  }

  get state(): State {
    return this.#state;
  }

  /** Why it was given up; also for those who begin to listen after that. */
  get failure(): UnisonoError | null {
    return this.#failure;
  }

  on<Name extends keyof PlayerEvents>(name: Name, listener: (value: PlayerEvents[Name]) => void): () => void {
    return this.#emitter.on(name, listener);
  }

  /** The frame on screen. */
  currentT(): FrameTime | null {
    return this.#frame;
  }

  /** The server's clock now, microseconds, estimated from the feed's greeting. */
  serverNow(): number | null {
    return this.serverClock.now();
  }

  stats(): Stats {
    const now = performance.now();
    const frame = this.#frame;
    const server = this.serverClock.now();
    const age = frame ? (now - frame.expectedDisplayTime) * 1000 : 0;
    const isKnown = frame !== null && server !== null;
    return {
      protocol: this.protocol,
      state: this.#state,
      // The server's time when the frame became visible, minus its T.
      latencyMs: isKnown ? (server - age - frame.t) / 1000 : null,
      latencyErrorMs: isKnown ? this.serverClock.error / 1000 : null,
      t: frame?.t ?? null,
      epoch: frame?.epoch ?? null,
      isExact: frame?.isExact ?? false,
      framesPerSecond: this.#recent.filter((at) => at > now - 1000).length,
      frames: this.#frames,
      stalls: this.#stalls,
      width: this.video.videoWidth,
      height: this.video.videoHeight,
      events: this.#presenter.counts,
    };
  }

  /** Stops playback and lets go of everything. The last picture stays in the element only as long as the browser keeps it. */
  async close(): Promise<void> {
    if (this.#state === 'closed') return;
    this.closing.abort();
    this.#mover.cancel();
    this.#stopObserving();
    this.#feed?.close();
    await this.teardown();
    this.moveTo('closed', 'Closed');
  }

  protected abstract teardown(): Promise<void> | void;

  /** Goes on at another node, without a pause where that can be; false where there is none. */
  protected abstract moveAway(why: MoveReason): Promise<boolean>;

  /** A picture or sound came. */
  protected played(): void {}

  /** The node `from` asks its viewers to move, or takes it back. */
  protected noticed(notice: MoveNotice, from: string): void {
    if (notice.type === 'stay') return this.#mover.cancel();
    if (from !== this.endpoints.current) return;
    // A playlist tells that it is drained, and no more.
    if (notice.endpoints.length > 0) this.endpoints.learn(notice.endpoints);
    this.#mover.ask(from, notice.withinMs);
  }

  protected receive(event: RoomEvent, via: Via): void {
    this.#presenter.push(event, via);
  }

  /** Playback begins anew: the next frame is a first frame. */
  protected restart(): void {
    this.#presenter.restart();
    this.#isFirst = true;
    this.#isStanding = true;
    this.#isExpecting = true;
  }

  /** Playback goes on elsewhere, where it was. */
  protected goOn(): void {
    this.#isExpecting = true;
  }

  protected moveTo(state: State, words: string): void {
    if (this.#state === 'closed' || (this.#state === state && state === 'playing')) return;
    this.#state = state;
    if (state === 'waiting' || state === 'reconnecting' || state === 'failed') this.#isExpecting = false;
    this.#emitter.emit('state', { state, words });
  }

  /** Playback itself. What it throws, no code of ours expected: a person is told, and another protocol may do. */
  protected begin(run: () => Promise<void>): void {
    run().catch((error: unknown) => {
      if (this.closing.signal.aborted) return;
      this.fail(new UnisonoError('unsupported', `This player does not work in this browser: ${error instanceof Error ? error.message : String(error)}`));
    });
  }

  protected fail(error: UnisonoError): void {
    this.#failure = error;
    this.moveTo('failed', error.message);
    this.#emitter.emit('error', error);
  }

  /** Muted playback is always allowed; if sound is not, the picture goes on without it. */
  protected async play(): Promise<void> {
    try {
      await this.video.play();
    } catch (error) {
      if ((error as DOMException).name !== 'NotAllowedError') return;
      this.video.muted = true;
      await this.video.play().catch(() => undefined);
    }
  }

  #displayed(displayed: Displayed): void {
    this.#moved(displayed.now);
    this.#frames += 1;
    this.#recent.push(displayed.now);
    if (this.#recent.length > 240 || this.#recent[0]! < displayed.now - 1000) this.#recent.shift();
    const point = this.timeOf(displayed);
    if (!point || this.#isAgain(point)) return;
    this.#show({
      ...point,
      ...(displayed.rtpTimestamp === undefined ? {} : { rtpTimestamp: displayed.rtpTimestamp }),
      mediaTime: displayed.mediaTime,
      now: displayed.now,
      expectedDisplayTime: displayed.expectedDisplayTime,
      presentedFrames: displayed.presentedFrames,
      isExact: this.sync === 'frame',
    });
  }

  /** A browser may hand one picture to its compositor twice: it is told once. */
  #isAgain({ t, epoch }: MediaPoint): boolean {
    const last = this.#frame;
    return !this.#isFirst && last?.isExact === true && last.t === t && last.epoch === epoch;
  }

  #overdue(now: number): void {
    // A visible picture whose frames have been told so far tells the next one, too; an estimate would run ahead of it, and an event
    // would appear on the picture before its own.
    const isTold = this.#frame?.isExact === true && !document.hidden;
    const point = isTold ? null : this.estimate(now);
    if (point && point.t !== this.#frame?.t) {
      this.#moved(now);
      this.#show({ ...point, now, expectedDisplayTime: now, isExact: false });
      return;
    }
    // Stopped by a person: not a stall, and not one afterwards either.
    if (this.video.paused) this.#lastMoved = now;
    const still = now - this.#lastMoved;
    if (still > STALL_MS && !this.#isStanding && !this.video.paused) {
      this.#isStanding = true;
      this.#stalls += 1;
    }
    if (still > STALLED_STATE_MS && this.#state === 'playing') this.moveTo('stalled', 'Waiting for the next picture');
  }

  #moved(now: number): void {
    this.#lastMoved = now;
    this.#isStanding = false;
    this.played();
    if (this.#isExpecting && this.#state !== 'playing') this.moveTo('playing', 'Live');
  }

  /** Which nodes take viewers now: another one may be drained, too, or has been restarted meanwhile. */
  async #moveOn(): Promise<boolean> {
    await this.endpoints.ask(this.#stream, this.closing.signal);
    return !this.closing.signal.aborted && this.moveAway('draining');
  }

  #hasMoved(change: EndpointChange): void {
    this.#mover.cancel();
    this.#emitter.emit('endpoint', change);
  }

  #show(frame: FrameTime): void {
    this.#frame = frame;
    this.#isFirst = false;
    this.#presenter.frame(frame);
    this.#emitter.emit('frame', frame);
  }
}

/** `app/name` of an address of a stream; `null` where it is not one of ours. */
function streamOf(url: string): string | null {
  const path = url.replace(/^\w+:\/\/[^/]+/, '').replace(/^\/t\/[^/]+/, '');
  const stream = parseStream(path.split('?')[0]!);
  return stream && `${stream.app}/${stream.name}`;
}
