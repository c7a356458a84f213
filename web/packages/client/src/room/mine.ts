/**
 * What this person has in windows and offers that are open: the room says so when one joins, so that a vote is marked and a unit held after a
 * reload, and on another device. It is put into the state as soon as its window or offer is there, which may be some frames later.
 */

import { isOverWindow, type RoomState, type UnitState } from './state';
import { withOffer, withWindow } from './windows';

/** What the room said. */
export interface Mine {
  readonly windows: readonly { readonly window: string; readonly data: unknown }[];
  readonly units: readonly UnitState[];
  /** Offers of which something is paid. */
  readonly bought: readonly string[];
}

/** Items that are read. */
const ITEMS_MAX = 256;

type Item = Readonly<Record<string, unknown>>;

/** Reads the message; what is not whole is left out. */
export function parseMine(body: Item): Mine {
  return {
    windows: items(body.windows).flatMap(({ window, data }) => (typeof window === 'string' ? [{ window, data }] : [])),
    units: items(body.units).flatMap(unit),
    bought: items(body.bought).flatMap(({ offer }) => (typeof offer === 'string' ? [offer] : [])),
  };
}

function unit({ offer, event, reserved_n: n, until }: Item): UnitState[] {
  if (typeof offer !== 'string' || typeof event !== 'string' || !Number.isSafeInteger(n) || !Number.isSafeInteger(until)) return [];
  return [{ offer, id: event, n: n as number, until: until as number, isConfirmed: false }];
}

function items(value: unknown): Item[] {
  const list = Array.isArray(value) ? value.slice(0, ITEMS_MAX) : [];
  return list.filter((item): item is Item => typeof item === 'object' && item !== null);
}

/** Waits for its windows and offers. */
export class Claims {
  #windows = new Map<string, unknown>();
  #units = new Map<string, UnitState>();

  /** The room said it anew. */
  take({ windows, units, bought }: Mine): void {
    this.#windows = new Map(windows.map(({ window, data }) => [window, data]));
    const paid = bought.map((offer): [string, UnitState] => [offer, { offer, id: '', n: 0, until: 0, isConfirmed: true }]);
    this.#units = new Map([...paid, ...units.map((one): [string, UnitState] => [one.offer, one])]);
  }

  /** Puts what it can into `state`; what this client did itself meanwhile is newer and stays. */
  apply(state: RoomState): RoomState {
    let next = state;
    for (const [id, data] of this.#windows) {
      const window = next.windows.get(id);
      if (!window) continue;
      this.#windows.delete(id);
      if (window.mine === null && !isOverWindow(window)) next = withWindow(next, { ...window, mine: data });
    }
    for (const [id, held] of this.#units) {
      const offer = next.offers.get(id);
      if (!offer) continue;
      this.#units.delete(id);
      if (offer.mine === null) next = withOffer(next, { ...offer, mine: held });
    }
    return next;
  }
}
