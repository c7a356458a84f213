/** The room's clock, and one latency for all who want to see the same frame at the same moment (timeline spec 11-13). */

import type { Player } from '../player';
import type { FrameSource } from '../room/stage';
import { wallClock } from '../time/clock';
import type { Actuator } from './actuator';
import { ExchangeClock } from './exchange';

export interface LockstepOptions {
  /** Puts a message on the feed; false where there is none now. */
  readonly send: (message: Readonly<Record<string, unknown>>) => boolean;
  /** Follow the room's common latency. The clock is kept in any case. */
  readonly isOn: boolean;
}

const FIRST_SAMPLES = 8;
const FIRST_PAUSE_MS = 150;
const PAUSE_MS = 5000;
const STEER_MS = 250;
/** Reports go out once in so many looks: each second. */
const REPORT_EVERY = 4;
/** Frames whose latency is looked at; their median counts ... */
const FRAMES = 15;
/** ... once there are so many since the last change: a picture that stands still tells nothing. */
const FRAMES_LEAST = 5;

export class Lockstep {
  readonly clock = new ExchangeClock();

  #options: LockstepOptions;
  #targetUs: number | null = null;
  #source: FrameSource | null = null;
  #off: (() => void) | null = null;
  #recent: number[] = [];
  #player: Player | null = null;
  #actuator: Actuator | null = null;
  #sampling: ReturnType<typeof setTimeout> | undefined;
  #steering: ReturnType<typeof setInterval> | undefined;
  #looks = 0;

  constructor(options: LockstepOptions) {
    this.#options = options;
  }

  /** Microseconds that the picture is behind the room's clock; `null` while that is not known. */
  get actualUs(): number | null {
    const sorted = [...this.#recent].sort((a, b) => a - b);
    return sorted.length < FRAMES_LEAST ? null : sorted[Math.floor(sorted.length / 2)]!;
  }

  /** The room greeted with its time `t`, over a connection that was begun at `startedAt`: a first estimate. */
  greet(t: number, startedAt: number): void {
    this.clock.clear();
    this.#recent = [];
    const received = wallClock();
    // TCP's round trip, then the request, then the greeting: the answer itself took a quarter of it.
    this.clock.guess({ t0: received - (received - startedAt) / 2, t1: t, t2: t, t3: received });
    this.#sample(this.#options.isOn ? FIRST_SAMPLES : 2);
  }

  lost(): void {
    clearTimeout(this.#sampling);
  }

  answer({ t0, t1, t2 }: { readonly t0: number; readonly t1: number; readonly t2: number }): void {
    const t3 = wallClock();
    if (t0 <= t3) this.clock.observe({ t0, t1, t2, t3 });
  }

  /** The room's common latency; `null` ends it. */
  target(targetUs: number | null): void {
    this.#targetUs = targetUs;
    if (targetUs === null) this.#release();
  }

  attach(source: FrameSource): void {
    this.detach();
    if (!this.#options.isOn) return;
    this.#source = source;
    this.#off = source.on('frame', ({ t, isExact, expectedDisplayTime }) => {
      const shownAt = this.clock.now((performance.timeOrigin + expectedDisplayTime) * 1000);
      if (!isExact || shownAt === null) return;
      this.#recent.push(shownAt - t);
      if (this.#recent.length > FRAMES) this.#recent.shift();
    });
    this.#steering = setInterval(() => this.#steer(), STEER_MS);
  }

  detach(): void {
    this.#off?.();
    this.#off = null;
    clearInterval(this.#steering);
    this.#release();
    this.#source = this.#player = null;
    this.#recent = [];
  }

  close(): void {
    this.lost();
    this.detach();
  }

  #sample(left: number): void {
    clearTimeout(this.#sampling);
    this.#options.send({ type: 'clock', t0: Math.round(wallClock()) });
    if (left <= 1 && !this.#options.isOn) return;
    this.#sampling = setTimeout(() => this.#sample(left - 1), left > 1 ? FIRST_PAUSE_MS : PAUSE_MS);
  }

  #steer(): void {
    this.#follow();
    const actualUs = this.actualUs;
    const actuator = this.#actuator;
    if (!actuator || actualUs === null || document.hidden) return;
    actuator.look?.(performance.now(), actualUs / 1000);
    if (this.#targetUs !== null && actuator.step(performance.now(), actualUs / 1000, this.#targetUs / 1000)) this.#recent = [];
    this.#looks += 1;
    if (this.#looks % REPORT_EVERY === 0) void this.#report(actuator, actualUs);
  }

  /** The element's player of the moment: another one after a change of protocol. */
  #follow(): void {
    const source = this.#source;
    const player = source && 'session' in source ? (source.session ?? null) : (source as unknown as Player | null);
    if (player === this.#player) return;
    this.#release();
    this.#player = player;
    this.#recent = [];
    this.#actuator = player?.actuator() ?? null;
  }

  async #report({ protocol, range }: Actuator, actualUs: number): Promise<void> {
    const possible = await range(performance.now(), actualUs / 1000);
    if (!possible) return;
    const { earliestMs, latestMs } = possible;
    const micros = (ms: number) => Math.max(Math.round(ms * 1000), 0);
    const [actual, earliest, latest] = [micros(actualUs / 1000), micros(earliestMs), micros(latestMs)];
    this.#options.send({ type: 'latency', actual, earliest, latest, protocol });
  }

  #release(): void {
    this.#actuator?.release();
  }
}
