/** How windows and offers move with the events of their rules. */

import type { RoomEvent } from '../events';
import type { Rule, Terms, Unit } from '../rule';
import { isOverWindow, withEntry, type OfferState, type RoomState, type Standing, type WindowState } from './state';
import type { WindowView } from './snapshot';

/** `poll` of `poll.opened`. */
export function baseType(type: string): string {
  const dot = type.lastIndexOf('.');
  return dot < 0 ? type : type.slice(0, dot);
}

/** The window that `event` opens. */
export function openedWindow(event: RoomEvent, terms: Terms): WindowState {
  const choices = terms.decide.by === 'highest' ? 0 : Math.min(terms.decide.choices, 1024);
  return {
    id: terms.window,
    type: baseType(event.type),
    data: event.data,
    terms,
    closes: terms.closes,
    reveal: terms.reveal,
    extensions: 0,
    phase: 'open',
    standing: { entries: 0, counts: terms.is_sealed ? [] : Array<number>(choices).fill(0), highest: null },
    result: null,
    decidedBy: null,
    mine: null,
  };
}

/** The window of a snapshot. */
export function windowOf(view: WindowView): WindowState | null {
  if (view.event.rule?.is !== 'opened') return null;
  const { closes, reveal, extensions, entries, counts, price } = view;
  const highest = price === null ? null : { amount: price };
  return { ...openedWindow(view.event, view.event.rule), closes, reveal, extensions, standing: { entries, counts, highest } };
}

export function withWindow(state: RoomState, window: WindowState): RoomState {
  return { ...state, windows: withEntry(state.windows, window.id, window, isOverWindow) };
}

export function withOffer(state: RoomState, offer: OfferState): RoomState {
  return { ...state, offers: withEntry(state.offers, offer.id, offer, ({ phase }) => phase === 'withdrawn') };
}

/** Applies a rule; the same state where it concerns nothing that is known here. One case per rule. */
export function applyRule(state: RoomState, event: RoomEvent, rule: Rule): RoomState {
  switch (rule.is) {
    case 'opened':
      return state.windows.has(rule.window) ? state : withWindow(state, openedWindow(event, rule));
    case 'entered':
      return rule.is_late ? state : change(state, rule.window, (window) => ({ ...window, standing: entered(window, event, rule.value) }));
    case 'extended':
      return change(state, rule.window, (window) => ({ ...window, closes: rule.closes, reveal: rule.reveal, extensions: rule.count, phase: 'open' }));
    case 'shortened':
      return change(state, rule.window, (window) => ({ ...window, closes: rule.closes, reveal: rule.reveal }));
    case 'decided':
      return change(state, rule.window, (window) => ({ ...window, phase: 'decided', result: rule.result, decidedBy: event }));
    case 'offered':
      return state.offers.has(rule.offer) ? state : withOffer(state, offerOf(event, rule));
    case 'reserved':
    case 'confirmed':
    case 'returned':
      return left(state, rule);
    case 'withdrawn':
      return withdrawn(state, rule.subject);
    case 'shown': {
      const until = event.dur === undefined ? rule.until : event.at + event.dur;
      return { ...state, showing: new Map(state.showing).set(event.type, { event, until }) };
    }
  }
}

/** What ends by itself with the picture: windows that are over on this screen, a queue's turn that has passed. */
export function passTime(state: RoomState, t: number): RoomState {
  let next = state;
  for (const window of state.windows.values()) {
    if (window.phase === 'open' && window.closes <= t) next = withWindow(next, { ...window, phase: 'closed' });
  }
  const stale = [...state.showing].filter(([, { until }]) => until <= t);
  if (stale.length === 0) return next;
  const showing = new Map(next.showing);
  for (const [type] of stale) showing.delete(type);
  return { ...next, showing };
}

export function offerOf(event: RoomEvent, rule: Extract<Rule, { is: 'offered' }>): OfferState {
  const { offer, quantity, per_person: perPerson, hold: holdUs } = rule;
  return { id: offer, type: baseType(event.type), data: event.data, quantity, perPerson, holdUs, left: quantity, phase: 'open', mine: null };
}

function change(state: RoomState, id: string, how: (window: WindowState) => WindowState): RoomState {
  const window = state.windows.get(id);
  return window && !isOverWindow(window) ? withWindow(state, how(window)) : state;
}

/** Counts every public entry; where a person's later entry replaces the earlier one, the result tells the true counts. */
function entered({ terms, standing }: WindowState, event: RoomEvent, value: number): Standing {
  const entries = standing.entries + 1;
  if (terms.decide.by !== 'highest') {
    return { ...standing, entries, counts: standing.counts.map((count, choice) => (choice === value ? count + 1 : count)) };
  }
  const isHigher = standing.highest === null || value > standing.highest.amount;
  return { ...standing, entries, highest: isHigher ? { amount: value, actor: event.actor } : standing.highest };
}

function left(state: RoomState, { offer: id, left: units }: Unit): RoomState {
  const offer = state.offers.get(id);
  return offer ? withOffer(state, { ...offer, left: units }) : state;
}

function withdrawn(state: RoomState, id: string): RoomState {
  const offer = state.offers.get(id);
  if (offer) return withOffer(state, { ...offer, phase: 'withdrawn' });
  return change(state, id, (window) => ({ ...window, phase: 'withdrawn' }));
}
