/** Posting an event to a room. */

import { errorFromResponse } from '../errors';
import { parseEvent, type Late, type RoomEvent } from '../events';

export interface NewEvent {
  readonly type: string;
  /** `now` (the default) is the stream's newest frame; else T in microseconds. */
  readonly at?: 'now' | number;
  readonly lane?: string;
  /** Microseconds. */
  readonly dur?: number;
  /** Microseconds. */
  readonly ttl?: number;
  readonly late?: Late;
  /** At most 1 KiB as JSON. */
  readonly data?: unknown;
}

/** Posts to the room's events address and returns the event as the room numbered it. Repeating is safe: the command carries its own id. */
export async function postEvent(url: string, event: NewEvent, key?: string): Promise<RoomEvent | null> {
  const body = JSON.stringify({ ...event, cmd_id: uuid() });
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(key ? { authorization: `Bearer ${key}` } : {}) },
    body,
    signal: AbortSignal.timeout(10_000),
  });
  if (!response.ok) throw await errorFromResponse(response);
  return parseEvent(await response.json().catch(() => null));
}

/** UUID version 4; `crypto.randomUUID` exists on HTTPS and localhost only. */
function uuid(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
