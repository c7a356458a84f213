import { expect, test } from 'vitest';
import type { RoomEvent } from '@unisono/client';
import { checksOf, winnerOf } from '../src/fairness/check';
import { History } from '../src/fairness/history';
import { lateOf, readLate } from '../src/fairness/late';
import { parseReport, verdictOf } from '../src/fairness/report';

const SEED = '01'.repeat(32);
/** SHA-256 of 32 bytes 01. */
const DIGEST = '72cd6e8422c407fb6d098690f1130b7ded7ec2f7f5e1d30bd9d521f015363793';

const terms = { is: 'opened', window: 'w', opens: 1e15, closes: 1e15 + 20e6, reveal: 1e15 + 28e6, decide: { by: 'highest', start: 10, step: 1 }, is_sealed: false, entries_per_person: 9, changes: false, seed_digest: DIGEST };
let seq = 0;
const event = (rule: unknown, more: object = {}) => ({ seq: ++seq, id: `e${seq}`, type: 'auction.opened', at: 1, data: { title: 'Vase' }, actor: { id: 'g', name: 'Ann' }, rule, ...more }) as unknown as RoomEvent;

function sale(amount: number): History {
  const history = new History();
  history.take(event(terms));
  for (const [value, cause] of [[12, 'aa'], [15, 'bb'], [15, 'cc']] as const) history.take(event({ is: 'entered', window: 'w', value, t_seen: 1, is_late: false }, { cause }));
  history.take(event({ is: 'entered', window: 'w', value: 99, t_seen: 1, is_late: true }));
  history.take(event({ is: 'extended', window: 'w', closes: 1e15 + 30e6, reveal: 1e15 + 38e6, count: 1 }));
  history.take(event({ is: 'decided', window: 'w', result: { by: 'highest', winner_n: 3, amount }, entries: 3, late: 1, seed: SEED }));
  return history;
}

test('an open sale is computed again from its public entries, late ones left out', async () => {
  const [window] = sale(15).list();
  expect(window).toMatchObject({ closes: 1e15 + 30e6, extensions: 1, outcome: { late: 1 } });
  expect(await checksOf(window!)).toMatchObject([{ is: 'good' }, { is: 'good', words: expect.stringContaining('3 public entries') }]);
});

test('what was decided long ago is told without its entries, and not computed again', async () => {
  const history = new History();
  const result = event({ is: 'decided', window: 'w', result: { by: 'highest', winner_n: 3, amount: 15 }, entries: 3, late: 0, seed: SEED });
  history.begin([{ event: event(terms), closes: 1e15 + 40e6, reveal: 1e15 + 48e6, extensions: 2, result }]);
  expect(history.list()).toMatchObject([{ extensions: 2, closes: 1e15 + 40e6, outcome: { entries: 3 } }]);
  expect(await checksOf(history.list()[0]!)).toMatchObject([{ is: 'good' }, { is: 'unknown' }]);
});

test('a wrong price and a seed that was not fixed before are found', async () => {
  expect((await checksOf(sale(16).list()[0]!))[1]).toMatchObject({ is: 'bad', words: expect.stringContaining('is 15, not 16') });
  const [window] = sale(15).list();
  const other = { ...window!, outcome: { ...window!.outcome!, seed: '02'.repeat(32) } };
  expect((await checksOf(other))[0]!.is).toBe('bad');
});

test('equal amounts are split by the seed, whatever their order', async () => {
  const { entries } = sale(15).list()[0]!;
  const first = await winnerOf(entries, SEED);
  expect(first?.value).toBe(15);
  expect(await winnerOf([...entries].reverse(), SEED)).toBe(first);
});

test('a report is read, and said in words', () => {
  const deciles = { latency_us: Array(10).fill(5), entries: Array(10).fill(10), wins: Array(10).fill(1), chi_square: null };
  const report = parseReport({ room: deciles, windows: [{ window: 'w', late: 2, clamped: 1, deciles }] })!;
  expect(report.windows.get('w')).toMatchObject({ late: 2, clamped: 1 });
  expect(report).toMatchObject({ bad: null, lastN: null });
  expect(parseReport({ bad: { n: 7, why: 'its hash is another' }, last_n: 6, room: deciles, windows: [] })).toMatchObject({ bad: { n: 7 }, lastN: 6 });
  expect(verdictOf(report.room)).toMatch(/too few/);
  expect(verdictOf({ ...report.room, chiSquare: 5.7 })).toMatch(/did not depend/);
  expect(verdictOf({ ...report.room, chiSquare: 400 })).toMatch(/unevenly/);
  expect(parseReport({ status: 404 })).toBeNull();
});

test('who was late and why is read from a log in pieces', async () => {
  const ends = () => ({ closes: 1_000_000, lastArrival: 7_300_000 });
  const line = (rule: object, person: object | null) => JSON.stringify({ entry: { n: 7, entry: { n: 7, body: { hidden: { rule: { is: 'entered', window: 'w', is_late: true, ...rule }, person } } } } });
  expect(lateOf(line({ t_seen: 1_400_000, witness: { received: 2_000_000 } }, { id: 'g~1', name: 'Bob' }), ends)).toMatchObject({ who: 'Bob', why: expect.stringContaining('0.40 s past the end') });
  expect(lateOf(line({ t_seen: 900_000, witness: { received: 8_300_000 } }, null), ends)).toMatchObject({ who: 'somebody who was erased', why: expect.stringContaining('1.00 s after') });
  expect(lateOf('{"entry":"is_late":true', ends)).toBeNull();
  const text = new TextEncoder().encode(`${line({ t_seen: 2_000_000, witness: {} }, { id: 'x' })}\n{"other":1}\n`);
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (let at = 0; at < text.length; at += 50) controller.enqueue(text.slice(at, at + 50));
      controller.close();
    },
  });
  expect(await readLate(body, ends)).toHaveLength(1);
});
