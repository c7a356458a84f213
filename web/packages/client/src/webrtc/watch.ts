/** Watching by WebRTC (WHEP): joins, waits for a publisher, comes back after a loss, moves to another node before or after this one is gone. */

import { isRefused, UnisonoError } from '../errors';
import type { Figures, Kinds } from '../figures';
import type { Actuator } from '../lockstep/actuator';
import { webRtcActuator } from '../lockstep/webrtc';
import { Backoff, delay } from '../net/backoff';
import { hostOf, type MoveReason } from '../net/endpoints';
import { isThere, watchNode } from '../net/liveness';
import { anySignal } from '../net/signals';
import { Player, type FrameTime, type PlayerOptions } from '../player';
import type { Displayed } from '../time/frames';
import type { MediaPoint } from '../time/point';
import { ReceiveMeter } from './figures';
import type { Lost } from './link';
import { WatchSession, type SessionEnd } from './session';

export interface WatchWebRtcOptions extends PlayerOptions {
  /** WHEP endpoint. */
  readonly url: string;
  /**
   * The dial between latency and smoothness: milliseconds the jitter buffer aims at, 0 to 4000. Left out, the browser decides (lowest that
   * the network allows).
   */
  readonly jitterBufferMs?: number;
  /** How often to try where the server is full or no media path comes up; default: for ever. 1 lets a caller fall to another protocol soon. */
  readonly unreachableTries?: number;
}

/** What comes after a session. `elsewhere`: another node may do better. */
type Outcome =
  | { readonly next: 'again'; readonly words: string; readonly wasUp: boolean; readonly elsewhere: boolean }
  | { readonly next: 'wait'; readonly words: string; readonly pauseMs: number; readonly elsewhere: boolean }
  | { readonly next: 'stop'; readonly error: UnisonoError; readonly elsewhere: boolean };

/** A session at another node that shows nothing by then is given up. */
const HEIR_MS = 5000;
/** How often it is looked whether its picture has come. */
const LOOK_MS = 10;
/** A new picture that stays behind the one on screen for so long takes over all the same. */
const BEHIND_MS = 2000;
/** So many signs of life of a node that was taken for dead, and it goes on: fewer may be what its jitter buffer still had. */
const BACK_SIGNS = 10;
/** Frames of the session before may still be told for so long. */
const OLD_FRAMES_MS = 2000;

/** Starts watching; the returned player works until it is closed. */
export function watchWebRtc(options: WatchWebRtcOptions): WebRtcPlayer {
  return new WebRtcPlayer(options);
}

export class WebRtcPlayer extends Player {
  override readonly protocol = 'webrtc';

  #options: WatchWebRtcOptions;
  /** Whose picture is shown. */
  #session: WatchSession | null = null;
  /** The one before, for a moment after a move. */
  #before: { readonly session: WatchSession; readonly until: number } | null = null;
  /** A move under way. */
  #moving: Promise<boolean> | null = null;
  #hasPlayed = false;
  #unreachable = 0;
  #jitterBufferMs: number | null;
  #meter = new ReceiveMeter();

  constructor(options: WatchWebRtcOptions) {
    super(options);
    this.#options = options;
    this.#jitterBufferMs = options.jitterBufferMs ?? null;
    this.begin(() => this.#run());
  }

  /** The connection of the moment, for figures (`getStats`). */
  get peerConnection(): RTCPeerConnection | null {
    return this.#session?.pc ?? null;
  }

  /** What the dial is at. */
  override get holdBackMs(): number | null {
    return this.#jitterBufferMs;
  }

  /** Turns the dial while playing; `null` leaves it to the browser. Raise in steps of 100 ms or less for no visible pause. */
  override set holdBackMs(ms: number | null) {
    this.#jitterBufferMs = ms;
    this.#session?.holdBack(ms);
  }

  override async figures(): Promise<Figures> {
    return this.#meter.read(((await this.#session?.pc.getStats()) ?? new Map()) as ReadonlyMap<string, unknown>);
  }

  override actuator(): Actuator {
    return webRtcActuator(this);
  }

  override kinds(): Kinds | null {
    const session = this.#session;
    return session?.hasKinds ? session.isMapped : null;
  }

  protected override timeOf({ rtpTimestamp }: Displayed): MediaPoint | null {
    const session = this.#session;
    if (rtpTimestamp === undefined || !session) return session?.newest('video') ?? null;
    const point = session.at('video', rtpTimestamp);
    return this.#before && performance.now() < this.#before.until ? this.#afterMove(point, rtpTimestamp, this.#before.session) : point;
  }

  protected override estimate(): Pick<FrameTime, 't' | 'epoch' | 'rtpTimestamp'> | null {
    // A visible picture that stands still is a stall, whatever the sound does. A hidden or absent one is not drawn: then sound leads.
    const kind = this.#session?.hasPicture && !document.hidden ? 'video' : 'audio';
    const point = this.#session?.newest(kind) ?? null;
    // A node that is farther away has its newest picture a moment behind what was shown: T stands still until then.
    const shown = this.#before && this.currentT();
    return point && shown && point.t <= shown.t ? null : point;
  }

  protected override teardown(): void {
    this.#leave();
    this.video.srcObject = null;
  }

  protected override moveAway(why: MoveReason): Promise<boolean> {
    const session = this.#session;
    return session ? this.#move(session, why) : Promise.resolve(false);
  }

  async #run(): Promise<void> {
    if (typeof RTCPeerConnection === 'undefined') {
      return this.fail(new UnisonoError('unsupported', 'This browser has no WebRTC'));
    }
    const { signal } = this.closing;
    const backoff = new Backoff();
    let session = this.#enter(this.endpoints.current);
    while (!signal.aborted) {
      const end = await session.over;
      await this.#moving;
      if (signal.aborted) return;
      if (this.#session && this.#session !== session) {
        session = this.#session;
        backoff.reset();
        continue;
      }
      this.#leave();
      const outcome = this.#unlessElsewhere(this.#outcome(end), session.node);
      const to = outcome.elsewhere ? this.#elsewhere(session.node) : null;
      if (to === null) {
        if (outcome.next === 'stop') return this.fail(outcome.error);
        await this.#rest(outcome, backoff);
        if (signal.aborted) return;
      }
      session = this.#enter(to ?? this.endpoints.current);
    }
  }

