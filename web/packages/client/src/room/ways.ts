/**
 * Which way a room's feed is carried from each server: by WebSocket, or, where something on the way blocks those, by server-sent events. A WebSocket
 * that is refused while the same server lets a reader of events in is blocked; a server that restarts just then looks alike, hence two such looks.
 */

export type Way = 'socket' | 'stream';

/** Refusals in a row before the other way is taken. One that was waited for without any answer counts for all: the server was there all the time. */
const REFUSALS = 2;
/** After so long a new connection tries a WebSocket again: the device may have moved to another network. */
const TRY_AGAIN_MS = 300_000;

interface Looks {
  refusals: number;
  /** Since when events are streamed. */
  streamedAt: number | null;
}

export class Ways {
  #looks = new Map<string, Looks>();

  constructor(private readonly hasSockets: boolean) {}

  of(origin: string): Way {
    const isStreamed = !this.hasSockets || this.#looks.get(origin)?.streamedAt != null;
    return isStreamed ? 'stream' : 'socket';
  }

  /** The way of the moment was refused, and a reader of events would be let in. True if the other way is worth a try now. */
  refused(origin: string, wasHung: boolean, now: number): boolean {
    if (!this.hasSockets) return false;
    const looks = this.#looks.get(origin) ?? { refusals: 0, streamedAt: null };
    if (looks.streamedAt !== null) {
      this.#looks.delete(origin);
      return false;
    }
    looks.refusals += wasHung ? REFUSALS : 1;
    const isBlocked = looks.refusals >= REFUSALS;
    this.#looks.set(origin, { refusals: looks.refusals, streamedAt: isBlocked ? now : null });
    return isBlocked;
  }

  /** Nobody was there at all, which tells nothing of the way. */
  silent(origin: string): void {
    this.#looks.delete(origin);
  }

  /** A connection that worked has ended. */
  held(origin: string, now: number): void {
    const at = this.#looks.get(origin)?.streamedAt ?? null;
    if (at === null || now - at > TRY_AGAIN_MS) this.#looks.delete(origin);
  }
}
