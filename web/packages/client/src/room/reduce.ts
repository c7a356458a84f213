/** From one state of the room to the next: pure, called when something is shown and not when it arrives. */

import type { RoomEvent } from '../events';
import type { Told } from './stage';
import type { Snapshot } from './snapshot';
import { EMPTY, isOverWindow, withEntry, type RoomState } from './state';
import { applyRule, offerOf, withOffer, windowOf, withWindow } from './windows';

/** What the reducers must know about the room's types. */
export interface Rules {
  /** Types of class `latest`, with the JSON Pointer (RFC 6901) to their key; empty for one value. */
  readonly latest: Readonly<Record<string, string>>;
  /** Messages kept, the oldest go first. */
  readonly messagesMax: number;
}

/** An event is shown. */
export function reduceTold(state: RoomState, { event, shown }: Told, rules: Rules): RoomState {
  const seen = { ...state, seq: Math.max(state.seq, event.seq) };
  // A snapshot knows what this one did already; what was said, it does not.
  if (event.rule) return event.seq <= state.asOf ? seen : applyRule(seen, event, event.rule);
  if (event.cancels !== undefined) return withoutEvent(seen, event.cancels);
  if (Object.hasOwn(rules.latest, event.type)) return event.seq <= state.asOf ? seen : withLatest(seen, event, rules);
  return shown || event.late === 'log' ? withMessage(seen, event, rules) : seen;
}

/**
 * A snapshot replaces what it speaks of. Windows, values and turns that lie ahead of the picture come in `later`, each with the T of its frame.
 */
export function reduceSnapshot(state: RoomState, snapshot: Snapshot, rules: Rules, shownT: number | null): { state: RoomState; later: { at: number; apply: (state: RoomState) => RoomState }[] } {
  const cancelled = new Set(snapshot.cancelled);
  const base: RoomState = {
    ...EMPTY,
    asOf: snapshot.seq,
    seq: state.seq,
    presence: state.presence,
    counts: state.counts,
    windows: new Map([...state.windows].filter(([, window]) => isOverWindow(window))),
    messages: state.messages.filter(({ id }) => !cancelled.has(id)),
  };
  const steps = [...windowSteps(snapshot, state), ...valueSteps(snapshot, rules)];
  const isDue = ({ at }: { at: number }) => shownT === null || at <= shownT;
  const next = steps.filter(isDue).reduce((current, { apply }) => apply(current), base);
  return { state: next, later: steps.filter((step) => !isDue(step)) };
}

interface Step {
  readonly at: number;
  readonly apply: (state: RoomState) => RoomState;
}

function windowSteps({ windows, offers, results }: Snapshot, before: RoomState): Step[] {
  const open = windows.flatMap((view) => {
    const window = windowOf(view);
    const mine = before.windows.get(view.event.id)?.mine ?? null;
    return window ? [{ at: view.event.at, apply: (state: RoomState) => withWindow(state, { ...window, mine }) }] : [];
  });
  // What was open here when the line broke and is decided by now.
  const decided = results.flatMap((event) => {
    const known = event.rule?.is === 'decided' ? before.windows.get(event.rule.window) : undefined;
    return known && event.rule ? [{ at: event.at, apply: (state: RoomState) => applyRule(withWindow(state, known), event, event.rule!) }] : [];
  });
  const offered = offers.flatMap(({ event, left, isWithdrawn }) => {
    if (event.rule?.is !== 'offered') return [];
    const mine = before.offers.get(event.id)?.mine ?? null;
    const offer = { ...offerOf(event, event.rule), mine, left, phase: isWithdrawn ? ('withdrawn' as const) : ('open' as const) };
    return [{ at: event.at, apply: (state: RoomState) => withOffer(state, offer) }];
  });
  return [...open, ...decided, ...offered];
}

function valueSteps({ latest, showing }: Snapshot, rules: Rules): Step[] {
  const values = latest.map((event) => ({ at: event.at, apply: (state: RoomState) => withLatest(state, event, rules) }));
  const turns = showing.map((event) => ({ at: event.at, apply: (state: RoomState) => (event.rule ? applyRule(state, event, event.rule) : state) }));
  return [...values, ...turns];
}

/** Counts are added up: the room tells what came since it told last. */
export function reduceCounts(state: RoomState, name: string, counts: Readonly<Record<string, number>>): RoomState {
  const totals = { ...state.counts[name] };
  for (const [key, count] of Object.entries(counts)) {
    if (Object.hasOwn(totals, key) || Object.keys(totals).length < KEYS_MAX) totals[key] = (totals[key] ?? 0) + count;
  }
  if (!Object.hasOwn(state.counts, name) && Object.keys(state.counts).length >= KEYS_MAX) return state;
  return { ...state, counts: { ...state.counts, [name]: totals } };
}

/** The room took an entry of this client. */
export function reduceMine(state: RoomState, id: string, mine: unknown): RoomState {
  const window = state.windows.get(id);
  return window ? withWindow(state, { ...window, mine }) : state;
}

/** Names and keys that are counted. */
const KEYS_MAX = 256;

function withMessage(state: RoomState, event: RoomEvent, { messagesMax }: Rules): RoomState {
  const at = event.supersedes === undefined ? -1 : state.messages.findIndex(({ id }) => id === event.supersedes);
  const messages = at < 0 ? [...state.messages, event].slice(-messagesMax) : state.messages.with(at, event);
  return { ...state, messages };
}

function withLatest(state: RoomState, event: RoomEvent, { latest }: Rules): RoomState {
  const key = at(event.data, latest[event.type] ?? '');
  const old = [...state.latest].find(([, { id }]) => id === event.supersedes)?.[0];
  const values = new Map(state.latest);
  if (old !== undefined) values.delete(old);
  return { ...state, latest: withEntry(values, key === '' ? event.type : `${event.type} ${key}`, event, () => false) };
}

function withoutEvent(state: RoomState, gone: string): RoomState {
  const messages = state.messages.filter(({ id }) => id !== gone);
  const latest = [...state.latest].filter(([, { id }]) => id !== gone);
  const showing = [...state.showing].filter(([, { event }]) => event.id !== gone);
  return {
    ...state,
    ...(messages.length < state.messages.length && { messages }),
    ...(latest.length < state.latest.size && { latest: new Map(latest) }),
    ...(showing.length < state.showing.size && { showing: new Map(showing) }),
  };
}

/** The value that a JSON Pointer leads to, as a word; empty where there is none. */
function at(data: unknown, pointer: string): string {
  let value = data;
  for (const step of pointer.split('/').slice(1)) {
    const name = step.replaceAll('~1', '/').replaceAll('~0', '~');
    value = typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
  }
  return pointer === '' || value === undefined ? '' : String(value);
}