  async #rest(outcome: Exclude<Outcome, { next: 'stop' }>, backoff: Backoff): Promise<void> {
    this.moveTo(outcome.next === 'wait' ? 'waiting' : 'reconnecting', outcome.words);
    if (outcome.next === 'wait' || outcome.wasUp) backoff.reset();
    await delay(outcome.next === 'wait' ? outcome.pauseMs : backoff.next(), this.closing.signal);
  }

  /** Another node, where there is one worth a try. */
  #elsewhere(from: string): string | null {
    this.endpoints.failed(from);
    const to = this.endpoints.alternative();
    if (to === null) return null;
    this.moveTo('reconnecting', `${hostOf(from)} does not answer; going on at ${hostOf(to)}`);
    this.endpoints.moveTo(to, 'lost');
    return to;
  }

  /** The refusal of a node that never let us in ends nothing. */
  #unlessElsewhere(outcome: Outcome, node: string): Outcome {
    const isRefusal = outcome.next === 'stop' && isRefused(outcome.error);
    return !isRefusal || this.endpoints.refused(node) ? outcome : { next: 'again', words: outcome.error.message, wasUp: false, elsewhere: false };
  }

  #outcome(end: SessionEnd): Outcome {
    if ('reason' in end) {
      // It said why: whether it is there still, the next try tells. What has ended here has ended everywhere.
      this.#hasPlayed = false;
      return { next: 'wait', words: end.reason, pauseMs: this.endpoints.alternative() === null ? 500 : 100, elsewhere: false };
    }
    if ('error' in end) return this.#outcomeOfError(end.error);
    const { lost, wasUp }: { lost: Lost; wasUp: boolean } = end;
    if (lost === 'unreachable') return this.#notReached('The server answered, but its media port cannot be reached from here');
    return { next: 'again', words: 'The connection was lost; coming back', wasUp, elsewhere: true };
  }

  #outcomeOfError(error: UnisonoError | Error): Outcome {
    if (!(error instanceof UnisonoError)) {
      const words = `WebRTC does not work in this browser: ${error.message}`;
      return { next: 'stop', error: new UnisonoError('unsupported', words), elsewhere: false };
    }
    const { kind, message, status, retryAfterMs } = error;
    if (kind === 'absent') {
      // Ours always says when to come again; any other 404 means that there is no WHEP here.
      if (retryAfterMs === undefined) return { next: 'stop', error: new UnisonoError('not-acceptable', 'This server does not offer WebRTC', status), elsewhere: false };
      // It was there a moment ago: this node may have lost its upstream, which another has not.
      return { next: 'wait', words: message, pauseMs: retryAfterMs, elsewhere: this.#hasPlayed };
    }
    // Full, or going down.
    if (status === 503) return this.#notReached(message);
    if (kind === 'network') return { next: 'again', words: message, wasUp: false, elsewhere: true };
    return { next: 'stop', error, elsewhere: false };
  }

  #notReached(words: string): Outcome {
    this.#unreachable += 1;
    if (this.#unreachable < (this.#options.unreachableTries ?? Infinity)) return { next: 'again', words, wasUp: false, elsewhere: true };
    return { next: 'stop', error: new UnisonoError('unreachable', words), elsewhere: true };
  }

  /** A new session, shown as soon as it is up. */
  #enter(node: string): WatchSession {
    const session = this.#make(node, false);
    this.#session = session;
    this.#before = null;
    // The old picture stays until the new one can come.
    session.pc.addEventListener('connectionstatechange', () => {
      if (session.pc.connectionState !== 'connected' || this.video.srcObject === session.stream || session !== this.#session) return;
      this.restart();
      this.video.srcObject = session.stream;
      void this.play();
    });
    this.#lookAfter(session);
    return session;
  }

  #make(node: string, isUrgent: boolean): WatchSession {
    const url = this.endpoints.on(node, this.#options.url);
    const session: WatchSession = new WatchSession(
      { url, node, jitterBufferMs: this.#jitterBufferMs, isUrgent },
      { onEvent: (event) => this.receive(event, 'datachannel'), onNotice: (notice) => this.noticed(notice, node) },
    );
    void session.up.then(() => {
      this.#unreachable = 0;
      this.endpoints.worked(node);
    });
    return session;
  }

  /** Moves as soon as nothing comes from its node and nobody answers there. */
  #lookAfter(session: WatchSession): void {
    const over = new AbortController();
    void session.over.finally(() => over.abort());
    const signal = anySignal(over.signal, this.closing.signal);
    const canMove = () => navigator.onLine !== false && session === this.#session && this.endpoints.alternative() !== null;
    const watched = {
      sign: () => session.sign(),
      probe: async () => !canMove() || isThere(session.node, signal),
      onDead: async () => void (await this.#move(session, 'lost')),
    };
    void watchNode(watched, signal);
  }

  /** A second session at another node takes over at its first picture beyond the one on screen; until then the first one goes on as it can. */
  #move(from: WatchSession, why: MoveReason): Promise<boolean> {
    if (this.#moving || from !== this.#session) return Promise.resolve(false);
    // A browser with very many connections makes no further one: then nobody moves.
    const found = this.#findHeir(from, why).catch(() => false);
    this.#moving = found.finally(() => (this.#moving = null));
    return this.#moving;
  }

  async #findHeir(from: WatchSession, why: MoveReason): Promise<boolean> {
    if (why === 'lost') this.endpoints.failed(from.node);
    else this.endpoints.drained(from.node);
    for (let to = this.endpoints.alternative(); to !== null; to = this.endpoints.alternative()) {
      const heir = this.#make(to, why === 'lost');
      const now = await this.#await(heir, why === 'lost' ? from : null);
      if (now === 'heir' && from === this.#session && !this.closing.signal.aborted) {
        this.#show(heir, from, why);
        return true;
      }
      heir.close();
      if (now === 'back') this.endpoints.worked(from.node);
      if (now === 'back' || this.closing.signal.aborted || from !== this.#session) return false;
      this.endpoints.failed(to);
    }
    return false;
  }

  /** `heir`: its newest picture comes after what is shown. `back`: `lost` goes on after all, and nobody needs another. */
  async #await(heir: WatchSession, lost: WatchSession | null): Promise<'heir' | 'back' | 'neither'> {
    const over = new AbortController();
    void heir.over.finally(() => over.abort());
    const signal = anySignal(over.signal, this.closing.signal);
    const kind = this.#session?.hasPicture ? 'video' : 'audio';
    const giveUp = performance.now() + HEIR_MS;
    let since = Infinity;
    let [sign, signs] = [lost?.sign() ?? null, 0];
    while (await delay(LOOK_MS, signal)) {
      const now = performance.now();
      if (lost && lost.sign() !== sign) [sign, signs] = [lost.sign(), signs + 1];
      if (signs >= BACK_SIGNS) return 'back';
      const point = heir.newest(kind);
      if (point) {
        since = Math.min(since, now);
        if (point.t > (this.currentT()?.t ?? 0) || now - since > BEHIND_MS) return 'heir';
      }
      if (now > giveUp) return 'neither';
    }
    return 'neither';
  }

  #show(heir: WatchSession, from: WatchSession, why: MoveReason): void {
    this.#session = heir;
    this.#before = { session: from, until: performance.now() + OLD_FRAMES_MS };
    // Tracks change places within the stream that plays: the element keeps its last picture until the next one, which another stream would not.
    const shown = this.video.srcObject;
    if (shown instanceof MediaStream) {
      const old = shown.getTracks();
      for (const track of heir.stream.getTracks()) shown.addTrack(track);
      for (const track of old) shown.removeTrack(track);
    } else {
      this.video.srcObject = heir.stream;
      void this.play();
    }
    heir.holdBack(this.#jitterBufferMs);
    from.close();
    this.goOn();
    this.endpoints.moveTo(heir.node, why);
    this.#lookAfter(heir);
  }

  /** Nothing is told twice or backwards: right after a move a frame may be of either session, whose RTP times have nothing in common. */
  #afterMove(point: MediaPoint | null, rtpTimestamp: number, before: WatchSession): MediaPoint | null {
    const shown = this.currentT();
    if (!shown) return point;
    const expected = shown.t + (performance.now() - shown.now) * 1000;
    const distance = (one: MediaPoint | null) => (one ? Math.abs(one.t - expected) : Infinity);
    const old = before.at('video', rtpTimestamp);
    const nearest = distance(old) < distance(point) ? old : point;
    return nearest && nearest.t > shown.t ? nearest : null;
  }

  #leave(): void {
    this.#session?.close();
    this.#session = null;
  }

  protected override played(): void {
    this.#hasPlayed = true;
  }
}
