/** What the room says over its feed. Anything that this version does not know is left out. */

import { person, type Person } from '../events';
import { parseMove, type MoveNotice } from '../net/moving';
import { parseAck, type Ack } from './command';
import { parseMine, type Mine } from './mine';

export type Message =
  | {
      readonly type: 'hello';
      readonly seq: number;
      /** The node's timeline clock, microseconds. */
      readonly t: number | null;
      readonly person: Person | null;
      readonly role: string | null;
      /** `null` on a server that takes no commands over the feed. */
      readonly session: string | number | null;
    }
  | { readonly type: 'events'; readonly events: readonly unknown[] }
  | { readonly type: 'snapshot'; readonly seq: number; readonly body: Record<string, unknown> }
  /** What this person has in what is open. */
  | { readonly type: 'mine'; readonly mine: Mine }
  | { readonly type: 'counts'; readonly name: string; readonly counts: Readonly<Record<string, number>>; readonly at: number }
  | { readonly type: 'presence'; readonly members: number; readonly viewers: number | null }
  | { readonly type: 'ack'; readonly ack: Ack }
  | { readonly type: 'lagged'; readonly fromSeq: number; readonly lost: number }
  | { readonly type: 'clock'; readonly t0: number; readonly t1: number; readonly t2: number }
  /** Something that this client said was not understood. */
  | { readonly type: 'error'; readonly words: string }
  | { readonly type: 'lockstep'; readonly targetUs: number | null }
  /** The server asks to be left, or takes it back. */
  | MoveNotice;

/** Longest message that is read: a batch or a snapshot of a busy room stays far below. */
const LENGTH_MAX = 16 * 1024 * 1024;
/** What is counted apart, per name. */
const KEYS_MAX = 256;

const isWhole = (value: unknown): value is number => Number.isSafeInteger(value);

/** Reads one message; `null` for what is not whole, or not known. */
export function parseMessage(data: unknown): Message | null {
  if (typeof data !== 'string' || data.length > LENGTH_MAX) return null;
  try {
    const value: unknown = JSON.parse(data);
    return typeof value === 'object' && value !== null ? read(value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

/** One case per message: long, and nothing but a table. */
function read(m: Record<string, unknown>): Message | null {
  switch (m.type) {
    case 'hello':
      return {
        type: 'hello',
        seq: isWhole(m.seq) ? m.seq : 0,
        t: isWhole(m.t) ? m.t : null,
        person: person(m.person) ?? null,
        role: typeof m.role === 'string' ? m.role : null,
        session: typeof m.session === 'string' || isWhole(m.session) ? m.session : null,
      };
    case 'event':
      return { type: 'events', events: [m.event] };
    case 'events':
      return Array.isArray(m.events) ? { type: 'events', events: m.events } : null;
    case 'snapshot':
      return isWhole(m.seq) ? { type: 'snapshot', seq: m.seq, body: m } : null;
    case 'mine':
      return { type: 'mine', mine: parseMine(m) };
    case 'counts':
      return typeof m.name === 'string' ? { type: 'counts', name: m.name, counts: counts(m.counts), at: isWhole(m.at) ? m.at : 0 } : null;
    case 'presence':
      return { type: 'presence', members: isWhole(m.members) ? m.members : 0, viewers: isWhole(m.viewers) ? m.viewers : null };
    case 'ack': {
      const ack = parseAck(m);
      return ack && { type: 'ack', ack };
    }
    case 'lagged':
      return isWhole(m.from_seq) ? { type: 'lagged', fromSeq: m.from_seq, lost: isWhole(m.lost) ? m.lost : 0 } : null;
    case 'clock':
      return isWhole(m.t0) && isWhole(m.t1) && isWhole(m.t2) ? { type: 'clock', t0: m.t0, t1: m.t1, t2: m.t2 } : null;
    case 'error':
      return typeof m.words === 'string' ? { type: 'error', words: m.words } : null;
    case 'lockstep':
      return m.target === null || isWhole(m.target) ? { type: 'lockstep', targetUs: m.target } : null;
    case 'move':
    case 'stay':
      return parseMove(m);
    default:
      return null;
  }
}

function counts(value: unknown): Record<string, number> {
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(Object.entries(value).filter((entry): entry is [string, number] => isWhole(entry[1])).slice(0, KEYS_MAX));
}
