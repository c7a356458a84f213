/** Publishing by WHIP (RFC 9725): offers what a source gives, prefers H.264, comes back after a loss. */

import { Emitter } from '../emitter';
import { UnisonoError } from '../errors';
import { Backoff, delay } from '../net/backoff';
import { anySignal } from '../net/signals';
import { endSession, exchange } from '../webrtc/exchange';
import { watchLink } from '../webrtc/link';
import { restartIce } from '../webrtc/restart';
import { codecFirst, h264First, preferStereo } from '../webrtc/sdp';
import { HealthMeter, type Health } from './health';

export type { Health } from './health';

export type PublishState = 'connecting' | 'live' | 'reconnecting' | 'failed' | 'closed';

export interface PublishOptions {
  /** WHIP endpoint. */
  readonly url: string;
  readonly stream: MediaStream;
  /** Publish key. */
  readonly key?: string;
  /** Upper bound for the video encoder; default 4 Mbit/s. */
  readonly videoBitsPerSecond?: number;
  /** Frames per second at most; default 60. */
  readonly framesPerSecond?: number;
  /** The codec to offer first, such as `VP9`; default H.264. */
  readonly videoCodec?: string;
}

export interface PublishEvents {
  state: { readonly state: PublishState; readonly words: string };
  health: Health;
  error: UnisonoError;
}

/** Starts publishing; works until it is closed or refused. */
export function publishWhip(options: PublishOptions): Publisher {
  return new Publisher(options);
}

const HEALTH_MS = 1000;
/** Why a session is ended for another. */
const OTHER_KINDS = 'other kinds';

export class Publisher {
  #options: PublishOptions;
  #emitter = new Emitter<PublishEvents>();
  #closing = new AbortController();
  /** Ends the session of the moment. */
  #over = new AbortController();
  #pc: RTCPeerConnection | null = null;
  #state: PublishState = 'connecting';

  constructor(options: PublishOptions) {
    this.#options = options;
    addEventListener('pagehide', this.#leavePage);
    void this.#run();
  }

  get state(): PublishState {
    return this.#state;
  }

  get peerConnection(): RTCPeerConnection | null {
    return this.#pc;
  }

  on<Name extends keyof PublishEvents>(name: Name, listener: (value: PublishEvents[Name]) => void): () => void {
    return this.#emitter.on(name, listener);
  }

  /** Other picture or sound, without interrupting the stream where it has the kinds that are sent; other kinds need another session, begun at once. */
  async replace(stream: MediaStream): Promise<void> {
    const sent = kindsOf(this.#options.stream);
    this.#options = { ...this.#options, stream };
    if (kindsOf(stream) !== sent) return this.#over.abort(OTHER_KINDS);
    const pc = this.#pc;
    for (const sender of pc?.getSenders() ?? []) {
      const track = stream.getTracks().find(({ kind }) => kind === sender.track?.kind);
      try {
        if (track) await sender.replaceTrack(track);
      } catch (error) {
        // The session ended meanwhile; the next one begins with the new stream.
        if (pc === this.#pc) throw error;
      }
    }
  }

  close(): void {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    removeEventListener('pagehide', this.#leavePage);
    this.#moveTo('closed', 'Stopped');
  }

  #leavePage = (): void => this.close();

  async #run(): Promise<void> {
    const backoff = new Backoff(500, 5000);
    const signal = this.#closing.signal;
    while (!signal.aborted) {
      const outcome = await this.#sessionOnce();
      if (signal.aborted) return;
      if (this.#over.signal.reason === OTHER_KINDS) {
        this.#moveTo('reconnecting', 'Changing picture and sound');
        continue;
      }
      if (outcome instanceof UnisonoError) {
        this.#moveTo('failed', outcome.message);
        this.#emitter.emit('error', outcome);
        return this.close();
      }
      if (outcome.wasLive) backoff.reset();
      this.#moveTo('reconnecting', outcome.words);
      await delay(backoff.next(), signal);
    }
  }

  /** One session, until it ends. An error is final; anything else is tried again. */
  async #sessionOnce(): Promise<UnisonoError | { words: string; wasLive: boolean }> {
    const over = (this.#over = new AbortController());
    const signal = anySignal(this.#closing.signal, over.signal);
    let session: string | null = null;
    try {
      const pc = this.#open();
      const link = watchLink(pc, signal, (attempt) => restartIce(pc, session ?? '', attempt, { signal, amend: preferStereo }));
      ({ session } = await exchange(pc, this.#options.url, { ...this.#options, signal: this.#closing.signal, amend: preferStereo }));
      let wasLive = false;
      void link.up.then(() => {
        wasLive = true;
        this.#goLive(pc, signal);
      });
      const why = await link.lost;
      const words = why === 'unreachable' ? 'The server answered, but its media port cannot be reached from here' : 'The connection was lost; coming back';
      return { words, wasLive };
    } catch (error) {
      if (!(error instanceof UnisonoError)) return new UnisonoError('unsupported', `This browser cannot publish: ${(error as Error).message}`);
      return error.kind === 'network' ? { words: error.message, wasLive: false } : error;
    } finally {
      over.abort();
      endSession(session, this.#options.key);
      this.#pc?.close();
      this.#pc = null;
    }
  }

  #open(): RTCPeerConnection {
    const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    this.#pc = pc;
    const { stream, videoBitsPerSecond = 4_000_000, framesPerSecond = 60, videoCodec } = this.#options;
    for (const track of stream.getTracks()) {
      const isVideo = track.kind === 'video';
      const transceiver = pc.addTransceiver(track, {
        direction: 'sendonly',
        streams: [stream],
        sendEncodings: [isVideo ? { maxBitrate: videoBitsPerSecond, maxFramerate: framesPerSecond } : { maxBitrate: 128_000 }],
      });
      if (isVideo) prefer(transceiver, videoCodec);
    }
    return pc;
  }

  /** Tells of health each second until the session ends. */
  #goLive(pc: RTCPeerConnection, signal: AbortSignal): void {
    this.#moveTo('live', 'Live');
    const meter = new HealthMeter();
    const timer = setInterval(() => {
      void pc.getStats().then((report) => signal.aborted || this.#emitter.emit('health', meter.read(report)));
    }, HEALTH_MS);
    signal.addEventListener('abort', () => clearInterval(timer));
  }

  #moveTo(state: PublishState, words: string): void {
    if (this.#state === 'closed' || (this.#state === 'failed' && state === 'closed')) return;
    this.#state = state;
    this.#emitter.emit('state', { state, words });
  }
}

/** What a session is made for, to be compared. */
function kindsOf(stream: MediaStream): string {
  return stream.getTracks().map(({ kind }) => kind).sort().join();
}

/** The video codecs this browser sends, by name, H.264 first. */
export function sendableCodecs(): string[] {
  const codecs = globalThis.RTCRtpSender?.getCapabilities?.('video')?.codecs ?? [];
  const names = h264First(codecs).map(({ mimeType }) => mimeType.split('/')[1] ?? '');
  // The rest of the list are helpers: retransmission and forward error correction.
  return [...new Set(names)].filter((name) => /^(H26[45]|VP[89]|AV1)$/i.test(name));
}

function prefer(transceiver: RTCRtpTransceiver, name: string | undefined): void {
  const codecs = RTCRtpSender.getCapabilities?.('video')?.codecs;
  if (!codecs) return;
  try {
    transceiver.setCodecPreferences?.(name ? codecFirst(h264First(codecs), name) : h264First(codecs));
  } catch {
    // The server picks what it has.
  }
}
