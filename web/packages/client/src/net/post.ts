/** Posting an event to a room. */

import { errorFromResponse } from '../errors';
import { parseEvent, type Late, type RoomEvent } from '../events';
import { uuidV7 } from '../uuid';
import { within } from './signals';

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
  const body = JSON.stringify({ ...event, cmd_id: uuidV7() });
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(key ? { authorization: `Bearer ${key}` } : {}) },
    body,
    signal: within(10_000),
  });
  if (!response.ok) throw await errorFromResponse(response);
  return parseEvent(await response.json().catch(() => null));
}
