/** What a screen reader is told of a room: what begins, what ends, what concerns the listener; prices only now and then. Pure but for the clock given. */

import type { RoomState, WindowState } from '@unisono/client';
import { biddingOf, hammerWords } from './view';
import { choicesOf, money, percents, textOf } from './words';

/** A price is said again after so long at the earliest. */
const PRICE_EVERY_MS = 8000;

export class Announcer {
  #seen = new Map<string, { phase: WindowState['phase']; extensions: number; isOutbid: boolean; price: number | null }>();
  #offers = new Set<string>();
  #priceSaidAt = -Infinity;
  #isFirst = true;

  /** Sentences for what changed since the last call. What stood already at the first is not news, but said once. */
  look(state: RoomState, me: string | null, nowMs: number): string[] {
    const said: string[] = [];
    for (const window of state.windows.values()) said.push(...this.#window(window, me, nowMs));
    for (const offer of state.offers.values()) {
      if (this.#offers.has(offer.id)) continue;
      this.#offers.add(offer.id);
      if (offer.phase === 'open') said.push(`On offer: ${titleOf(offer.data)}, ${offer.left} left.`);
    }
    for (const id of this.#seen.keys()) if (!state.windows.has(id)) this.#seen.delete(id);
    for (const id of this.#offers) if (!state.offers.has(id)) this.#offers.delete(id);
    this.#isFirst = false;
    return said;
  }

  #window(window: WindowState, me: string | null, nowMs: number): string[] {
    const before = this.#seen.get(window.id);
    const bidding = biddingOf(window, me);
    const now = { phase: window.phase, extensions: window.extensions, isOutbid: bidding?.isOutbid ?? false, price: bidding?.price ?? null };
    this.#seen.set(window.id, now);
    const title = titleOf(window.data);
    if (!before) return now.phase === 'open' ? [`${title}: open now.`] : this.#isFirst || now.phase !== 'decided' ? [] : [resultWords(window, me)];
    if (before.phase !== now.phase && now.phase === 'decided') return [resultWords(window, me)];
    if (before.phase !== now.phase && now.phase === 'withdrawn') return [`${title}: taken back.`];
    if (now.isOutbid && !before.isOutbid) return [`You were outbid: ${money(now.price!, bidding!.currency)}.`];
    if (now.extensions > before.extensions) return [`${title}: the end has moved.`];
    if (now.price !== before.price && now.price !== null && nowMs - this.#priceSaidAt >= PRICE_EVERY_MS) {
      this.#priceSaidAt = nowMs;
      return [`${title}: ${money(now.price, bidding!.currency)}.`];
    }
    return [];
  }
}

export function titleOf(data: unknown): string {
  return textOf(data, 'title', 'question', 'text') || 'Untitled';
}

/** How a window came out, in one sentence. */
export function resultWords(window: WindowState, me: string | null): string {
  const { result, data } = window;
  const title = titleOf(data);
  if (result === null) return `${title}: no result.`;
  if (result.by === 'highest') return `${title}: ${hammerWords(window, me)}.`;
  const choices = choicesOf(data, result.counts.length);
  const shares = percents(result.counts);
  if (result.by === 'match') return `${title}: ${choices[result.outcome] ?? 'the outcome'} was right.`;
  return `${title}: ${choices.map((choice, index) => `${choice} ${shares[index]} percent`).join(', ')}.`;
}
