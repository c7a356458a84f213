/**
 * How near to live an HLS viewer can be. The playlist says what its server recommends; whether this viewer's network keeps up with that only its
 * buffer tells. What has come last is so late; the picture can be that late at best, whatever it is asked for (docs/lockstep.md).
 *
 * It is the lateness of what was loaded that is kept, not the room in the buffer: while a viewer is slowed down on purpose its buffer grows, and
 * the least room of the last seconds, taken off today's latency, would tell that it can no longer do what it did then.
 */

/** So far back the latest is looked for: some parts and their playlists. */
const WINDOW_MS = 10_000;
/**
 * So many looks of the window do not count, the worst: a player that stood still for a second says nothing of what its network can do from now on, and
 * would take the whole room along. A network that is always so late shows it at every part, in far more looks.
 */
const OUTLIERS = 4;
/** Kept ahead in any case: a part comes late now and then. */
export const RESERVE_MS = 250;

export class Margin {
  #looks: { readonly atMs: number; readonly lateMs: number }[] = [];

  /** At `nowMs` the picture is `actualMs` behind, and `aheadMs` of what follows it are here. */
  observe(nowMs: number, actualMs: number, aheadMs: number): void {
    this.#looks.push({ atMs: nowMs, lateMs: actualMs - aheadMs });
    while (this.#looks[0]!.atMs < nowMs - WINDOW_MS) this.#looks.shift();
  }

  /** The least latency without a stall; `null` before anything was seen. */
  get earliestMs(): number | null {
    if (this.#looks.length === 0) return null;
    const worst = this.#looks.map(({ lateMs }) => lateMs).sort((a, b) => b - a);
    return worst[Math.min(OUTLIERS, Math.floor(worst.length / 10))]! + RESERVE_MS;
  }
}
