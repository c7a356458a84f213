/** Watching by WebRTC (WHEP): joins, waits for a publisher, comes back after a loss. */

import { UnisonoError } from '../errors';
import type { Figures, Kinds } from '../figures';
import type { Actuator } from '../lockstep/actuator';
import { webRtcActuator } from '../lockstep/webrtc';
import { Backoff, delay } from '../net/backoff';
import { Player, type FrameTime, type PlayerOptions } from '../player';
import type { Displayed } from '../time/frames';
import type { MediaPoint } from '../time/point';
import { RtpTimeline } from '../time/rtp';
import { parseControl } from './control';
import { endSession, exchange } from './exchange';
import { ReceiveMeter } from './figures';
import { watchLink, type Lost } from './link';
import { restartIce } from './restart';
import { h264First, preferStereo } from './sdp';

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

/** How a session ended, and so what comes next. */
type Outcome =
  | { readonly next: 'again'; readonly words: string; readonly wasUp: boolean }
  | { readonly next: 'wait'; readonly words: string; readonly pauseMs: number }
  | { readonly next: 'stop'; readonly error: UnisonoError };

const ABS_CAPTURE_TIME = 'http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time';
/** Milliseconds from 1900 to 1970: `captureTimestamp` counts from the former. */
const NTP_TO_UNIX_MS = 2_208_988_800_000;

/** Starts watching; the returned player works until it is closed. */
export function watchWebRtc(options: WatchWebRtcOptions): WebRtcPlayer {
  return new WebRtcPlayer(options);
}

export class WebRtcPlayer extends Player {
  override readonly protocol = 'webrtc';

  #options: WatchWebRtcOptions;
  #pc: RTCPeerConnection | null = null;
  #session: string | null = null;
  #timelines = { video: new RtpTimeline(), audio: new RtpTimeline() };
  #epoch = 0;
  /** When this session's first mapping came. */
  #mappedAt = Infinity;
  #unreachable = 0;
  #jitterBufferMs: number | null;
  #meter = new ReceiveMeter();

  constructor(options: WatchWebRtcOptions) {
    super(options);
    this.#options = options;
    this.#jitterBufferMs = options.jitterBufferMs ?? null;
    void this.#run();
  }

  /** The connection of the moment, for figures (`getStats`). */
  get peerConnection(): RTCPeerConnection | null {
    return this.#pc;
  }

