/** Commands: what somebody asks a room for, and the answer. */

import type { Late } from '../events';

/** What a command does. Which of them a type knows says its rule class. */
export type Verb = 'send' | 'amend' | 'open' | 'enter' | 'confirm' | 'release' | 'close' | 'cancel';

/** What the sender had on screen. */
export interface Seen {
  /** T of the displayed frame, microseconds. */
  readonly t: number;
  /** `seq` of the newest event shown. */
  readonly seq?: number;
}

/** A command as it travels. The same `cmd_id` again gives the first answer again and does nothing else. */
export interface Command {
  readonly cmd_id: string;
  readonly type: string;
  readonly do: Verb;
  readonly at?: 'now' | number;
  readonly dur?: number;
  readonly ttl?: number;
  readonly late?: Late;
  readonly lane?: string;
  readonly subject?: string;
  readonly seen?: Seen;
  readonly data?: unknown;
}

/** What may be said beside type and data. Times are microseconds. */
export interface CommandOptions {
  /** When it takes place: `now` (default) is the stream's newest frame, else T. */
  readonly at?: 'now' | number;
  /** How long it holds; of a window, how long it is open. */
  readonly dur?: number;
  /** How long after `at` it is still worth showing. */
  readonly ttl?: number;
  readonly late?: Late;
  /** Lane of a free event. A registered type brings its own. */
  readonly lane?: string;
  /** The event it is about. */
  readonly subject?: string;
  /** Filled from the player's displayed frame unless said here. */
  readonly seen?: Seen;
  /** Milliseconds to wait for the answer, over however many connections; 30,000 by default. */
  readonly patienceMs?: number;
}

/**
 * `busy`: nothing was done (too fast, or the server is in trouble), worth another try. `unsent` is this client's own word: it never left, see
 * `words`. A server newer than this client may have more.
 */
export type Status = 'accepted' | 'duplicate' | 'late' | 'outbid' | 'sold' | 'forbidden' | 'invalid' | 'busy' | 'unsent' | (string & {});

/** The answer to a command. */
export interface Ack {
  readonly cmd_id: string;
  readonly status: Status;
  /** Its entry in the log; none if nothing was written. */
  readonly n?: number;
  /** Its event in the room's order; none for votes, sealed bids and refusals. */
  readonly seq?: number;
  /** Id of its event: the window just opened, the message just sent. */
  readonly id?: string;
  /** Why not, in words, with the limit. */
  readonly words?: string;
  /** What helps the sender on: the price to beat, the missing milliseconds. */
  readonly data?: unknown;
}

/** Longest message to the server, UTF-8 bytes. */
export const MESSAGE_MAX = 8 * 1024;

/** Reads an answer; `null` if it is not a whole one. */
export function parseAck(value: unknown): Ack | null {
  if (typeof value !== 'object' || value === null) return null;
  const a = value as Record<string, unknown>;
  if (typeof a.cmd_id !== 'string' || typeof a.status !== 'string') return null;
  return {
    cmd_id: a.cmd_id,
    status: a.status,
    ...(Number.isSafeInteger(a.n) && { n: a.n as number }),
    ...(Number.isSafeInteger(a.seq) && { seq: a.seq as number }),
    ...(typeof a.id === 'string' && { id: a.id }),
    ...(typeof a.words === 'string' && { words: a.words }),
    ...(a.data !== undefined && a.data !== null && { data: a.data }),
  };
}

/** What no server could read, in words: said here, where the mistake was made. */
export function mistake({ type, at, dur, ttl, seen }: Command): string | null {
  if (!/^[a-z0-9._-]{1,64}$/.test(type)) return `“${type}” is not the name of a type: 1 to 64 of a-z 0-9 . _ -`;
  if (at !== undefined && at !== 'now' && !Number.isSafeInteger(at)) return 'at must be "now" or whole microseconds';
  for (const [name, span] of [['dur', dur], ['ttl', ttl]] as const) {
    if (span !== undefined && (!Number.isSafeInteger(span) || span < 0)) return `${name} must be whole microseconds, 0 or more`;
  }
  const isSeen = seen === undefined || (Number.isSafeInteger(seen.t) && (seen.seq === undefined || Number.isSafeInteger(seen.seq)));
  return isSeen ? null : 'seen must hold whole numbers';
}

/** It took effect, now or when it was sent before. */
export function isDone({ status }: Ack): boolean {
  return status === 'accepted' || status === 'duplicate';
}
