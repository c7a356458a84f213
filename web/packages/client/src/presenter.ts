/**
 * The presentation rule: events apply in (at, seq) order at the first displayed frame with T >= at, and never before the event they are
 * about. An event that comes after that frame is late by the media time that has passed since; its own `late` and `ttl` say whether it is
 * still shown. What was taken back or replaced before its frame is never shown.
 */

import { RecentIds } from './recent-ids';
import type { RoomEvent, Via } from './events';
import type { MediaPoint } from './time/point';

export interface Applied {
  readonly event: RoomEvent;
  readonly via: Via;
  /** The displayed frame it was applied on. */
  readonly t: number;
  readonly epoch: number;
  /** T of that frame minus `at`: within one frame's duration when on time. */
  readonly frameLatenessUs: number;
  /** It came after its frame had been displayed (or belongs to a time before this viewer joined). */
  readonly isLate: boolean;
  /** False for a late event whose `late` is `skip` or `log`, or whose `ttl` is over: told, not to be shown. */
  readonly shown: boolean;
  /** False where no picture tells the moment: told as it came, `t` is its `at`. */
  readonly bound: boolean;
  /** Id of the event that this one cancels or replaces, if that was told before. */
  readonly takesBack?: string;
}

interface Waiting {
  readonly event: RoomEvent;
  readonly via: Via;
  /** Its `at`, or that of the event it is about where that comes later. */
  readonly due: number;
}

/** On the very first frame nothing tells whether an event's frame was before it; anything older than this was. */
const JOIN_SLACK_US = 100_000;
/** An event that overtook the one it is about, on a faster wire, waits so much media time for it. The feed brings them in order. */
const ORPHAN_US = 1_000_000;

export class Presenter {
  /** Events waiting for their frame. Beyond this the one farthest in the future is dropped and counted. */
  static readonly WAITING = 512;
  /** Ids remembered, so that copies over other wires are recognised. Beyond this the oldest are forgotten. */
  static readonly REMEMBERED = 4096;

  #waiting: Waiting[] = [];
  #seen = new RecentIds(Presenter.REMEMBERED);
  #told = new RecentIds(Presenter.REMEMBERED);
  /** Taken back or replaced before they were told, perhaps before they came. */
  #gone = new RecentIds(Presenter.REMEMBERED);
  #shown: MediaPoint | null = null;
  #dropped = 0;
  #late = 0;
  #applied = 0;

  constructor(private readonly apply: (applied: Applied) => void) {}

  /** An event has arrived. Copies are ignored. */
  push(event: RoomEvent, via: Via): void {
    if (this.#gone.has(event.id)) return;
    if (this.#seen.has(event.id)) return this.#copy(event, via);
    this.#seen.add(event.id);
    for (const id of [event.cancels, event.supersedes]) if (id) this.takeBack(id);
    const due = this.#due(event, via);
    if (this.#shown && this.#shown.t >= due) this.#finish({ event, via, due }, this.#shown, this.#shown.t >= event.at);
    else this.#wait({ event, via, due });
    this.#adopt(event.id);
  }

  /** The frame at `point` is on screen. */
  frame(point: MediaPoint): void {
    const previous = this.#shown;
    this.#shown = point;
    const due = this.#waiting.findIndex((waiting) => waiting.due > point.t);
    const ready = this.#waiting.splice(0, due < 0 ? this.#waiting.length : due);
    for (const waiting of ready) {
      const isBeforeJoin = previous === null && point.t - waiting.event.at > JOIN_SLACK_US;
      this.#finish(waiting, point, isBeforeJoin);
    }
  }

  /** Playback starts again elsewhere (reconnect): the next frame is a first frame. Waiting events and known ids stay. */
  restart(): void {
    this.#shown = null;
  }

  /** The event with this `id` is never to be shown, unless it was already. */
  takeBack(id: string): void {
    if (this.#told.has(id)) return;
    this.#remove(id);
    this.#gone.add(id);
  }

  /** Tells everything that waits, in order, without a frame: for those who have no picture (any more). */
  tellAll(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const one of waiting) this.#finish(one, { t: one.event.at, epoch: one.event.epoch }, false, false);
  }

  get counts(): { applied: number; late: number; dropped: number; waiting: number } {
    return { applied: this.#applied, late: this.#late, dropped: this.#dropped, waiting: this.#waiting.length };
  }

  /** The feed brings everything in order: once it brought this one, nothing that it is about is still to come. */
  #copy(event: RoomEvent, via: Via): void {
    if (via !== 'feed' || !event.subject) return;
    const [waiting] = this.#remove(event.id);
    if (waiting) this.#wait({ ...waiting, due: this.#due(event, via) });
  }

  #due(event: RoomEvent, via: Via): number {
    if (!event.subject || this.#told.has(event.subject)) return event.at;
    const subject = this.#waiting.find((other) => other.event.id === event.subject);
    if (subject) return Math.max(event.at, subject.due);
    const isOrphan = via !== 'feed' && !this.#seen.has(event.subject) && !this.#gone.has(event.subject);
    return isOrphan ? event.at + ORPHAN_US : event.at;
  }

  #wait(waiting: Waiting): void {
    const index = this.#waiting.findLastIndex((other) => before(other, waiting)) + 1;
    this.#waiting.splice(index, 0, waiting);
    if (this.#waiting.length > Presenter.WAITING) {
      this.#waiting.pop();
      this.#dropped += 1;
    }
  }

  /** The event with this `id` has come: what waited for it has its own time again. */
  #adopt(id: string): void {
    for (const { event, via } of this.#waiting.filter((other) => other.event.subject === id)) {
      this.#remove(event.id);
      const due = this.#due(event, via);
      if (this.#shown && this.#shown.t >= due) this.#finish({ event, via, due }, this.#shown, true);
      else this.#wait({ event, via, due });
    }
  }

  #remove(id: string): Waiting[] {
    const index = this.#waiting.findIndex(({ event }) => event.id === id);
    return index < 0 ? [] : this.#waiting.splice(index, 1);
  }

  #finish({ event, via }: Waiting, point: MediaPoint, isLate: boolean, bound = true): void {
    const frameLatenessUs = point.t - event.at;
    const shown = !isLate || (event.late === 'show' && frameLatenessUs <= (event.ttl ?? Infinity));
    if (isLate) this.#late += 1;
    if (shown) this.#applied += 1;
    this.#told.add(event.id);
    const old = [event.cancels, event.supersedes].find((id) => id !== undefined && this.#told.has(id));
    this.apply({ event, via, t: point.t, epoch: point.epoch, frameLatenessUs, isLate, shown, bound, ...(old && { takesBack: old }) });
  }
}

function before(a: Waiting, b: Waiting): boolean {
  return a.due < b.due || (a.due === b.due && a.event.seq <= b.event.seq);
}
