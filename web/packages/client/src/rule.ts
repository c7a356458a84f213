/** What an event does by the rule of its type: from these the state of windows and offers is made. Times are media times in microseconds. */

/** Terms of a window, fixed when it opens: each viewer has `closes - opens` of seeing time, whatever the latency. */
export interface Terms {
  /** Id of the event that opened it. */
  readonly window: string;
  readonly opens: number;
  /** Before any extension. */
  readonly closes: number;
  /** Nothing that tells the result is shown earlier. */
  readonly reveal: number;
  readonly decide: Decide;
  /** Entries are nobody else's business until it is decided. */
  readonly is_sealed: boolean;
  readonly entries_per_person: number;
  /** A later entry of the same person replaces the earlier one. */
  readonly changes: boolean;
}

/** How a window is decided. Amounts are in the currency's smallest unit. */
export type Decide =
  | { readonly by: 'tally'; readonly choices: number }
  | { readonly by: 'match'; readonly choices: number }
  | { readonly by: 'highest'; readonly start: number; readonly step: number };

/** What came out of a window. */
export type Decision =
  | { readonly by: 'tally'; readonly counts: readonly number[] }
  | { readonly by: 'match'; readonly outcome: number; readonly counts: readonly number[] }
  | { readonly by: 'highest'; readonly winner_n: number | null; readonly amount: number };

/** One unit of an offer changing hands. */
export interface Unit {
  readonly offer: string;
  readonly reserved_n: number;
  readonly until: number;
  /** Units left for others after this. */
  readonly left: number;
}

export type Rule =
  | ({ readonly is: 'opened' } & Terms)
  | { readonly is: 'entered'; readonly window: string; readonly value: number; readonly t_seen: number; readonly is_late: boolean }
  | { readonly is: 'extended'; readonly window: string; readonly closes: number; readonly reveal: number; readonly count: number }
  | { readonly is: 'shortened'; readonly window: string; readonly closes: number; readonly reveal: number }
  | { readonly is: 'decided'; readonly window: string; readonly result: Decision; readonly entries: number; readonly late: number; readonly seed: string }
  | { readonly is: 'offered'; readonly offer: string; readonly quantity: number; readonly per_person: number; readonly hold: number }
  | ({ readonly is: 'reserved' } & Unit)
  | ({ readonly is: 'confirmed' } & Unit)
  | ({ readonly is: 'returned' } & Unit)
  | { readonly is: 'withdrawn'; readonly subject: string }
  /** Its turn in a queue has come; the next one may follow at `until`. */
  | { readonly is: 'shown'; readonly until: number };

type Check = (value: unknown) => boolean;

const id: Check = (value) => typeof value === 'string' && value.length > 0 && value.length <= 128;
const whole: Check = (value) => Number.isSafeInteger(value);
const fact: Check = (value) => typeof value === 'boolean';
const text: Check = (value) => typeof value === 'string';
const counts: Check = (value) => Array.isArray(value) && value.every(whole);
const unit = { offer: id, reserved_n: whole, until: whole, left: whole };

/** What each rule must hold to be worth anything; a rule that is not whole, or not known, is left out, and its event stays. */
const RULES: Record<Rule['is'], Record<string, Check>> = {
  opened: { window: id, opens: whole, closes: whole, reveal: whole, decide: isDecide, is_sealed: fact, entries_per_person: whole, changes: fact },
  entered: { window: id, value: whole, t_seen: whole, is_late: fact },
  extended: { window: id, closes: whole, reveal: whole, count: whole },
  shortened: { window: id, closes: whole, reveal: whole },
  decided: { window: id, result: isDecision, entries: whole, late: whole, seed: text },
  offered: { offer: id, quantity: whole, per_person: whole, hold: whole },
  reserved: unit,
  confirmed: unit,
  returned: unit,
  withdrawn: { subject: id },
  shown: { until: whole },
};

/** Reads a rule off the wire. */
export function parseRule(value: unknown): Rule | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const rule = value as Record<string, unknown>;
  if (typeof rule.is !== 'string' || !Object.hasOwn(RULES, rule.is)) return undefined;
  return fits(rule, RULES[rule.is as Rule['is']]) ? (rule as unknown as Rule) : undefined;
}

/** Reads the terms of a window, as a snapshot tells them. */
export function parseTerms(value: unknown): Terms | undefined {
  const isWhole = typeof value === 'object' && value !== null && fits(value as Record<string, unknown>, RULES.opened);
  return isWhole ? (value as Terms) : undefined;
}

export function isDecision(value: unknown): value is Decision {
  const result = (value ?? {}) as Record<string, unknown>;
  if (result.by === 'tally') return counts(result.counts);
  if (result.by === 'match') return whole(result.outcome) && counts(result.counts);
  return result.by === 'highest' && whole(result.amount) && (result.winner_n === null || whole(result.winner_n));
}

function isDecide(value: unknown): value is Decide {
  const decide = (value ?? {}) as Record<string, unknown>;
  if (decide.by === 'tally' || decide.by === 'match') return whole(decide.choices);
  return decide.by === 'highest' && whole(decide.start) && whole(decide.step);
}

function fits(rule: Record<string, unknown>, checks: Record<string, Check>): boolean {
  return Object.entries(checks).every(([name, check]) => check(rule[name]));
}
