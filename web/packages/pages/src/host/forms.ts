/** What the host's forms ask for, and the command that follows. Pure. */

import { amountOf } from '@unisono/room/parts';

export type Kind = 'poll' | 'quiz' | 'auction' | 'sealed-bid' | 'drop' | 'round' | 'alert';

/** As typed. */
export interface Draft {
  readonly title: string;
  /** One a line. */
  readonly choices: string;
  /** Number of the right choice, from 1; quiz. */
  readonly right: string;
  readonly seconds: string;
  readonly start: string;
  readonly step: string;
  readonly currency: string;
  readonly quantity: string;
  /** Seconds behind live that viewers may be: L_max. */
  readonly slowest: string;
}

export const EMPTY: Draft = { title: '', choices: '', right: '1', seconds: '60', start: '10', step: '1', currency: 'EUR', quantity: '10', slowest: '6' };

export interface Opening {
  readonly type: string;
  readonly do: 'open' | 'send';
  readonly data: Readonly<Record<string, unknown>>;
  /** Microseconds. */
  readonly dur?: number;
}

export type Drafted = { readonly opening: Opening } | { readonly words: string };

/** The command, or what is missing in words. One case per kind. */
export function openingOf(kind: Kind, draft: Draft): Drafted {
  const title = draft.title.trim();
  if (title === '') return { words: kind === 'poll' || kind === 'quiz' ? 'Ask something.' : 'Give it a title.' };
  switch (kind) {
    case 'poll':
    case 'quiz':
    case 'round':
      return choosing(kind, title, draft);
    case 'auction':
    case 'sealed-bid':
      return auction(kind, title, draft);
    case 'drop': {
      const quantity = whole(draft.quantity);
      return quantity === null ? { words: 'How many are there? A whole number from 1.' } : { opening: { type: kind, do: 'open', data: { title, quantity, owner_confirms: true } } };
    }
    case 'alert':
      return { opening: { type: kind, do: 'send', data: { text: title } } };
  }
}

function choosing(kind: 'poll' | 'quiz' | 'round', title: string, draft: Draft): Drafted {
  const choices = draft.choices.split('\n').map((line) => line.trim()).filter((line) => line !== '');
  if (choices.length < 2) return { words: 'Write two choices or more, one a line.' };
  const time = timing(draft);
  if ('words' in time) return time;
  const outcome = whole(draft.right);
  if (kind === 'quiz' && (outcome === null || outcome > choices.length)) return { words: `Which choice is right? 1 to ${choices.length}.` };
  const data = { [kind === 'round' ? 'title' : 'question']: title, choices, ...(kind === 'quiz' && { outcome: outcome! - 1 }), ...time.terms };
  return { opening: { type: kind, do: 'open', data, dur: time.dur } };
}

function auction(kind: 'auction' | 'sealed-bid', title: string, draft: Draft): Drafted {
  const currency = draft.currency.trim().toUpperCase() || null;
  const [start, step] = [amountOf(draft.start, currency), amountOf(draft.step, currency)];
  if (start === null || step === null) return { words: 'First bid and least raise must be amounts above 0.' };
  const time = timing(draft);
  if ('words' in time) return time;
  return { opening: { type: kind, do: 'open', data: { title, start, step, ...(currency && { currency }), ...time.terms }, dur: time.dur } };
}

function timing({ seconds, slowest }: Draft): { dur: number; terms: object } | { words: string } {
  const open = whole(seconds);
  if (open === null) return { words: 'How long is it open? Whole seconds from 1.' };
  const lMax = Number(slowest);
  // The room's own default is said by leaving it out.
  return { dur: open * 1_000_000, terms: slowest === EMPTY.slowest || !(lMax > 0) ? {} : { terms: { l_max: lMax * 1_000_000 } } };
}

function whole(text: string): number | null {
  const value = Number(text.trim());
  return text.trim() !== '' && Number.isSafeInteger(value) && value >= 1 ? value : null;
}
