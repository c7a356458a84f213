import { expect, test } from 'vitest';
import { parseEvent } from '../../src/events';
import { remaining } from '../../src/room/countdown';
import { reduceCounts, reduceMine, reduceSnapshot, reduceTold } from '../../src/room/reduce';
import { parseSnapshot } from '../../src/room/snapshot';
import { EMPTY, type RoomState } from '../../src/room/state';
import { passTime } from '../../src/room/windows';
import { event, type Json } from './fake-server';

const RULES = { latest: { score: '', price: '/item' }, messagesMax: 3 };
const terms = (more: Json = {}) => ({
  is: 'opened', window: 'w', opens: 1_000, closes: 5_000, reveal: 6_000, l_max: 3, l_min: 0, uplink: 1,
  decide: { by: 'highest', start: 100, step: 10 }, is_sealed: false, entries_per_person: 9, changes: false, seed_digest: '', ...more,
});
const entered = (seq: number, value: number, more: Json = {}) =>
  event(seq, 'auction.entered', { amount: value }, { subject: 'w', rule: { is: 'entered', window: 'w', value, t_seen: 2_000, is_late: false, is_clamped: false, ...more }, actor: { id: `p${seq}` } });

/** What the room looks like after these events were shown. */
function after(events: Json[], start: RoomState = EMPTY): RoomState {
  return events.reduce<RoomState>((state, value) => {
    const told = { event: parseEvent(value)!, via: 'feed', t: 0, epoch: 1, frameLatenessUs: 0, isLate: false, shown: value.late !== 'skip', bound: true } as const;
    return reduceTold(state, told, RULES);
  }, start);
}

test('an auction: opened, bid on, extended, over on this screen, decided', () => {
  const opened = after([event(1, 'auction.opened', { title: 'Vase' }, { id: 'w', rule: terms() })]);
  expect(opened.windows.get('w')).toMatchObject({ type: 'auction', data: { title: 'Vase' }, phase: 'open', closes: 5_000, standing: { entries: 0, highest: null } });
  const bids = after([entered(2, 120), entered(3, 150), entered(4, 140), entered(5, 999, { is_late: true })], opened);
  expect(bids.windows.get('w')!.standing).toEqual({ entries: 3, counts: [], highest: { amount: 150, actor: { id: 'p3' } } });
  expect(passTime(bids, 4_999)).toBe(bids);
  const extended = after([event(6, 'auction.extended', null, { rule: { is: 'extended', window: 'w', closes: 9_000, reveal: 9_500, count: 1, by_n: 4 } })], passTime(bids, 5_000));
  expect(extended.windows.get('w')).toMatchObject({ phase: 'open', closes: 9_000, extensions: 1 });
  const closed = passTime(extended, 9_000);
  expect(closed.windows.get('w')!.phase).toBe('closed');
  const decided = after([event(7, 'auction.decided', null, { rule: { is: 'decided', window: 'w', result: { by: 'highest', winner_n: 3, amount: 150 }, entries: 3, late: 1, seed: '00' } })], closed);
  expect(decided.windows.get('w')).toMatchObject({ phase: 'decided', result: { amount: 150 }, decidedBy: { seq: 7 } });
  expect(decided.seq).toBe(7);
});

test('the countdown runs on the frames of the viewer', () => {
  const window = after([event(1, 'auction.opened', null, { rule: terms() })]).windows.get('w')!;
  expect(remaining(window, 0)).toEqual({ leftUs: 5_000, opensInUs: 1_000, isOpen: false, revealInUs: 6_000 });
  expect(remaining(window, 1_000)).toMatchObject({ leftUs: 4_000, isOpen: true });
  expect(remaining(window, 5_000)).toMatchObject({ leftUs: 0, isOpen: false, revealInUs: 1_000 });
  expect(remaining({ ...window, phase: 'withdrawn' }, 2_000)).toMatchObject({ leftUs: 0, isOpen: false });
});

test('a sealed poll tells nothing before it is decided; one own entry is remembered', () => {
  const rule = terms({ decide: { by: 'tally', choices: 2 }, is_sealed: true });
  const state = reduceMine(after([event(1, 'poll.opened', { question: '?' }, { rule })]), 'w', { choice: 1 });
  expect(state.windows.get('w')).toMatchObject({ standing: { counts: [], entries: 0 }, mine: { choice: 1 } });
  expect(reduceMine(state, 'unknown', 1)).toBe(state);
});

test('an offer counts down to nothing and back', () => {
  const rule = { is: 'offered', offer: 'o', quantity: 2, per_person: 1, hold: 9 };
  const unit = (is: string, left: number) => ({ rule: { is, offer: 'o', reserved_n: 4, until: 9, left } });
  const state = after([event(1, 'drop.offered', { title: 'Shirt' }, { rule }), event(2, 'drop.reserved', null, unit('reserved', 1)), event(3, 'drop.reserved', null, unit('reserved', 0))]);
  expect(state.offers.get('o')).toMatchObject({ type: 'drop', quantity: 2, left: 0, phase: 'open', data: { title: 'Shirt' } });
  const over = after([event(4, 'drop.returned', null, unit('returned', 1)), event(5, 'drop.withdrawn', null, { rule: { is: 'withdrawn', subject: 'o' } })], state);
  expect(over.offers.get('o')).toMatchObject({ left: 1, phase: 'withdrawn' });
});