  /** Turns the dial while playing; `null` leaves it to the browser. Raise in steps of 100 ms or less for no visible pause. */
  override set holdBackMs(ms: number | null) {
    this.#jitterBufferMs = ms;
    for (const receiver of this.#pc?.getReceivers() ?? []) setJitterBuffer(receiver, ms);
  }

  override async figures(): Promise<Figures> {
    return this.#meter.read(((await this.#pc?.getStats()) ?? new Map()) as ReadonlyMap<string, unknown>);
  }

  override actuator(): Actuator {
    return webRtcActuator(this);
  }

  override kinds(): Kinds | null {
    const [video, audio] = [this.#timelines.video.isMapped, this.#timelines.audio.isMapped];
    // The other kind's mapping follows the first at once, if there is one.
    return performance.now() - this.#mappedAt < 1000 ? null : { video, audio };
  }

  protected override timeOf({ rtpTimestamp }: Displayed): MediaPoint | null {
    if (rtpTimestamp !== undefined) return this.#timelines.video.at(rtpTimestamp);
    return this.#fromSource(this.#source('video'), 'video');
  }

  protected override estimate(): Pick<FrameTime, 't' | 'epoch' | 'rtpTimestamp'> | null {
    // A visible picture that stands still is a stall, whatever the sound does. A hidden or absent one is not drawn: then sound leads.
    const kind = this.#hasPicture() && !document.hidden ? 'video' : 'audio';
    const source = this.#source(kind);
    const point = this.#fromSource(source, kind);
    return point && source ? { ...point, rtpTimestamp: source.rtpTimestamp } : null;
  }

  protected override teardown(): void {
    this.#leave();
    this.video.srcObject = null;
  }

  async #run(): Promise<void> {
    if (typeof RTCPeerConnection === 'undefined') {
      return this.fail(new UnisonoError('unsupported', 'This browser has no WebRTC'));
    }
    const backoff = new Backoff();
    while (!this.closing.signal.aborted) {
      const outcome = await this.#sessionOnce();
      this.#leave();
      if (this.closing.signal.aborted) return;
      if (outcome.next === 'stop') return this.fail(outcome.error);
      if (outcome.next === 'wait') {
        this.moveTo('waiting', outcome.words);
        backoff.reset();
        await delay(outcome.pauseMs, this.closing.signal);
      } else {
        this.moveTo('reconnecting', outcome.words);
        if (outcome.wasUp) backoff.reset();
        await delay(backoff.next(), this.closing.signal);
      }
    }
  }

  async #sessionOnce(): Promise<Outcome> {
    const over = new AbortController();
    const pc = this.#open();
    const ended = this.#listen(pc);
    const signal = AbortSignal.any([this.closing.signal, over.signal]);
    const link = watchLink(pc, signal, () => restartIce(pc, this.#session ?? '', { signal, amend: preferStereo }));
    try {
      const { session } = await exchange(pc, this.#options.url, { signal: this.closing.signal, amend: preferStereo });
      this.#session = session;
      let wasUp = false;
      void link.up.then(() => {
        wasUp = true;
        this.#unreachable = 0;
      });
      const why = await Promise.race([link.lost, ended]);
      return this.#outcome(why, wasUp);
    } catch (error) {
      return this.#outcomeOfError(error);
    } finally {
      over.abort();
    }
  }

  #outcome(why: Lost | { readonly reason: string }, wasUp: boolean): Outcome {
    if (typeof why === 'object') return { next: 'wait', words: why.reason, pauseMs: 500 };
    if (why === 'unreachable') return this.#notReached('The server answered, but its media port cannot be reached from here');
    return { next: 'again', words: 'The connection was lost; coming back', wasUp };
  }

  #outcomeOfError(error: unknown): Outcome {
    if (!(error instanceof UnisonoError)) {
      return { next: 'stop', error: new UnisonoError('unsupported', `WebRTC does not work in this browser: ${(error as Error).message}`) };
    }
    const { kind, message, status, retryAfterMs } = error;
    if (kind === 'absent') {
      // Ours always says when to come again; any other 404 means that there is no WHEP here.
      if (retryAfterMs === undefined) return { next: 'stop', error: new UnisonoError('not-acceptable', 'This server does not offer WebRTC', status) };
      return { next: 'wait', words: message, pauseMs: retryAfterMs };
    }
    // Full, or going down.
    if (status === 503) return this.#notReached(message);
    if (kind === 'network') return { next: 'again', words: message, wasUp: false };
    return { next: 'stop', error };
  }

  #notReached(words: string): Outcome {
    this.#unreachable += 1;
    if (this.#unreachable < (this.#options.unreachableTries ?? Infinity)) return { next: 'again', words, wasUp: false };
    return { next: 'stop', error: new UnisonoError('unreachable', words) };
  }

  #open(): RTCPeerConnection {
    const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    this.#pc = pc;
    this.#timelines.video.clear();
    this.#timelines.audio.clear();
    this.#mappedAt = Infinity;
    const stream = new MediaStream();
    for (const kind of ['video', 'audio'] as const) {
      const transceiver = pc.addTransceiver(kind, { direction: 'recvonly', streams: [stream] });
      negotiateCaptureTime(transceiver);
      if (kind === 'video') preferH264(transceiver);
      setJitterBuffer(transceiver.receiver, this.#jitterBufferMs);
    }
    pc.ontrack = ({ track, receiver }) => {
      stream.addTrack(track);
      setJitterBuffer(receiver, this.#jitterBufferMs);
    };
    // The old picture stays until the new one can come.
    pc.addEventListener('connectionstatechange', () => {
      if (pc.connectionState !== 'connected' || this.video.srcObject === stream || pc !== this.#pc) return;
      this.restart();
      this.video.srcObject = stream;
      void this.play();
    });
    return pc;
  }

  /** Resolves when the server says that the session is over. */
  #listen(pc: RTCPeerConnection): Promise<{ readonly reason: string }> {
    const channel = pc.createDataChannel('unisono', { ordered: true });
    return new Promise((resolve) => {
      channel.onclose = () => resolve({ reason: 'The server ended the session' });
      channel.onmessage = ({ data }) => {
        const control = parseControl(data);
        if (control?.type === 'mapping') {
          this.#timelines[control.mapping.kind].add(control.mapping);
          this.#mappedAt = Math.min(this.#mappedAt, performance.now());
          this.#epoch = Math.max(this.#epoch, control.mapping.epoch);
        } else if (control?.type === 'events') {
          for (const event of control.events) this.receive(event, 'datachannel');
        } else if (control?.type === 'end') {
          resolve({ reason: control.reason });
        }
      };
    });
  }

  /** Until a second after the first mapping, a picture may still come. */
  #hasPicture(): boolean {
    return this.#timelines.video.isMapped || performance.now() - this.#mappedAt < 1000;
  }

  #leave(): void {
    endSession(this.#session);
    this.#session = null;
    this.#pc?.close();
    this.#pc = null;
  }

  #source(kind: 'video' | 'audio'): (RTCRtpSynchronizationSource & { captureTimestamp?: number }) | null {
    const receiver = this.#pc?.getReceivers().find(({ track }) => track.kind === kind);
    return receiver?.getSynchronizationSources?.()[0] ?? null;
  }

