/** The custom element: one SDK player at a time behind a stable face. */

import {
  parseAddress,
  streamUrls,
  watchHls,
  watchWebRtc,
  UnisonoError,
  type EndpointChange,
  type FailureKind,
  type FrameTime,
  type Player,
  type PlayerEvents,
  type Stats,
  type StreamUrls,
} from '@unisono/client';
import { fallback, firstLine, parseMode, type Line, type Mode } from './choice';
import { Controls } from './controls';
import { holdBack, parseDial, type Dial } from './dial';
import { Brake, lateTrack } from './late-tracks';
import { parseEndpoints } from './endpoints';
import { phaseOf, type Phase } from './phase';

export type { Mode } from './choice';
export type { Dial } from './dial';
export type { Phase } from './phase';

export interface PlayerState {
  readonly state: Player['state'];
  /** The same as a person sees it. */
  readonly phase: Phase;
  /** What the server or the player said of it. */
  readonly words: string;
  /** The protocol in use. */
  readonly line: Line;
  /** Why the first choice was left, where it was. */
  readonly note: string | null;
  /** That it plays from another node now, for a moment after the move. */
  readonly moved: string | null;
}

/** How often what changes without an event is looked at. */
const REFRESH_MS = 1000;
/** How long a move to another node is told. */
const MOVED_MS = 15_000;

type Listener<Name extends keyof PlayerEvents> = (value: PlayerEvents[Name]) => void;

export class UnisonoPlayer extends HTMLElement {
  static readonly observedAttributes = ['src', 'mode', 'latency', 'token', 'feed', 'endpoints'];

