/**
 * When things of a room are told: on the frame they belong to while a player shows frames, at once where there is none (no player, nobody
 * publishes, playback has failed).
 */

import type { RoomEvent, Via } from '../events';
import type { Player, State } from '../player';
import { Presenter, type Applied } from '../presenter';
import type { MediaPoint } from '../time/point';

/** A player of this SDK, or the `<unisono-player>` element, whose `session` is another one after a change of protocol. */
export type FrameSource = Pick<Player, 'on' | 'currentT'> & { readonly session?: Player | null };

/** An event at its moment. */
export type Told = Applied;

export interface StageListener {
  onTold(told: Told): void;
  /** The frame at `point` is on screen, and everything due has been told. */
  onFrame(point: MediaPoint): void;
}

/** On its frame, before the events of that frame (what they build on), or after them (what answers them). */
export type Place = 'before' | 'after';

interface Timed {
  readonly at: number;
  readonly place: Place;
  readonly run: () => void;
}

/** States in which no frame will come soon. */
const WITHOUT_FRAMES: ReadonlySet<State> = new Set(['waiting', 'failed', 'closed']);
/** So long may a player take to show something, or to come back, before the room goes on without it. */
const PATIENCE_MS = 10_000;
/** A picture that stands still for so long does not come to the events that wait for it soon. */
const STILL_MS = 1000;
/** Timed things that wait; beyond it the earliest is done at once. */
const TIMED_MAX = 256;

export class Stage {
  #listener: StageListener;
  #presenter: Presenter;
  #isBound = false;
  #detach: (() => void)[] = [];
  #patience: ReturnType<typeof setTimeout> | undefined;
  #timed: Timed[] = [];
  #source: FrameSource | null = null;
  /** T of the last frame whose events were told. */
  #framed: number | null = null;
  #framedAt = -Infinity;

  constructor(listener: StageListener) {
    this.#listener = listener;
    this.#presenter = new Presenter((applied) => listener.onTold(applied));
  }

  /** Frames tell the time now. */
  get isBound(): boolean {
    return this.#isBound;
  }

  get source(): FrameSource | null {
    return this.#source;
  }

  /** The displayed frame; `null` without one. */
  get shown(): MediaPoint | null {
    return this.#isBound ? (this.#source?.currentT() ?? null) : null;
  }

  get counts(): Presenter['counts'] {
    return this.#presenter.counts;
  }

  attach(source: FrameSource): void {
    this.detach();
    this.#source = source;
    this.#isBound = true;
    this.#framed = null;
    this.#presenter.restart();
    this.#detach = [
      source.on('frame', (point) => this.#frame(point)),
      // What the player's own wires brought; it is told there on the same frame, just before that frame is announced.
      source.on('event', ({ event, via }) => this.push(event, via)),
      source.on('state', ({ state }) => this.#moved(state)),
    ];
    this.#wait();
  }

  detach(): void {
    for (const off of this.#detach.splice(0)) off();
    this.#source = null;
    this.#unbind();
  }

  push(event: RoomEvent, via: Via): void {
    // Somebody has stopped the picture: told without it is better than never.
    if (this.#isBound && this.#isFull && performance.now() - this.#framedAt > STILL_MS) this.#unbind();
    this.#presenter.push(event, via);
    if (!this.#isBound) this.#presenter.tellAll();
  }

  get #isFull(): boolean {
    return this.#presenter.counts.waiting >= Presenter.WAITING;
  }

  /** Events that are never to be shown, unless they were already. */
  takeBack(ids: readonly string[]): void {
    for (const id of ids) this.#presenter.takeBack(id);
  }

  /** Runs `run` on the first frame with T >= `at`; at once where no frame tells the time, or that frame has passed. */
  at(at: number, run: () => void, place: Place = 'before'): void {
    // What comes after the events of its frame waits until those are told, not only until the frame is there.
    const shown = place === 'after' ? this.#framed : (this.shown?.t ?? null);
    if (!this.#isBound || (shown !== null && shown >= at)) return run();
    const index = this.#timed.findLastIndex((other) => other.at <= at) + 1;
    this.#timed.splice(index, 0, { at, place, run });
    if (this.#timed.length > TIMED_MAX) this.#timed.shift()!.run();
  }

  #frame(point: MediaPoint): void {
    clearTimeout(this.#patience);
    this.#isBound = true;
    this.#framedAt = performance.now();
    this.#runTimed(point.t, 'before');
    this.#presenter.frame(point);
    this.#framed = point.t;
    this.#runTimed(point.t, 'after');
    this.#listener.onFrame(point);
  }

  #moved(state: State): void {
    if (WITHOUT_FRAMES.has(state)) this.#unbind();
    else if (state === 'connecting' || state === 'reconnecting' || state === 'stalled') this.#wait();
  }

  #wait(): void {
    clearTimeout(this.#patience);
    this.#patience = setTimeout(() => this.#unbind(), PATIENCE_MS);
  }

  #unbind(): void {
    clearTimeout(this.#patience);
    this.#isBound = false;
    this.#framed = null;
    this.#presenter.restart();
    this.#runTimed(Infinity, 'before');
    this.#presenter.tellAll();
    this.#runTimed(Infinity, 'after');
  }

  #runTimed(t: number, place: Place): void {
    const isDue = (one: Timed) => one.at <= t && one.place === place;
    const due = this.#timed.filter(isDue);
    if (due.length === 0) return;
    this.#timed = this.#timed.filter((one) => !isDue(one));
    for (const { run } of due) run();
  }
}