test('messages are bounded, replaced in place and taken back', () => {
  const say = (seq: number, text: string, more: Json = {}) => event(seq, 'chat', { text }, { id: `m${seq}`, ...more });
  const state = after([say(1, 'a'), say(2, 'b'), say(3, 'c'), say(4, 'd'), say(5, 'B', { supersedes: 'm2' }), event(6, 'chat.cancelled', null, { cancels: 'm3' })]);
  expect(state.messages.map(({ data }) => data)).toEqual([{ text: 'B' }, { text: 'd' }]);
  expect(after([say(7, 'x', { late: 'skip' })], state).messages).toBe(state.messages);
});

test('the last value per key stands', () => {
  const state = after([event(1, 'score', { a: 1 }), event(2, 'score', { a: 2 }), event(3, 'price', { item: 'x', v: 1 }), event(4, 'price', { item: 'y', v: 2 }, { id: 'y' }), event(5, 'price', { item: 'x', v: 3 })]);
  expect([...state.latest].map(([key, { seq }]) => [key, seq])).toEqual([['score', 2], ['price x', 5], ['price y', 4]]);
  expect([...after([event(6, 'price.cancelled', null, { cancels: 'y' })], state).latest.keys()]).toEqual(['score', 'price x']);
  expect(state.messages).toEqual([]);
});

test("a queue's turn ends with its time, on the picture", () => {
  const state = after([event(1, 'alert', { text: 'Hi' }, { at: 1_000, dur: 8_000, rule: { is: 'shown', until: 77_000 } })]);
  expect(state.showing.get('alert')?.event.seq).toBe(1);
  expect(passTime(state, 8_999)).toBe(state);
  expect(passTime(state, 9_000).showing.size).toBe(0);
});

test('counts add up, and what a crowd invents has a bound', () => {
  const state = reduceCounts(reduceCounts(EMPTY, 'reaction', { heart: 2 }), 'reaction', { heart: 3, clap: 1 });
  expect(state.counts).toEqual({ reaction: { heart: 5, clap: 1 } });
  const crowd = Object.fromEntries(Array.from({ length: 1_000 }, (_, n) => [`k${n}`, 1]));
  expect(Object.keys(reduceCounts(state, 'reaction', crowd).counts.reaction!).length).toBe(256);
});

test('a snapshot: what is on screen stands at once, what lies ahead comes on its frame, and nothing is counted twice', () => {
  const opened = (id: string, at: number) => event(1, 'auction.opened', { title: id }, { id, at, rule: terms({ window: id, opens: at }) });
  const body = {
    windows: [
      { event: opened('w', 1_000), closes: 8_000, reveal: 9_000, extensions: 2, standing: { entries: 2, price: 150 } },
      { event: opened('ahead', 5_000), closes: 8_000, reveal: 9_000, extensions: 0, standing: { entries: 0 } },
      { nonsense: true },
    ],
    latest: [event(2, 'score', { a: 1 }, { at: 1_000 })],
    offers: [{ event: event(3, 'drop.offered', null, { id: 'o', at: 1_000, rule: { is: 'offered', offer: 'o', quantity: 9, per_person: 1, hold: 1 } }), left: 4, confirmed: 1, is_withdrawn: false }],
    queues: [{ type: 'alert', showing: event(4, 'alert', null, { at: 1_000, dur: 5_000, rule: { is: 'shown', until: 1 } }), waiting: 2 }],
    cancelled: ['m1'],
  };
  const before = after([event(1, 'chat', null, { id: 'm1' })]);
  const { state, later } = reduceSnapshot(before, parseSnapshot(9, body), RULES, 2_000);
  expect(state.windows.get('w')).toMatchObject({ closes: 8_000, extensions: 2, standing: { entries: 2, highest: { amount: 150 } } });
  expect([state.windows.has('ahead'), state.offers.get('o')?.left, state.latest.has('score'), state.showing.has('alert'), state.messages]).toEqual([false, 4, true, true, []]);
  expect(later.map(({ at }) => at)).toEqual([5_000]);
  expect(later[0]!.apply(state).windows.has('ahead')).toBe(true);
  const replayed = after([entered(8, 140)], state);
  expect(replayed.windows.get('w')!.standing.entries).toBe(2);
  expect(after([entered(10, 160)], replayed).windows.get('w')!.standing).toMatchObject({ entries: 3, highest: { amount: 160 } });
});

test('what was decided while the line was broken is told by the snapshot', () => {
  const open = after([event(1, 'auction.opened', null, { id: 'w', rule: terms() })]);
  const decided = event(7, 'auction.decided', null, { at: 6_000, rule: { is: 'decided', window: 'w', result: { by: 'highest', winner_n: null, amount: 0 }, entries: 0, late: 0, seed: '' } });
  const { state } = reduceSnapshot(open, parseSnapshot(9, { results: [decided] }), RULES, null);
  expect(state.windows.get('w')).toMatchObject({ phase: 'decided', result: { winner_n: null } });
});

test('windows that are over are forgotten in the end', () => {
  let state = EMPTY;
  for (let n = 0; n < 40; n += 1) {
    const rule = terms({ window: `w${n}` });
    state = after([event(2 * n + 1, 'poll.opened', null, { rule }), event(2 * n + 2, 'poll.withdrawn', null, { rule: { is: 'withdrawn', subject: `w${n}` } })], state);
  }
  expect([state.windows.size, state.windows.has('w39'), state.windows.has('w0')]).toEqual([32, true, false]);
});

test('a rule that is not whole leaves its event without effect', () => {
  const state = after([event(1, 'auction.opened', null, { rule: { ...terms(), closes: 'soon' } }), event(2, 'x', null, { rule: { is: 'toString' } })]);
  expect([state.windows.size, state.seq]).toEqual([0, 2]);
});
