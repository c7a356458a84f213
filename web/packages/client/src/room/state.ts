/** What a room looks like at the frame on screen. Never changed in place: another state is another object, and what did not change is the same one. */

import type { Person, RoomEvent } from '../events';
import type { Decision, Terms } from '../rule';

/** The best of a window so far, where entries are public. */
export interface Standing {
  /** Entries that count, as far as they are public. */
  readonly entries: number;
  /** By choice, from 0; empty for amounts. */
  readonly counts: readonly number[];
  readonly highest: { readonly amount: number; readonly actor?: Person | undefined } | null;
}

export interface WindowState {
  /** Id of the event that opened it: the `subject` of an entry. */
  readonly id: string;
  /** Name of its type: `poll`, `auction`. */
  readonly type: string;
  /** What it is about, as the host opened it. */
  readonly data: unknown;
  readonly terms: Terms;
  /** T at which it ends for each viewer, extensions included. */
  readonly closes: number;
  readonly reveal: number;
  /** How many times a late entry has moved the end. */
  readonly extensions: number;
  /** `closed`: over on this viewer's screen, and not decided yet. */
  readonly phase: 'open' | 'closed' | 'decided' | 'withdrawn';
  readonly standing: Standing;
  readonly result: Decision | null;
  /** The event that told the result. */
  readonly decidedBy: RoomEvent | null;
  /** This client's last entry that the room took. */
  readonly mine: unknown;
}

/** A unit of an offer. */
export interface UnitState {
  /** The offer. */
  readonly offer: string;
  /** Id of the event that took it, to confirm it or give it back by; empty once it is paid. */
  readonly id: string;
  /** Its entry in the log. */
  readonly n: number;
  /** When it goes back unless confirmed, on the room's clock, microseconds. */
  readonly until: number;
  readonly isConfirmed: boolean;
}

export interface OfferState {
  readonly id: string;
  readonly type: string;
  readonly data: unknown;
  readonly quantity: number;
  readonly perPerson: number;
  /** Microseconds that a unit stays taken without being confirmed. */
  readonly holdUs: number;
  readonly left: number;
  readonly phase: 'open' | 'withdrawn';
  /** What this person had of it when they joined; events tell what comes of it. */
  readonly mine: UnitState | null;
}

export interface RoomState {
  /** What the snapshot knew already: events up to this `seq` change nothing but the messages. */
  readonly asOf: number;
  /** `seq` of the newest event shown. */
  readonly seq: number;
  /** In the order they opened; over ones are kept for a while. */
  readonly windows: ReadonlyMap<string, WindowState>;
  readonly offers: ReadonlyMap<string, OfferState>;
  /** The last value per type, or per `type key` where the type has keys. */
  readonly latest: ReadonlyMap<string, RoomEvent>;
  /** What each queue shows now, by its type. */
  readonly showing: ReadonlyMap<string, { readonly event: RoomEvent; readonly until: number }>;
  /** What was said: events without a rule, the oldest first. */
  readonly messages: readonly RoomEvent[];
  readonly presence: { readonly members: number; readonly viewers: number | null } | null;
  /** Totals of what is counted since this client joined: `counts.reaction.heart`. */
  readonly counts: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

export const EMPTY: RoomState = {
  asOf: 0,
  seq: 0,
  windows: new Map(),
  offers: new Map(),
  latest: new Map(),
  showing: new Map(),
  messages: [],
  presence: null,
  counts: {},
};

/** Windows and offers that are over and still remembered, each. */
const OVER_MAX = 32;
/** Values, windows and offers that stand, each. */
const STANDING_MAX = 1024;

/** `map` with `key` set; the oldest that are over go first, then the oldest at all. */
export function withEntry<Value>(map: ReadonlyMap<string, Value>, key: string, value: Value, isOver: (value: Value) => boolean): ReadonlyMap<string, Value> {
  const next = new Map(map).set(key, value);
  const over = [...next].filter(([, one]) => isOver(one));
  for (const [id] of over.slice(0, Math.max(over.length - OVER_MAX, 0))) next.delete(id);
  for (const id of [...next.keys()].slice(0, Math.max(next.size - STANDING_MAX, 0))) next.delete(id);
  return next;
}

export function isOverWindow({ phase }: WindowState): boolean {
  return phase === 'decided' || phase === 'withdrawn';
}
