/** Messages of the server's data channel `unisono`. */

import { parseEvent, type RoomEvent } from '../events';
import { parseMove, type MoveNotice } from '../net/moving';
import { parseMapping, type Mapping } from '../time/rtp';

export type Control =
  | { readonly type: 'mapping'; readonly mapping: Mapping }
  | { readonly type: 'events'; readonly events: readonly RoomEvent[] }
  | { readonly type: 'notice'; readonly notice: MoveNotice }
  | { readonly type: 'end'; readonly reason: string };

/** Reads one message; `null` for anything this version does not know. */
export function parseControl(data: unknown): Control | null {
  if (typeof data !== 'string' || data.length > 65_536) return null;
  let message: Record<string, unknown>;
  try {
    message = JSON.parse(data) as Record<string, unknown>;
  } catch {
    return null;
  }
  if (message?.type === 'mapping') {
    const mapping = parseMapping(message);
    return mapping && { type: 'mapping', mapping };
  }
  if (message?.type === 'event' || message?.type === 'events') {
    const values: unknown[] = Array.isArray(message.events) ? message.events : [message.event];
    const events = values.flatMap((value) => parseEvent(value) ?? []);
    return events.length > 0 ? { type: 'events', events } : null;
  }
  const notice = parseMove(message);
  if (notice) return { type: 'notice', notice };
  if (message?.type === 'end') {
    return { type: 'end', reason: typeof message.reason === 'string' ? message.reason : 'The server ended the session' };
  }
  return null;
}
