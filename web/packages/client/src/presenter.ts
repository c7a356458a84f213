/**
 * The presentation rule: events apply in (at, seq) order at the first displayed frame with T >= at. An event that comes after that frame is
 * late by the media time that has passed since; its own `late` says whether it is still shown.
 */

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
  /** False for a late event whose `late` is `skip` or `log`: told, not to be shown. */
  readonly shown: boolean;
}

interface Waiting {
  readonly event: RoomEvent;
  readonly via: Via;
}

/** On the very first frame nothing tells whether an event's frame was before it; anything older than this was. */
const JOIN_SLACK_US = 100_000;

export class Presenter {
  /** Events waiting for their frame. Beyond this the one farthest in the future is dropped and counted. */
  static readonly WAITING = 512;
  /** Ids remembered, so that copies over other wires are recognised. Beyond this the oldest are forgotten. */
  static readonly REMEMBERED = 4096;

  #waiting: Waiting[] = [];
  #seen = new Set<string>();
  #shown: MediaPoint | null = null;
  #dropped = 0;
  #late = 0;
  #applied = 0;

  constructor(private readonly apply: (applied: Applied) => void) {}

  /** An event has arrived. Copies are ignored. */
  push(event: RoomEvent, via: Via): void {
    if (this.#seen.has(event.id)) return;
    this.#remember(event.id);
    if (this.#shown && this.#shown.t >= event.at) return this.#finish({ event, via }, this.#shown, true);
    const index = this.#waiting.findLastIndex((other) => before(other.event, event)) + 1;
    this.#waiting.splice(index, 0, { event, via });
    if (this.#waiting.length > Presenter.WAITING) {
      this.#waiting.pop();
      this.#dropped += 1;
    }
  }

  /** The frame at `point` is on screen. */
  frame(point: MediaPoint): void {
    const previous = this.#shown;
    this.#shown = point;
    const due = this.#waiting.findIndex(({ event }) => event.at > point.t);
    const ready = this.#waiting.splice(0, due < 0 ? this.#waiting.length : due);
    for (const waiting of ready) {
      this.#finish(waiting, point, previous === null && point.t - waiting.event.at > JOIN_SLACK_US);
    }
  }

  /** Playback starts again elsewhere (reconnect): the next frame is a first frame. Waiting events and known ids stay. */
  restart(): void {
    this.#shown = null;
  }

  get counts(): { applied: number; late: number; dropped: number; waiting: number } {
    return { applied: this.#applied, late: this.#late, dropped: this.#dropped, waiting: this.#waiting.length };
  }

  #finish({ event, via }: Waiting, point: MediaPoint, isLate: boolean): void {
    const shown = !isLate || event.late === 'show';
    if (isLate) this.#late += 1;
    if (shown) this.#applied += 1;
    this.apply({ event, via, t: point.t, epoch: point.epoch, frameLatenessUs: point.t - event.at, isLate, shown });
  }

  #remember(id: string): void {
    this.#seen.add(id);
    if (this.#seen.size > Presenter.REMEMBERED) this.#seen.delete(this.#seen.values().next().value!);
  }
}

function before(a: RoomEvent, b: RoomEvent): boolean {
  return a.at < b.at || (a.at === b.at && a.seq <= b.seq);
}
