/** Our events out of `emsg` boxes and ID3 tags. */

import { parseEvent, type RoomEvent } from '../events';
import { eventMessagesOf } from './fragment';
import { privFrames } from './id3';

/** Owner of our PRIV frames. */
const OWNER = 'unisono';
const ID3_SCHEME = /\/emsg[-/]ID3$/i;

/** The events that the `emsg` boxes of a part carry. */
export function eventsOfPart(bytes: Uint8Array): RoomEvent[] {
  return eventMessagesOf(bytes)
    .filter(({ scheme }) => ID3_SCHEME.test(scheme))
    .flatMap(({ data }) => eventsOfTag(data));
}

/** The events that an ID3 tag carries. */
export function eventsOfTag(tag: Uint8Array): RoomEvent[] {
  return privFrames(tag, OWNER).flatMap((data) => eventsOfPriv(data));
}

/** The event in the data of one PRIV frame of ours. */
export function eventsOfPriv(data: Uint8Array): RoomEvent[] {
  try {
    const event = parseEvent(JSON.parse(new TextDecoder().decode(data)));
    return event ? [event] : [];
  } catch {
    return [];
  }
}
