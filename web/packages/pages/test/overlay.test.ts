import type { RoomEvent } from '@unisono/client';
import { expect, test } from 'vitest';
import { faceOf } from '../src/overlay/face';
import { optionsOf } from '../src/overlay/options';
import { Schedule } from '../src/overlay/schedule';

const event = (part: Partial<RoomEvent>): RoomEvent => ({
  room: 'live:x', epoch: 1, seq: 1, id: String(Math.random()), lane: 'chat', type: 'message', at: 0, late: 'show', data: null, ...part,
});
const options = (query: string) => optionsOf(new URLSearchParams(query));

test('the address chooses, within bounds, and nonsense changes nothing', () => {
  const chosen = options('lanes=chat,Reactions,nonsense&limit=5&scale=1.2&stay=0&delay=-200&align=right');
  expect([...chosen.lanes]).toEqual(['chat', 'reaction']);
  expect(chosen).toMatchObject({ limit: 5, scale: 1.2, stayMs: 0, delayMs: -200, align: 'right' });
  expect(options('limit=1e9&scale=-4&stay=x')).toMatchObject({ limit: 50, scale: 0.25, stayMs: 20_000 });
  expect(options('lanes=nonsense').lanes.has('chat')).toBe(true);
});

test('chat has a name and words, and no more of them than fit', () => {
  expect(faceOf(event({ data: { name: 'Ada', text: 'hello' } }))).toMatchObject({ who: 'Ada', text: 'hello', flies: false });
  expect(faceOf(event({ actor: { id: '~bob' }, data: 'hi' }))).toMatchObject({ who: 'bob', text: 'hi' });
  expect(faceOf(event({ actor: { id: '1a2b3c4d' }, data: { text: 'x'.repeat(1000) } }))).toMatchObject({ who: '' });
  expect([...faceOf(event({ data: { text: '😀'.repeat(1000) } })).text]).toHaveLength(280);
});

test('a poll of the room shows what there is to choose', () => {
  const { text, bars } = faceOf(event({ lane: 'poll', type: 'poll', data: { question: 'Tea?', choices: ['Yes', 'No'] } }));
  expect(text).toBe('Tea?');
  expect(bars.map(({ label }) => label)).toEqual(['Yes', 'No']);
});

test('a poll has bars, in any of its spellings', () => {
  const bars = (options: unknown) => faceOf(event({ lane: 'poll', type: 'poll', data: { question: 'Tea?', options } })).bars;
  expect(bars({ Yes: 3, No: 1 })).toEqual([{ label: 'Yes', share: 0.75 }, { label: 'No', share: 0.25 }]);
  expect(bars([{ label: 'Yes', votes: 1 }, { label: 'No', votes: 'many' }])).toEqual([{ label: 'Yes', share: 1 }, { label: 'No', share: 0 }]);
  expect(bars(['Yes', 'No', null, 7])).toEqual([{ label: 'Yes', share: 0 }, { label: 'No', share: 0 }]);
  expect(bars('nonsense')).toEqual([]);
});

test('an event waits for its moment, in order of T and seq', () => {
  const schedule = new Schedule();
  for (const [id, at, seq] of [['late', 3000, 1], ['b', 1000, 3], ['a', 1000, 2]] as const) schedule.push(event({ id, at, seq }));
  schedule.push(event({ id: 'a', at: 1000 }));
  expect(schedule.due(999)).toEqual([]);
  expect(schedule.due(1000).map(({ id }) => id)).toEqual(['a', 'b']);
  expect(schedule.due(5000).map(({ id }) => id)).toEqual(['late']);
});

test('old news is not shown, and without a clock nothing waits', () => {
  const schedule = new Schedule();
  schedule.push(event({ at: 0 }));
  schedule.push(event({ at: 0, late: 'skip', seq: 2 }));
  expect(schedule.due(2_000_000).map(({ seq }) => seq)).toEqual([1]);
  schedule.push(event({ at: 0 }));
  expect(schedule.due(60_000_000)).toEqual([]);
  schedule.push(event({ at: 9e15 }));
  expect(schedule.due(null)).toHaveLength(1);
});
