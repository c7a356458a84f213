/** Events of a room, as they come over any wire. */

import { parseRule, type Rule } from './rule';

/** What to do with an event that comes after the frame it belongs to. */
export type Late = 'show' | 'skip' | 'log';

export interface RoomEvent {
  readonly room: string;
  readonly epoch: number;
  /** Gapless per room; orders events with the same `at`. */
  readonly seq: number;
  /** The same over every wire: copies are recognised by it. */
  readonly id: string;
  readonly lane: string;
  readonly type: string;
  /** T (microseconds) of the moment the event belongs to. */
  readonly at: number;
  /** Microseconds. */
  readonly dur?: number;
  /** Microseconds after which it is worth nothing. */
  readonly ttl?: number;
  readonly late: Late;
  readonly actor?: Person | undefined;
  /** The event it is about: the window it belongs to, the message it answers. */
  readonly subject?: string;
  /** The event this one replaces, or takes back. */
  readonly supersedes?: string;
  readonly cancels?: string;
  /** `cmd_id` of the command that caused it. */
  readonly cause?: string;
  /** What it does by the rule of its type: a window opens, a unit is taken. */
  readonly rule?: Rule;
  readonly data: unknown;
}

/** Who sent something: a key's id, a token's `~subject`, or a guest's number, and how they want to be called. */
export interface Person {
  readonly id: string;
  readonly name?: string;
}

/** The wire that brought the event first. */
export type Via = 'datachannel' | 'emsg' | 'feed';

/** Reads an event; `null` if it lacks what presenting it needs. */
export function parseEvent(value: unknown): RoomEvent | null {
  if (typeof value !== 'object' || value === null) return null;
  const e = value as Record<string, unknown>;
  const whole =
    typeof e.id === 'string' && e.id.length <= 128 && typeof e.type === 'string' && Number.isSafeInteger(e.seq) && Number.isSafeInteger(e.at);
  if (!whole) return null;
  const { rule: _, subject, supersedes, cancels, cause, ...rest } = e;
  const rule = parseRule(e.rule);
  return {
    ...(rest as unknown as RoomEvent),
    ...ids({ subject, supersedes, cancels, cause }),
    ...(rule && { rule }),
    room: typeof e.room === 'string' ? e.room : '',
    epoch: Number.isSafeInteger(e.epoch) ? (e.epoch as number) : 0,
    lane: typeof e.lane === 'string' ? e.lane : '',
    late: e.late === 'skip' || e.late === 'log' ? e.late : 'show',
    actor: person(e.actor),
    data: e.data ?? null,
  };
}

/** Those that are ids. */
function ids<Name extends string>(values: Record<Name, unknown>): Partial<Record<Name, string>> {
  const known = Object.entries(values).filter(([, id]) => typeof id === 'string' && id.length <= 128);
  return Object.fromEntries(known) as Partial<Record<Name, string>>;
}

export function person(value: unknown): Person | undefined {
  const { id, name } = (value ?? {}) as Record<string, unknown>;
  return typeof id === 'string' ? { id, ...(typeof name === 'string' && { name }) } : undefined;
}