  #controls = new Controls(this, this, {
    dial: () => this.dial,
    setDial: (dial) => (this.dial = dial),
    mode: () => this.mode,
    setMode: (mode) => (this.mode = mode),
  });
  #player: Player | null = null;
  #line: Line = 'webrtc';
  #note: string | null = null;
  #moved: string | null = null;
  /** Where it had moved to, and with which `src`: a dead first node could tell the next player of no other. */
  #lastMove: { readonly src: string; readonly to: string } | null = null;
  #movedTimer: ReturnType<typeof setTimeout> | undefined;
  /** Counts starts, so that a start overtaken by a newer one is dropped. */
  #generation = 0;
  /** Aborted by the next start. */
  #overtaken = new AbortController();
  #isQueued = false;
  /** Of starts for a track that the stream got later. */
  #brake = new Brake();
  #listeners: { name: keyof PlayerEvents; listener: (value: never) => void }[] = [];

  /** Ends what lives as long as the element is in a document. */
  #leaving = new AbortController();
  /** What was told last, and what its phase followed from. */
  #told: { state: Player['state']; words: string } = { state: 'connecting', words: '' };
  #hasPlayed = false;
  #failure: FailureKind | null = null;

  connectedCallback(): void {
    this.#leaving = new AbortController();
    const { signal } = this.#leaving;
    for (const name of ['online', 'offline']) addEventListener(name, () => this.#tell(this.#told.state, this.#told.words), { signal });
    const timer = setInterval(() => this.#controls.refresh(this.#player?.kinds() ?? null), REFRESH_MS);
    signal.addEventListener('abort', () => clearInterval(timer));
    this.#queueStart();
  }

  disconnectedCallback(): void {
    this.#leaving.abort();
    clearTimeout(this.#movedTimer);
    this.#moved = null;
    this.#overtaken.abort();
    this.#generation += 1;
    void this.#player?.close();
    this.#player = null;
    // The meter of the sound runs by itself.
    this.#controls.refresh(null);
    // Whoever waits for frames (a room) waits in vain, unless this was only moved to another place of the page.
    queueMicrotask(() => this.isConnected || this.#call('state', { state: 'closed', words: 'Closed' }));
  }

  attributeChangedCallback(name: string, before: string | null, after: string | null): void {
    if (before === after || !this.isConnected) return;
    if (name === 'latency' && this.#player) this.#player.holdBackMs = holdBack(this.dial, this.#line);
    else this.#queueStart();
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

  /** The dial between latency and smoothness: the `latency` attribute. */
  get dial(): Dial | number {
    return parseDial(this.getAttribute('latency'));
  }

  set dial(value: Dial | number) {
    this.setAttribute('latency', String(value));
  }

  /** A key as on the player itself, for a page that hands its keys over: space, k, m, f, p, s. True if it meant something. */
  pressKey(key: string): boolean {
    return this.#controls.key(key);
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

  /** The node it plays from, `https://host[:port]`; `null` before it began. */
  get endpoint(): string | null {
    return this.#player?.endpoint ?? null;
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
      this.#hasPlayed = false;
      this.#brake = new Brake();
      void this.#start(firstLine(this.mode));
    });
  }

  async #start(line: Line): Promise<void> {
    const generation = (this.#generation += 1);
    this.#overtaken.abort();
    this.#overtaken = new AbortController();
    this.#line = line;
    this.#failure = null;
    const before = this.#player;
    this.#player = null;
    await before?.close();
    if (generation !== this.#generation) return;
    const address = addressOf(this.src);
    const { stream, token } = address ? parseAddress(address) : { stream: null, token: null };
    if (!address || !stream) return this.#tell('failed', `“${this.src}” is not the name of a stream (app/name)`);
    this.#controls.name(`${stream.app}/${stream.name}`);
    this.#tell('connecting', 'Connecting');
    const viewing = this.getAttribute('token') ?? token;
    const player = await this.#open(line, streamUrls(stream, address.origin, viewing)).catch((error: unknown) => inWords(error));
    if (generation !== this.#generation) return player instanceof UnisonoError ? undefined : void player.close();
    if (player instanceof UnisonoError) return this.#failed(player);
    this.#player = player;
    this.#wire(player);
    // That one looks by itself.
    if (player.protocol === 'hls') return;
    const status = () => streamUrls(stream, player.endpoint, viewing).status;
    if (await lateTrack(status, () => player.kinds(), this.#overtaken.signal, this.#brake)) void this.#start(line);
  }

  async #open(line: Line, urls: StreamUrls): Promise<Player> {
    const latency = holdBack(this.dial, line);
    // `feed="none"`: a room attached to this element brings the events.
    const feed = this.getAttribute('feed') === 'none' ? {} : { feedUrl: urls.feed };
    const endpoints = parseEndpoints(this.getAttribute('endpoints'));
    const beginAt = this.#lastMove?.src === this.src && { beginAt: this.#lastMove.to };
    const common = { video: this.video, ...feed, clockUrl: urls.server, ...(endpoints && { endpoints }), ...beginAt };
    if (line === 'hls') return watchHls({ ...common, url: urls.hls, ...(latency === null ? {} : { holdBackMs: latency }) });
    return watchWebRtc({
      ...common,
      url: urls.whep,
      ...(latency === null ? {} : { jitterBufferMs: latency }),
      ...(this.mode === 'auto' ? { unreachableTries: 1 } : {}),
    });
  }

  #wire(player: Player): void {
    // A failure is told with its error, which says what comes of it.
    player.on('state', ({ state, words }) => state !== 'failed' && this.#tell(state, words));
    player.on('frame', (frame) => this.#announce('frame', frame));
    player.on('event', (applied) => this.#announce('event', applied));
    const { src } = this;
    player.on('endpoint', (change) => {
      this.#lastMove = { src, to: change.to };
      this.#hasMoved(change);
    });
    player.on('error', (error) => this.#failed(error));
    // Said before anybody could listen.
    if (player.failure) this.#failed(player.failure);
    else if (player.state !== 'connecting') this.#tell(player.state, player.state === 'playing' ? 'Live' : '');
  }

  #hasMoved(change: EndpointChange): void {
    const tell = (words: string | null) => {
      this.#moved = words;
      this.#tell(this.#told.state, this.#told.words);
    };
    clearTimeout(this.#movedTimer);
    this.#movedTimer = setTimeout(() => tell(null), MOVED_MS);
    tell(change.words);
    this.#announce('endpoint', change);
  }

  #failed(error: UnisonoError): void {
    const next = fallback(this.mode, this.#line, error.kind);
    if (next) {
      this.#note = error.message;
      void this.#start(next);
      return;
    }
    this.#failure = error.kind;
    this.#tell('failed', error.message);
    this.#announce('error', error);
  }

  #tell(state: PlayerState['state'], words: string): void {
    if (state === 'closed') return;
    this.#told = { state, words };
    this.#hasPlayed ||= state === 'playing';
    const phase = phaseOf({ state, hasPlayed: this.#hasPlayed, isOnline: navigator.onLine, failure: this.#failure });
    const detail: PlayerState = { state, phase, words, line: this.#line, note: this.#note, moved: this.#moved };
    this.#controls.show(detail);
    this.#controls.refresh(this.#player?.kinds() ?? null);
    this.#announce('state', detail);
  }

  #announce<Name extends keyof PlayerEvents>(name: Name, value: PlayerEvents[Name]): void {
    this.#call(name, value);
    this.dispatchEvent(new CustomEvent(`unisono-${name}`, { detail: value, bubbles: true, composed: true }));
  }

  #call<Name extends keyof PlayerEvents>(name: Name, value: PlayerEvents[Name]): void {
    for (const { name: wanted, listener } of [...this.#listeners]) if (wanted === name) (listener as Listener<Name>)(value);
  }
}

/** `null` for what is no address at all. */
function addressOf(src: string): URL | null {
  try {
    return new URL(src, location.href);
  } catch {
    return null;
  }
}

/** What no code of ours expected stands in the way of this protocol, perhaps not of another. */
function inWords(error: unknown): UnisonoError {
  if (error instanceof UnisonoError) return error;
  return new UnisonoError('unsupported', `The player does not begin in this browser (${error instanceof Error ? error.message : String(error)}); reload the page`);
}

declare global {
  interface HTMLElementTagNameMap {
    'unisono-player': UnisonoPlayer;
  }
}
