/** From the state of a room to what its panels show. Pure. */

import type { Ack, OfferState, RoomEvent, RoomState, WindowState } from '@unisono/client';
import { money, nameOf, spanWords, textOf } from './words';

/** Results that stay beside what is open. */
const RESULTS_MAX = 2;

export interface Live {
  /** Open, or waiting for their result: the newest first. */
  readonly open: readonly WindowState[];
  /** Decided here, the newest first. */
  readonly over: readonly WindowState[];
  readonly offers: readonly OfferState[];
}

/** What is going on. `dismissed`: ids that this viewer has put away. */
export function liveOf({ windows, offers }: RoomState, dismissed: ReadonlySet<string>): Live {
  const all = [...windows.values()].filter(({ id }) => !dismissed.has(id)).toReversed();
  return {
    open: all.filter(({ phase }) => phase === 'open' || phase === 'closed'),
    over: all.filter(({ phase, result }) => phase === 'decided' && result !== null).slice(0, RESULTS_MAX),
    offers: [...offers.values()].filter(({ id, phase }) => phase === 'open' && !dismissed.has(id)).toReversed(),
  };
}

/** What stands in the chat: its messages, and what the room should know beside them. */
export function chatOf({ messages }: RoomState): RoomEvent[] {
  return messages.filter((event) => (isChat(event) && wordsOf(event) !== '') || noteOf(event) !== null);
}

export function isChat({ type, lane }: RoomEvent): boolean {
  return type === 'chat' || lane === 'chat';
}

export function questionsOf({ messages }: RoomState): RoomEvent[] {
  return messages.filter((event) => event.type === 'question' && wordsOf(event) !== '');
}

export function isAnswered({ data }: RoomEvent): boolean {
  return (data as { answered?: unknown } | null)?.answered === true;
}

/** What was said. */
export function wordsOf({ data }: RoomEvent): string {
  return typeof data === 'string' ? data : textOf(data, 'text', 'message');
}

/** A line of the room itself; `null` for other events. */
export function noteOf({ type, data, actor }: RoomEvent): string | null {
  if (type === 'gift' || type === 'purchase') {
    const what = textOf(data, 'text', 'title', 'item') || (type === 'gift' ? 'a gift' : 'something');
    return type === 'gift' ? `${nameOf(actor, data)} gave ${what}` : `${nameOf(actor, data)} bought ${what}`;
  }
  if (type !== 'moderation') return null;
  const slow = slowOfEvent(data);
  if (slow === null) return null;
  return slow > 0 ? `Slow mode: one message per ${spanWords(slow)}` : 'Slow mode is off';
}

/** Microseconds between two messages of one person, as far as the history told; 0 without slow mode. */
export function slowModeOf({ messages }: RoomState): number {
  const last = messages.findLast(({ type, data }) => type === 'moderation' && slowOfEvent(data) !== null);
  return last ? (slowOfEvent(last.data) ?? 0) : 0;
}

function slowOfEvent(data: unknown): number | null {
  const { action, every } = (data ?? {}) as { action?: unknown; every?: unknown };
  return action === 'slow' && Number.isSafeInteger(every) ? (every as number) : null;
}

export interface Bidding {
  /** Highest so far; `null` before the first bid, and where bids are sealed. */
  readonly price: number | null;
  readonly leader: string | null;
  /** Least amount that can win now. */
  readonly next: number;
  readonly currency: string | null;
  readonly isMine: boolean;
  /** This viewer has bid, and somebody else leads. */
  readonly isOutbid: boolean;
}

/** How an auction stands for the person `me`. */
export function biddingOf({ terms, standing, mine, data }: WindowState, me: string | null): Bidding | null {
  if (terms.decide.by !== 'highest') return null;
  const { start, step } = terms.decide;
  const highest = terms.is_sealed ? null : standing.highest;
  const own = (mine as { amount?: unknown } | null)?.amount;
  const isMine = highest !== null && (highest.actor ? highest.actor.id === me : own === highest.amount);
  return {
    price: highest?.amount ?? null,
    leader: highest?.actor ? nameOf(highest.actor) : null,
    next: highest === null ? start : highest.amount + step,
    currency: textOf(data, 'currency') || null,
    isMine,
    isOutbid: highest !== null && typeof own === 'number' && !isMine && own <= highest.amount,
  };
}

/** How an auction ended. */
export function hammerWords(window: WindowState, me: string | null): string {
  if (window.result?.by !== 'highest') return '';
  const { winner_n: winner, amount } = window.result;
  if (winner === null) return 'Over: nobody bid';
  const bidding = biddingOf(window, me);
  const price = money(amount, bidding?.currency ?? null);
  const { highest } = window.standing;
  const buyer = highest?.amount === amount && highest.actor ? highest.actor : null;
  if (buyer && buyer.id === me) return `Sold to you for ${price}`;
  return buyer ? `Sold to ${nameOf(buyer)} for ${price}` : `Sold for ${price}`;
}

/** A refusal as the person reads it; `null` where it was done. */
export function refusalWords(ack: Ack): string | null {
  switch (ack.status as string) {
    case 'accepted':
    case 'duplicate':
      return null;
    case 'late':
      return ack.words ? `Too late: ${ack.words}` : 'Too late: it had closed on the picture you saw';
    case 'outbid':
      return ack.words ? capital(ack.words) : 'Somebody bid more';
    case 'sold':
      return ack.words ? capital(ack.words) : 'Nothing left';
    default:
      return ack.words ? capital(ack.words) : 'The room refused it';
  }
}

export function capital(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1);
}
