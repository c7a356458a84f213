/** Figures, names and rules as people say them. Pure. */

import type { Person, RoomEvent, Terms } from '@unisono/client';

/** Terms as the server sends them, with what the SDK passes through. */
export type FullTerms = Terms & {
  readonly l_max?: number;
  readonly l_min?: number;
  readonly uplink?: number;
  readonly soft_close?: { readonly within: number; readonly extensions_max: number } | null;
};

const NAME_MAX = 64;

/** One text of an event's data; empty where it is none. */
export function textOf(data: unknown, ...names: readonly string[]): string {
  if (typeof data !== 'object' || data === null) return '';
  for (const name of names) {
    const value = Object.hasOwn(data, name) ? (data as Record<string, unknown>)[name] : undefined;
    if (typeof value === 'string' && value.trim() !== '') return value;
  }
  return '';
}

/** The choices of a window, as many as its terms say, numbered where a word is missing. */
export function choicesOf(data: unknown, count: number): string[] {
  const words = (data as { choices?: unknown } | null)?.choices;
  const list = Array.isArray(words) ? words : [];
  return Array.from({ length: count }, (_, index) => (typeof list[index] === 'string' ? list[index] : `Choice ${index + 1}`));
}

/** How somebody is called: their name, else what can be said of them. */
export function nameOf(person: Person | undefined | null, data?: unknown): string {
  const name = person?.name?.trim() || textOf(data, 'name');
  if (name) return name.slice(0, NAME_MAX);
  if (!person) return 'The room';
  if (person.id === 'local') return 'Host';
  return person.id.startsWith('g~') ? `Guest ${person.id.slice(2, 6)}` : person.id.replace(/^~/, '').slice(0, 24);
}

export function authorOf(event: RoomEvent): string {
  return nameOf(event.actor, event.data);
}

/** An amount in the smallest unit of `currency` (ISO 4217); a plain number without one. */
export function money(amount: number, currency: string | null, locale?: string): string {
  const plain = () => new Intl.NumberFormat(locale).format(amount);
  if (!currency) return plain();
  try {
    const format = new Intl.NumberFormat(locale, { style: 'currency', currency });
    return format.format(amount / 10 ** (format.resolvedOptions().maximumFractionDigits ?? 2));
  } catch {
    return `${plain()} ${currency.slice(0, 8)}`;
  }
}

/** Digits behind the point in `currency`; 0 without one. */
export function digitsOf(currency: string | null): number {
  if (!currency) return 0;
  try {
    return new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions().maximumFractionDigits ?? 2;
  } catch {
    return 0;
  }
}

/** Reads what somebody typed, in whole units, as an amount in the smallest unit; `null` for what is none. */
export function amountOf(typed: string, currency: string | null): number | null {
  const value = Number(typed.trim().replace(',', '.'));
  if (typed.trim() === '' || !Number.isFinite(value)) return null;
  const amount = Math.round(value * 10 ** digitsOf(currency));
  return Number.isSafeInteger(amount) && amount > 0 ? amount : null;
}

/** Microseconds as `1:05`; a begun second counts whole, so that 0:00 means over. */
export function clockWords(us: number): string {
  const seconds = Math.ceil(Math.max(us, 0) / 1e6);
  const rest = String(seconds % 60).padStart(2, '0');
  return seconds < 3600 ? `${Math.floor(seconds / 60)}:${rest}` : `${Math.floor(seconds / 3600)}:${String(Math.floor(seconds / 60) % 60).padStart(2, '0')}:${rest}`;
}

/** A span for a sentence: `6 s`, `0.3 s`, `90 ms`. */
export function spanWords(us: number): string {
  if (us < 100_000) return `${Math.round(us / 1000)} ms`;
  return `${Math.round(us / 1e5) / 10} s`;
}

/** A long span in its largest unit: how long somebody is still muted. */
export function whileWords(us: number): string {
  const minutes = us / 60e6;
  if (minutes < 2) return `${Math.ceil(us / 1e6)} s`;
  if (minutes < 120) return `${Math.ceil(minutes)} min`;
  return minutes < 2880 ? `${Math.ceil(minutes / 60)} h` : `${Math.ceil(minutes / 1440)} days`;
}

/** Whole percent of each count; all 0 without any. */
export function percents(counts: readonly number[]): number[] {
  const all = counts.reduce((sum, count) => sum + count, 0);
  return counts.map((count) => (all === 0 ? 0 : Math.round((100 * count) / all)));
}

/** How far behind those who may take part are, in one word (fairness spec 13). */
export function latencyClass(lMaxUs: number): 'low' | 'medium' | 'high' {
  if (lMaxUs <= 1_000_000) return 'low';
  return lMaxUs <= 4_000_000 ? 'medium' : 'high';
}

export interface Disclosure {
  /** One line: class and error. */
  readonly short: string;
  /** The rule, sentence by sentence. */
  readonly rule: readonly string[];
}

/** What is told with each window: latency class, e, and the rule as text (fairness spec 13). `errorUs`: of this client's clock. */
export function disclosure(terms: FullTerms, errorUs: number | null): Disclosure {
  const lMax = terms.l_max ?? null;
  const error = errorUs !== null && Number.isFinite(errorUs) ? `e ± ${spanWords(Math.max(errorUs, 1000))}` : 'e not measured yet';
  const classWords = lMax === null ? '' : `Latency class ${latencyClass(lMax)} (up to ${spanWords(lMax)}) · `;
  return { short: `${classWords}${error}`, rule: ruleWords(terms, lMax) };
}

function ruleWords(terms: FullTerms, lMax: number | null): string[] {
  const words = [`Open for ${spanWords(terms.closes - terms.opens)} of the picture as you see it: however far behind live you are, you have the same time.`];
  words.push('Being in time counts, being first does not.');
  if (lMax !== null) words.push(`Viewers up to ${spanWords(lMax)} behind live take part.`);
  if (terms.decide.by === 'highest') words.push('The highest amount wins; of equal ones a seed decides that was fixed before it opened.');
  if (terms.decide.by === 'match') words.push('Those who chose what turns out right win.');
  words.push(terms.is_sealed ? 'Nobody sees an entry before the end.' : 'Everybody sees each entry.');
  if (terms.changes) words.push('You may change your entry until it closes; the last one counts.');
  const soft = terms.soft_close;
  if (soft) words.push(`An entry in the last ${spanWords(soft.within)} moves the end, at most ${soft.extensions_max} times.`);
  words.push(`The result is shown ${spanWords(Math.max(terms.reveal - terms.closes, 0))} after the end, when the slowest viewer's time is over too.`);
  return words;
}
