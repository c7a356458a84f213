/** What a room's events tell of its windows: terms, public entries, result. Pure. */

import type { Decision, RoomEvent } from '@unisono/client';
import type { FullTerms } from '@unisono/room/parts';

/** An entry that everybody may see. */
export interface Entry {
  readonly value: number;
  /** The command it came by: with the seed it splits what is equal. */
  readonly cause: string;
  readonly name: string | null;
  readonly isClamped: boolean;
}

export interface WindowRecord {
  readonly id: string;
  readonly type: string;
  readonly data: unknown;
  readonly terms: FullTerms & { readonly seed_digest?: string };
  /** T_c with its extensions. */
  readonly closes: number;
  readonly reveal: number;
  readonly extensions: number;
  readonly isShortened: boolean;
  readonly entries: readonly Entry[];
  /** Not all of its public entries are here. */
  readonly isCut: boolean;
  readonly outcome: { readonly result: Decision; readonly entries: number; readonly late: number; readonly seed: string } | null;
  readonly isWithdrawn: boolean;
}

/** Windows kept, the newest; a page of more is read by nobody. */
const WINDOWS_MAX = 200;
/** Public entries kept of one window, for computing its result again. */
const ENTRIES_MAX = 20_000;

/** A decided window as `GET …/windows` tells it. */
export interface DecidedView {
  readonly event: RoomEvent;
  readonly closes: number;
  readonly reveal: number;
  readonly extensions: number;
  readonly result: RoomEvent;
}

export class History {
  readonly windows = new Map<string, WindowRecord>();

  /** What was decided before this page reads along, without its entries. The oldest first, before any event. */
  begin(decided: readonly DecidedView[]): void {
    for (const { event, closes, reveal, extensions, result } of decided) {
      this.take(event);
      if (event.rule?.is !== 'opened') continue;
      this.#change(event.rule.window, (window) => ({ ...window, closes, reveal, extensions, isCut: true }));
      this.take(result);
    }
  }

  /** One event more, in the room's order. */
  take(event: RoomEvent): void {
    const { rule } = event;
    switch (rule?.is) {
      case 'opened':
        this.#open(event, rule);
        return;
      case 'entered':
        return this.#change(rule.window, (window) => withEntry(window, event));
      case 'extended':
        return this.#change(rule.window, (window) => ({ ...window, closes: rule.closes, reveal: rule.reveal, extensions: rule.count }));
      case 'shortened':
        return this.#change(rule.window, (window) => ({ ...window, closes: rule.closes, reveal: rule.reveal, isShortened: true }));
      case 'decided': {
        const { result, entries, late, seed } = rule;
        return this.#change(rule.window, (window) => ({ ...window, outcome: { result, entries, late, seed } }));
      }
      case 'withdrawn':
        return this.#change(rule.subject, (window) => ({ ...window, isWithdrawn: true }));
      default:
    }
  }

  /** The newest first. */
  list(): WindowRecord[] {
    return [...this.windows.values()].reverse();
  }

  #open(event: RoomEvent, terms: FullTerms): void {
    const { data } = event;
    const type = event.type.replace(/\.[^.]*$/, '');
    const { closes, reveal } = terms;
    this.windows.set(terms.window, { id: terms.window, type, data, terms, closes, reveal, extensions: 0, isShortened: false, entries: [], isCut: false, outcome: null, isWithdrawn: false });
    const [oldest] = this.windows.keys();
    if (this.windows.size > WINDOWS_MAX) this.windows.delete(oldest!);
  }

  #change(id: string, how: (window: WindowRecord) => WindowRecord): void {
    const window = this.windows.get(id);
    if (window) this.windows.set(id, how(window));
  }
}

function withEntry(window: WindowRecord, event: RoomEvent): WindowRecord {
  const { rule } = event;
  if (rule?.is !== 'entered' || rule.is_late) return window;
  if (window.entries.length >= ENTRIES_MAX) return { ...window, isCut: true };
  const isClamped = (rule as { is_clamped?: unknown }).is_clamped === true;
  const entry: Entry = { value: rule.value, cause: event.cause ?? '', name: event.actor?.name ?? event.actor?.id ?? null, isClamped };
  // Appended in place: copying a list of thousands for each of them would take minutes.
  (window.entries as Entry[]).push(entry);
  return window;
}
