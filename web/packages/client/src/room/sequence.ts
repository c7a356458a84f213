/** Where a client stands in a room's order, and what to ask for when it comes back. */

import { parseEvent, type RoomEvent } from '../events';

/** What became of a batch: the events that are news, and how many the room will never give us. */
export interface Taken {
  readonly events: readonly RoomEvent[];
  readonly lost: number;
  /** Something is missing that the room did not call lost: resume. */
  readonly hasGap: boolean;
}

/** So often a node that is behind is asked again, a few seconds in all. */
const BEHIND_MOST = 12;

export class Sequence {
  #last: number | null;
  /** A gap is asked for once; what is missing then again is lost. */
  #asked = false;
  #mayGoBack = false;
  /** Greetings in a row that were behind us. */
  #behind = 0;

  /** `fromSeq`: the first event wanted; without it, whatever comes from now on. */
  constructor(fromSeq?: number) {
    this.#last = fromSeq === undefined ? null : fromSeq - 1;
  }

  /** `seq` of the last event that came. */
  get last(): number {
    return this.#last ?? 0;
  }

  /** What to resume from; `null` for now. */
  get from(): number | null {
    return this.#last === null ? null : this.#last + 1;
  }

  /**
   * The room's greeting. `anew`: the room began anew and does not know what we ask for: come again without. `later`: `isElsewhere`, at another node
   * than before, which may be a moment behind the one that told us the last: come again in a moment.
   */
  greet(seq: number, isElsewhere = false): 'welcome' | 'anew' | 'later' {
    if (this.#last !== null && seq < this.#last) {
      this.#behind += 1;
      if (isElsewhere && this.#behind <= BEHIND_MOST) return 'later';
      this.#last = null;
      return 'anew';
    }
    this.#behind = 0;
    this.#last ??= seq;
    return 'welcome';
  }

  /** A snapshot stands for everything up to `seq`. The room may tell some of that again, as history. */
  jump(seq: number): void {
    this.#last = seq;
    this.#asked = false;
    this.#mayGoBack = true;
  }

  /** The room says that what comes next is `fromSeq`. */
  lag(fromSeq: number): void {
    this.#last = Math.max(this.last, fromSeq - 1);
  }

  take(values: readonly unknown[]): Taken {
    const events: RoomEvent[] = [];
    let lost = 0;
    const first = (values[0] as { seq?: unknown } | null | undefined)?.seq;
    if (this.#mayGoBack && isSeq(first)) {
      this.#mayGoBack = false;
      this.#last = Math.min(this.last, first - 1);
    }
    for (const value of values) {
      const seq = (value as { seq?: unknown } | null)?.seq;
      if (!isSeq(seq) || seq <= this.last) continue;
      const missing = seq - this.last - 1;
      if (missing > 0 && !this.#asked) {
        this.#asked = true;
        return { events, lost, hasGap: true };
      }
      lost += missing;
      this.#asked &&= missing === 0;
      this.#last = seq;
      // One that this version cannot read has its place in the order all the same.
      const event = parseEvent(value);
      if (event) events.push(event);
    }
    return { events, lost, hasGap: false };
  }
}

function isSeq(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}