  #fromSource(source: (RTCRtpContributingSource & { captureTimestamp?: number }) | null, kind: 'video' | 'audio'): MediaPoint | null {
    if (!source) return null;
    const point = this.#timelines[kind].at(source.rtpTimestamp);
    if (point) return point;
    // No mapping (the data channel is not up yet): the server rewrites abs-capture-time to T.
    if (!source.captureTimestamp || !this.#epoch) return null;
    return { t: Math.round((source.captureTimestamp - NTP_TO_UNIX_MS) * 1000), epoch: this.#epoch };
  }
}

/** Chromium leaves the extension out of its offers unless asked. */
function negotiateCaptureTime(transceiver: RTCRtpTransceiver): void {
  const extended = transceiver as RTCRtpTransceiver & {
    getHeaderExtensionsToNegotiate?(): { uri: string; direction: RTCRtpTransceiverDirection }[];
    setHeaderExtensionsToNegotiate?(extensions: { uri: string; direction: RTCRtpTransceiverDirection }[]): void;
  };
  const extensions = extended.getHeaderExtensionsToNegotiate?.();
  const wanted = extensions?.find(({ uri }) => uri === ABS_CAPTURE_TIME);
  if (!extensions || !wanted) return;
  wanted.direction = 'sendrecv';
  try {
    extended.setHeaderExtensionsToNegotiate?.(extensions);
  } catch {
    // The mapping over the data channel does not need it.
  }
}

function preferH264(transceiver: RTCRtpTransceiver): void {
  const codecs = RTCRtpReceiver.getCapabilities?.('video')?.codecs;
  if (!codecs) return;
  try {
    transceiver.setCodecPreferences?.(h264First(codecs));
  } catch {
    // The server picks what it has.
  }
}

function setJitterBuffer(receiver: RTCRtpReceiver, ms: number | null): void {
  if ('jitterBufferTarget' in receiver) receiver.jitterBufferTarget = ms === null ? null : Math.min(Math.max(ms, 0), 4000);
}
