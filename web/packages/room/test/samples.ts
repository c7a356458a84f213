/** Small rooms for tests. */

import type { RoomEvent, RoomState, WindowState } from '@unisono/client';

let seq = 0;

export function event(more: Partial<RoomEvent>): RoomEvent {
  seq += 1;
  return { room: 'live:x', epoch: 1, seq, id: `e${seq}`, lane: 'alert', type: 'goal', at: seq, late: 'show', data: null, ...more };
}

const TERMS = { window: 'w', opens: 0, closes: 60_000_000, reveal: 65_950_000, is_sealed: true, entries_per_person: 1, changes: true, l_max: 6_000_000, l_min: 100_000, uplink: 300_000 };

export function poll(more: Partial<WindowState>): WindowState {
  const terms = { ...TERMS, decide: { by: 'tally', choices: 2 } } as const;
  return {
    id: 'w', type: 'poll', data: { question: 'Tea or coffee?', choices: ['Tea', 'Coffee'] }, terms, closes: terms.closes, reveal: terms.reveal, extensions: 0, phase: 'open',
    standing: { entries: 0, counts: [], highest: null }, result: null, decidedBy: null, mine: null, ...more,
  };
}

export function auction(more: Partial<WindowState>): WindowState {
  const terms = { ...TERMS, is_sealed: false, changes: false, decide: { by: 'highest', start: 1000, step: 100 } } as const;
  return poll({ type: 'auction', data: { title: 'Vase', currency: 'EUR' }, terms, ...more });
}

export function roomState({ windows = [], messages = [] }: { windows?: readonly WindowState[]; messages?: readonly RoomEvent[] }): RoomState {
  return {
    asOf: 0, seq: 0, windows: new Map(windows.map((window) => [window.id, window])), offers: new Map(), latest: new Map(), showing: new Map(), messages, presence: null, counts: {},
  };
}
