/** A room as it stands, for those who come late. */

import { parseEvent, type RoomEvent } from '../events';

/** What a snapshot holds; what is not whole is left out. */
export interface Snapshot {
  /** Everything up to this event is in it. */
  readonly seq: number;
  readonly windows: readonly WindowView[];
  /** Results of the windows decided last, oldest first. */
  readonly results: readonly RoomEvent[];
  readonly latest: readonly RoomEvent[];
  readonly offers: readonly { readonly event: RoomEvent; readonly left: number; readonly isWithdrawn: boolean }[];
  readonly showing: readonly RoomEvent[];
  /** Ids of the events taken back last. */
  readonly cancelled: readonly string[];
}

export interface WindowView {
  /** The event that opened it, with its terms. */
  readonly event: RoomEvent;
  readonly closes: number;
  readonly reveal: number;
  readonly extensions: number;
  readonly entries: number;
  readonly counts: readonly number[];
  readonly price: number | null;
}

/** Items of each kind that are read. */
const ITEMS_MAX = 1024;

type Item = Readonly<Record<string, unknown>>;

/** Reads a snapshot's message. */
export function parseSnapshot(seq: number, body: Item): Snapshot {
  return {
    seq,
    windows: items(body.windows).flatMap((item) => windowView(item)),
    results: events(body.results),
    latest: events(body.latest),
    offers: items(body.offers).flatMap((item) => {
      const event = parseEvent(item.event);
      return event ? [{ event, left: whole(item.left) ?? 0, isWithdrawn: item.is_withdrawn === true }] : [];
    }),
    showing: items(body.queues).flatMap(({ showing }) => events([showing])),
    cancelled: list(body.cancelled).filter((id): id is string => typeof id === 'string'),
  };
}

function windowView(item: Item): WindowView[] {
  const event = parseEvent(item.event);
  if (event?.rule?.is !== 'opened') return [];
  const standing = (item.standing ?? {}) as Item;
  return [
    {
      event,
      closes: whole(item.closes) ?? event.rule.closes,
      reveal: whole(item.reveal) ?? event.rule.reveal,
      extensions: whole(item.extensions) ?? 0,
      entries: whole(standing.entries) ?? 0,
      counts: list(standing.counts).map((count) => whole(count) ?? 0),
      price: whole(standing.price),
    },
  ];
}

function events(value: unknown): RoomEvent[] {
  return list(value).flatMap((item) => parseEvent(item) ?? []);
}

function items(value: unknown): Item[] {
  return list(value).filter((item): item is Item => typeof item === 'object' && item !== null);
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value.slice(0, ITEMS_MAX) : [];
}

function whole(value: unknown): number | null {
  return Number.isSafeInteger(value) ? (value as number) : null;
}
