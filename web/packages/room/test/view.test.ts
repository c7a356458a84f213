import type { RoomEvent, WindowState } from '@unisono/client';
import { describe, expect, it } from 'vitest';
import { unitAfter } from '../src/drop';
import { flyersOf } from '../src/reactions';
import { bidLimitWords, isAtLeast, limitWords } from '../src/roles';
import { biddingOf, chatOf, hammerWords, liveOf, questionsOf, refusalWords, slowModeOf } from '../src/view';
import { auction, event, poll, roomState } from './samples';

describe('what a room shows', () => {
  it('open windows come first to last opened, results are few, what was put away stays away', () => {
    const windows = [poll({ id: 'a' }), poll({ id: 'b', phase: 'closed' }), ...['c', 'd', 'e'].map((id) => poll({ id, phase: 'decided', result: { by: 'tally', counts: [1, 2] } })), poll({ id: 'f', phase: 'withdrawn' })];
    const { open, over } = liveOf(roomState({ windows }), new Set(['e']));
    expect(open.map(({ id }) => id)).toEqual(['b', 'a']);
    expect(over.map(({ id }) => id)).toEqual(['d', 'c']);
  });

  it('chat is what was said in its lane, gifts, and slow mode; empty words and mutes are nobody’s business', () => {
    const messages = [
      event({ type: 'chat', lane: 'chat', data: { text: 'hi' } }),
      event({ type: 'message', lane: 'chat', data: { name: 'Ada', text: 'posted' } }),
      event({ type: 'chat', lane: 'chat', data: { text: '  ' } }),
      event({ type: 'goal', lane: 'alert', data: { text: 'Goal' } }),
      event({ type: 'gift', lane: 'alert', data: { name: 'Bo', text: 'a rose' } }),
      event({ type: 'moderation', lane: 'moderation', data: { action: 'mute', person: 'x', dur: 1 } }),
      event({ type: 'moderation', lane: 'moderation', data: { action: 'slow', every: 5_000_000 } }),
      event({ type: 'question', lane: 'question', data: { text: 'Why?' } }),
    ];
    const state = roomState({ messages });
    expect(chatOf(state).map(({ type }) => type)).toEqual(['chat', 'message', 'gift', 'moderation']);
    expect(questionsOf(state)).toHaveLength(1);
    expect(slowModeOf(state)).toBe(5_000_000);
    expect(slowModeOf(roomState({ messages: [...messages, event({ type: 'moderation', data: { action: 'slow', every: 0 } })] }))).toBe(0);
  });
});

describe('an auction', () => {
  it('starts at its start, then asks for a step more than the highest', () => {
    expect(biddingOf(auction({}), 'me')).toMatchObject({ price: null, next: 1000, currency: 'EUR', isMine: false });
    const bid = auction({ standing: { entries: 1, counts: [], highest: { amount: 1200, actor: { id: 'g~1234abcd' } } } });
    expect(biddingOf(bid, 'me')).toMatchObject({ price: 1200, next: 1300, leader: 'Guest 1234', isMine: false, isOutbid: false });
  });

  it('says who leads and who was outbid', () => {
    const highest = { amount: 1300, actor: { id: 'ann', name: 'Ann' } };
    const own = auction({ mine: { amount: 1200 }, standing: { entries: 2, counts: [], highest } });
    expect(biddingOf(own, 'me')).toMatchObject({ isMine: false, isOutbid: true });
    expect(biddingOf(own, 'ann')).toMatchObject({ isMine: true, isOutbid: false });
    // The answer to one's own bid comes before its event.
    const before = auction({ mine: { amount: 1400 }, standing: { entries: 2, counts: [], highest } });
    expect(biddingOf(before, 'me')!.isOutbid).toBe(false);
  });

  it('tells nothing of sealed bids', () => {
    const sealed = auction({ mine: { amount: 1200 } });
    const window = { ...sealed, terms: { ...sealed.terms, is_sealed: true }, standing: { entries: 3, counts: [], highest: { amount: 9999 } } };
    expect(biddingOf(window, 'me')).toMatchObject({ price: null, next: 1000, isOutbid: false });
  });

  it('the hammer names price and buyer, or that nobody bid', () => {
    const over = (winner_n: number | null, highest: WindowState['standing']['highest']) =>
      hammerWords(auction({ phase: 'decided', result: { by: 'highest', winner_n, amount: 1300 }, standing: { entries: 1, counts: [], highest } }), 'me');
    expect(over(7, { amount: 1300, actor: { id: 'ann', name: 'Ann' } })).toMatch(/^Sold to Ann for .*13/);
    expect(over(7, { amount: 1300, actor: { id: 'me' } })).toMatch(/^Sold to you/);
    expect(over(7, { amount: 1200, actor: { id: 'ann', name: 'Ann' } })).not.toMatch(/Ann/);
    expect(over(null, null)).toBe('Over: nobody bid');
  });
});

