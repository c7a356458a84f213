/** Whether a picture that stands still will move again by itself. */

import { endOf } from './progress';

/** A picture that stands still for so long while the server has newer ones will not move by itself. */
const STUCK_MS = 15_000;

/**
 * A stream whose source is away (a publisher, a node's link) stands still everywhere: whoever began anew would see the last seconds again. Only where
 * the playlist grows and the picture does not, decoder and buffers are better made anew than waited for.
 */
export class Standstill {
  #end: number | null = null;
  #growsSince: number | null = null;

  /** The picture moves. */
  over(): void {
    [this.#end, this.#growsSince] = [null, null];
  }

  /** It stands still, and `playlist` is what the server has by now (anything else where it has none); true where one should begin anew. */
  isStuck(playlist: string, now: number): boolean {
    const end = endOf(playlist);
    if (end === null) return false;
    this.#end ??= end;
    if (end !== this.#end) this.#growsSince ??= now;
    return this.#growsSince !== null && now - this.#growsSince > STUCK_MS;
  }
}
