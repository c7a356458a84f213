/** One WHEP session of a player: its connection, what it says, and which T its frames have. A player has two of them while it moves. */

import type { UnisonoError } from '../errors';
import type { RoomEvent } from '../events';
import type { MoveNotice } from '../net/moving';
import { anySignal } from '../net/signals';
import { RtpTimeline } from '../time/rtp';
import type { MediaPoint } from '../time/point';
import { parseControl } from './control';
import { endSession, exchange } from './exchange';
import { watchLink, type Lost } from './link';
import { restartIce } from './restart';
import { h264First, preferStereo } from './sdp';

/** How it ended. */
export type SessionEnd = { readonly lost: Lost; readonly wasUp: boolean } | { readonly reason: string } | { readonly error: UnisonoError | Error };

export interface SessionListener {
  onEvent(event: RoomEvent): void;
  /** The node asks its viewers to move, or takes it back. */
  onNotice(notice: MoveNotice): void;
}

export interface SessionOptions {
  /** WHEP endpoint. */
  readonly url: string;
  /** The node it is at, `https://host[:port]`. */
  readonly node: string;
  readonly jitterBufferMs: number | null;
  /** A picture stands still until this session shows the next one. */
  readonly isUrgent: boolean;
}

type Kind = 'video' | 'audio';
type Source = RTCRtpSynchronizationSource & { captureTimestamp?: number };

const ABS_CAPTURE_TIME = 'http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time';
/** Milliseconds from 1900 to 1970: `captureTimestamp` counts from the former. */
const NTP_TO_UNIX_MS = 2_208_988_800_000;
/** The other kind's mapping follows the first at once, if there is one. */
const KINDS_MS = 1000;

export class WatchSession {
  readonly node: string;
  readonly pc: RTCPeerConnection;
  /** Its tracks, as they come. */
  readonly stream = new MediaStream();
  /** Media can flow; never rejects. */
  readonly up: Promise<void>;
  /** It is over, on its own account or by [`close`]. */
  readonly over: Promise<SessionEnd>;

  #timelines = { video: new RtpTimeline(), audio: new RtpTimeline() };
  #epoch = 0;
  /** When the first mapping came. */
  #mappedAt = Infinity;
  #closing = new AbortController();
  #location: string | null = null;

  constructor({ url, node, jitterBufferMs, isUrgent }: SessionOptions, listener: SessionListener) {
    this.node = node;
    this.pc = this.#open(jitterBufferMs);
    const ended = this.#listen(listener);
    const { signal } = this.#closing;
    const over = new AbortController();
    const link = watchLink(this.pc, anySignal(signal, over.signal), (attempt) => restartIce(this.pc, this.#location ?? '', attempt, { signal, amend: preferStereo }));
    this.up = link.up;
    this.over = this.#run(url, isUrgent, ended, link.lost).finally(() => over.abort());
  }

  /** Ends it here and at the server. Harmless the second time. */
  close(): void {
    this.#closing.abort();
    endSession(this.#location);
    this.#location = null;
    this.pc.close();
  }

  get isMapped(): Readonly<Record<Kind, boolean>> {
    return { video: this.#timelines.video.isMapped, audio: this.#timelines.audio.isMapped };
  }

  /** Both mappings have had their time to come. */
  get hasKinds(): boolean {
    return performance.now() - this.#mappedAt >= KINDS_MS;
  }

  /** Until a moment after the first mapping, a picture may still come. */
  get hasPicture(): boolean {
    return this.#timelines.video.isMapped || !this.hasKinds;
  }

  /** T of the frame with this RTP time. */
  at(kind: Kind, rtpTimestamp: number): MediaPoint | null {
    return this.#timelines[kind].at(rtpTimestamp);
  }

  /** The frame of `kind` that came out last. */
  newest(kind: Kind): (MediaPoint & { readonly rtpTimestamp: number }) | null {
    const source = this.#source(kind);
    const point = source && this.#fromSource(source, kind);
    return source && point ? { ...point, rtpTimestamp: source.rtpTimestamp } : null;
  }

  /** Changes with each frame that comes out; `null` before the first. */
  sign(): number | null {
    const [video, audio] = [this.#source('video'), this.#source('audio')];
    return video || audio ? (video?.rtpTimestamp ?? 0) + (audio?.rtpTimestamp ?? 0) : null;
  }

  holdBack(ms: number | null): void {
    for (const receiver of this.pc.getReceivers()) setJitterBuffer(receiver, ms);
  }

  async #run(url: string, isUrgent: boolean, ended: Promise<{ readonly reason: string }>, lost: Promise<Lost>): Promise<SessionEnd> {
    let wasUp = false;
    void this.up.then(() => (wasUp = true));
    try {
      const { session } = await exchange(this.pc, url, { signal: this.#closing.signal, amend: preferStereo, isUrgent });
      this.#location = session;
      // Closed while the answer was on its way.
      if (this.#closing.signal.aborted) this.close();
    } catch (error) {
      return { error: error as UnisonoError | Error };
    }
    const why = await Promise.race([lost, ended]);
    return typeof why === 'object' ? why : { lost: why, wasUp };
  }

  #open(jitterBufferMs: number | null): RTCPeerConnection {
    const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    for (const kind of ['video', 'audio'] as const) {
      const transceiver = pc.addTransceiver(kind, { direction: 'recvonly', streams: [this.stream] });
      negotiateCaptureTime(transceiver);
      if (kind === 'video') preferH264(transceiver);
      setJitterBuffer(transceiver.receiver, jitterBufferMs);
    }
    pc.ontrack = ({ track, receiver }) => {
      this.stream.addTrack(track);
      setJitterBuffer(receiver, jitterBufferMs);
    };
    return pc;
  }

  /** Resolves when the server says that the session is over. */
  #listen(listener: SessionListener): Promise<{ readonly reason: string }> {
    const channel = this.pc.createDataChannel('unisono', { ordered: true });
    return new Promise((resolve) => {
      channel.onclose = () => resolve({ reason: 'The server ended the session' });
      channel.onmessage = ({ data }) => {
        const control = parseControl(data);
        if (control?.type === 'mapping') {
          this.#timelines[control.mapping.kind].add(control.mapping);
          this.#mappedAt = Math.min(this.#mappedAt, performance.now());
          this.#epoch = Math.max(this.#epoch, control.mapping.epoch);
        } else if (control?.type === 'events') {
          for (const event of control.events) listener.onEvent(event);
        } else if (control?.type === 'notice') {
          listener.onNotice(control.notice);
        } else if (control?.type === 'end') {
          resolve({ reason: control.reason });
        }
      };
    });
  }

  #source(kind: Kind): Source | null {
    const receiver = this.pc.getReceivers().find(({ track }) => track.kind === kind);
    return receiver?.getSynchronizationSources?.()[0] ?? null;
  }

  #fromSource(source: Source, kind: Kind): MediaPoint | null {
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