describe('who may', () => {
  it('roles are steps; an unknown one may nothing', () => {
    expect(isAtLeast('host', 'moderator')).toBe(true);
    expect(isAtLeast('guest', 'member')).toBe(false);
    expect(isAtLeast('emperor', 'guest')).toBe(false);
    expect(isAtLeast(null, 'guest')).toBe(false);
  });

  it('says in words what a guest cannot do', () => {
    expect(limitWords('guest')).toMatch(/read-only for guests/);
    expect(limitWords('member')).toBeNull();
    expect(bidLimitWords('member')).toMatch(/token/);
    expect(bidLimitWords('bidder')).toBeNull();
  });
});

it('a refusal is said in the room’s words, and never as success', () => {
  expect(refusalWords({ cmd_id: '1', status: 'accepted' })).toBeNull();
  expect(refusalWords({ cmd_id: '1', status: 'duplicate' })).toBeNull();
  expect(refusalWords({ cmd_id: '1', status: 'late', words: 'it closed at 5' })).toBe('Too late: it closed at 5');
  expect(refusalWords({ cmd_id: '1', status: 'forbidden', words: 'you are muted' })).toBe('You are muted');
  for (const status of ['late', 'outbid', 'sold', 'forbidden', 'invalid', 'unsent', 'busy'] as const) expect(refusalWords({ cmd_id: '1', status: status as 'late' })).toBeTruthy();
});

it('few reactions fly one by one, many as one with their number, and never more than the sky holds', () => {
  expect(flyersOf({ a: 2 }, 10, () => 0.5).map(({ id, count }) => [id, count])).toEqual([[10, 1], [11, 1]]);
  expect(flyersOf({ a: 12 }, 0, () => 0)).toMatchObject([{ emoji: 'a', count: 12 }]);
  expect(flyersOf({ ['x'.repeat(17)]: 3, b: 0 }, 0, () => 0)).toEqual([]);
  const many = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`e${index}`, 3]));
  expect(flyersOf(many, 0, () => 0)).toHaveLength(24);
});

it('a unit is followed from taken to confirmed or back, by its own person and offer only', () => {
  const numbers = new Set<number>();
  const rule = (is: 'reserved' | 'confirmed' | 'returned', reserved_n: number, offer = 'o') => ({ is, offer, reserved_n, until: 9, left: 1 }) as const;
  const take = (old: Parameters<typeof unitAfter>[0], more: Partial<RoomEvent>) => unitAfter(old, event(more), 'o', 'me', numbers);
  expect(take(null, { actor: { id: 'you' }, rule: rule('reserved', 1) })).toBeNull();
  expect(take(null, { actor: { id: 'me' }, rule: rule('reserved', 2, 'other') })).toBeNull();
  const held = take(null, { id: 'r', actor: { id: 'me' }, rule: rule('reserved', 3) });
  expect(held).toEqual({ id: 'r', until: 9, isConfirmed: false });
  expect(take(held, { rule: rule('returned', 1) })).toBe(held);
  expect(take(held, { rule: rule('confirmed', 3) })).toMatchObject({ isConfirmed: true });
  expect(take(held, { rule: rule('returned', 3) })).toBeNull();
});

