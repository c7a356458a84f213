/** The custom element: one SDK player at a time behind a stable face. */

import {
  parseAddress,
  streamUrls,
  watchHls,
  watchWebRtc,
  type FrameTime,
  type Player,
  type PlayerEvents,
  type Stats,
  type StreamUrls,
  type UnisonoError,
} from '@unisono/client';
import { fallback, firstLine, parseLatency, parseMode, type Line, type Mode } from './choice';
import { Controls } from './controls';

export type { Mode } from './choice';

export interface PlayerState {
  readonly state: Player['state'];
  /** For a person. */
  readonly words: string;
  /** The protocol in use. */
  readonly line: Line;
  /** Why the first choice was left, where it was. */
  readonly note: string | null;
}

type Listener<Name extends keyof PlayerEvents> = (value: PlayerEvents[Name]) => void;

export class UnisonoPlayer extends HTMLElement {
  static readonly observedAttributes = ['src', 'mode', 'latency', 'token'];

  #controls: Controls;
  #player: Player | null = null;
  #line: Line = 'webrtc';
  #note: string | null = null;
  /** Counts starts, so that a start overtaken by a newer one is dropped. */
  #generation = 0;
  #isQueued = false;
  #listeners: { name: keyof PlayerEvents; listener: (value: never) => void }[] = [];

  constructor() {
    super();
    this.#controls = new Controls(this);
  }

  connectedCallback(): void {
    this.#queueStart();
  }

  disconnectedCallback(): void {
    this.#generation += 1;
    void this.#player?.close();
    this.#player = null;
  }

  attributeChangedCallback(_: string, before: string | null, after: string | null): void {
    if (before !== after && this.isConnected) this.#queueStart();
  }

  get src(): string {
    return this.getAttribute('src') ?? '';
  }

  set src(value: string) {
    this.setAttribute('src', value);
  }

  get mode(): Mode {
    return parseMode(this.getAttribute('mode'));
  }

  set mode(value: Mode) {
    this.setAttribute('mode', value);
  }

  /** The protocol in use, or being tried. */
  get line(): Line {
    return this.#line;
  }

  /** The element that shows the picture. */
  get video(): HTMLVideoElement {
    return this.#controls.video;
  }

  /** The SDK's player of the moment; another one after a change of protocol. */
  get session(): Player | null {
    return this.#player;
  }

  /** T of the frame on screen; `null` while unknown. */
  currentT(): FrameTime | null {
    return this.#player?.currentT() ?? null;
  }

  stats(): Stats | null {
    return this.#player?.stats() ?? null;
  }

  serverNow(): number | null {
    return this.#player?.serverNow() ?? null;
  }

  /** Listens across changes of protocol, until the returned function is called. */
  on<Name extends keyof PlayerEvents>(name: Name, listener: Listener<Name>): () => void {
    const entry = { name, listener: listener as (value: never) => void };
    this.#listeners.push(entry);
    return () => {
      this.#listeners = this.#listeners.filter((other) => other !== entry);
    };
  }

  /** Several attributes that change together make one start. */
  #queueStart(): void {
    if (this.#isQueued) return;
    this.#isQueued = true;
    queueMicrotask(() => {
      this.#isQueued = false;
      if (!this.isConnected) return;
      this.#note = null;
      void this.#start(firstLine(this.mode));
    });
  }

  async #start(line: Line): Promise<void> {
    const generation = (this.#generation += 1);
    this.#line = line;
    const before = this.#player;
    this.#player = null;
    await before?.close();
    if (generation !== this.#generation) return;
    const address = new URL(this.src, location.href);
    const { stream, token } = parseAddress(address);
    if (!stream) return this.#tell('failed', `“${this.src}” is not the name of a stream (app/name)`);
    this.#tell('connecting', 'Connecting');
    const player = await this.#open(line, streamUrls(stream, address.origin, this.getAttribute('token') ?? token));
    if (generation !== this.#generation) return void player.close();
    this.#player = player;
    this.#wire(player);
  }

  async #open(line: Line, urls: StreamUrls): Promise<Player> {
    const latency = parseLatency(this.getAttribute('latency'));
    const common = { video: this.video, feedUrl: urls.feed, clockUrl: urls.server };
    if (line === 'hls') return watchHls({ ...common, url: urls.hls, ...(latency === undefined ? {} : { holdBackMs: latency }) });
    return watchWebRtc({
      ...common,
      url: urls.whep,
      ...(latency === undefined ? {} : { jitterBufferMs: latency }),
      ...(this.mode === 'auto' ? { unreachableTries: 1 } : {}),
    });
  }

  #wire(player: Player): void {
    player.on('state', ({ state, words }) => this.#tell(state, words));
    player.on('frame', (frame) => this.#announce('frame', frame));
    player.on('event', (applied) => this.#announce('event', applied));
    player.on('error', (error) => this.#failed(error));
    // Said before anybody could listen.
    if (player.state !== 'connecting') this.#tell(player.state, player.state === 'playing' ? 'Live' : '');
  }

  #failed(error: UnisonoError): void {
    const next = fallback(this.mode, this.#line, error.kind);
    if (next) {
      this.#note = error.message;
      void this.#start(next);
      return;
    }
    this.#announce('error', error);
  }

  #tell(state: PlayerState['state'], words: string): void {
    if (state === 'closed') return;
    const detail: PlayerState = { state, words, line: this.#line, note: this.#note };
    this.#controls.show(detail);
    this.#announce('state', detail);
  }

  #announce<Name extends keyof PlayerEvents>(name: Name, value: PlayerEvents[Name]): void {
    for (const { name: wanted, listener } of [...this.#listeners]) if (wanted === name) (listener as Listener<Name>)(value);
    this.dispatchEvent(new CustomEvent(`unisono-${name}`, { detail: value, bubbles: true, composed: true }));
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'unisono-player': UnisonoPlayer;
  }
}
