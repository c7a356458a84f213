import { beforeEach, expect, test } from 'vitest';
import type { RoomEvent } from '../src/events';
import { Presenter, type Applied } from '../src/presenter';

const FRAME = 33_333;
let applied: Applied[];
let presenter: Presenter;

const event = (seq: number, at: number, late: RoomEvent['late'] = 'show'): RoomEvent => ({
  room: 'live:alice',
  epoch: 1,
  seq,
  id: `event-${seq}`,
  lane: 'alert',
  type: 'goal',
  at,
  late,
  data: null,
});
const frame = (t: number) => presenter.frame({ t, epoch: 1 });
const seqs = () => applied.map((one) => one.event.seq);

beforeEach(() => {
  applied = [];
  presenter = new Presenter((one) => applied.push(one));
});

test('an event applies at the first displayed frame with T >= at, and not before', () => {
  frame(1_000_000);
  presenter.push(event(1, 1_000_000 + FRAME), 'feed');
  frame(1_000_000 + FRAME - 1);
  expect(applied).toEqual([]);
  frame(1_000_000 + FRAME);
  expect(applied).toMatchObject([{ t: 1_000_000 + FRAME, frameLatenessUs: 0, isLate: false, shown: true, via: 'feed' }]);
  frame(1_000_000 + 2 * FRAME);
  expect(applied).toHaveLength(1);
});

test('events of one frame come in (at, seq) order, however they arrived', () => {
  frame(0);
  presenter.push(event(4, 20), 'feed');
  presenter.push(event(3, 20), 'feed');
  presenter.push(event(5, 10), 'feed');
  presenter.push(event(9, 5_000_000), 'feed');
  frame(FRAME);
  expect(seqs()).toEqual([5, 3, 4]);
});

test('copies over other wires are one event', () => {
  frame(0);
  presenter.push(event(1, 10), 'datachannel');
  presenter.push(event(1, 10), 'feed');
  frame(FRAME);
  presenter.push(event(1, 10), 'emsg');
  expect(applied).toMatchObject([{ via: 'datachannel' }]);
});

test('an event after its frame is late by the media time since, and its own rule decides', () => {
  frame(1_000_000);
  presenter.push(event(1, 900_000, 'show'), 'feed');
  presenter.push(event(2, 900_000, 'skip'), 'feed');
  presenter.push(event(3, 900_000, 'log'), 'feed');
  expect(applied.map(({ isLate, shown, frameLatenessUs }) => ({ isLate, shown, frameLatenessUs }))).toEqual([
    { isLate: true, shown: true, frameLatenessUs: 100_000 },
    { isLate: true, shown: false, frameLatenessUs: 100_000 },
    { isLate: true, shown: false, frameLatenessUs: 100_000 },
  ]);
  expect(presenter.counts).toMatchObject({ applied: 1, late: 3 });
});

test('what belongs to a time before this viewer joined is late on the first frame', () => {
  presenter.push(event(1, 1_000_000, 'skip'), 'emsg');
  presenter.push(event(2, 9_990_000, 'skip'), 'emsg');
  frame(10_000_000);
  expect(applied.map(({ isLate, shown }) => [isLate, shown])).toEqual([
    [true, false],
    [false, true],
  ]);
});

test('a pause in the picture makes nothing late: the next displayed frame is the first with T >= at', () => {
  frame(0);
  presenter.push(event(1, 100_000, 'skip'), 'feed');
  frame(3_000_000);
  expect(applied).toMatchObject([{ isLate: false, shown: true, frameLatenessUs: 2_900_000 }]);
});

test('after a restart the next frame is a first frame', () => {
  frame(10_000_000);
  presenter.restart();
  presenter.push(event(1, 9_950_000), 'feed');
  expect(applied).toEqual([]);
  frame(10_000_000);
  expect(applied).toMatchObject([{ isLate: false }]);
});

test('the queue is bounded: what is farthest ahead is dropped and counted', () => {
  frame(0);
  for (let n = 0; n < Presenter.WAITING + 10; n += 1) presenter.push(event(n, 1_000_000 + n), 'feed');
  expect(presenter.counts).toMatchObject({ waiting: Presenter.WAITING, dropped: 10 });
  frame(100_000_000);
  expect(applied.at(-1)?.event.seq).toBe(Presenter.WAITING - 1);
});

test('an event never comes before the one it is about', () => {
  frame(0);
  const message = { ...event(1, 2 * FRAME), id: 'message' };
  presenter.push(message, 'feed');
  presenter.push({ ...event(2, 10), subject: 'message' }, 'feed');
  presenter.push({ ...event(3, 10), subject: 'event-2' }, 'feed');
  frame(FRAME);
  expect(seqs()).toEqual([]);
  frame(2 * FRAME);
  expect(seqs()).toEqual([1, 2, 3]);
});

test('one that overtook its subject on a faster wire waits for it', () => {
  frame(0);
  presenter.push({ ...event(2, 10), subject: 'event-1' }, 'datachannel');
  frame(FRAME);
  expect(seqs()).toEqual([]);
  presenter.push(event(1, 5), 'feed');
  expect(seqs()).toEqual([1, 2]);
});

test('one whose subject never comes is not held for ever: the feed, or a second, lets it go', () => {
  frame(0);
  presenter.push({ ...event(2, 10), subject: 'gone' }, 'datachannel');
  presenter.push({ ...event(3, 10), subject: 'gone' }, 'datachannel');
  presenter.push({ ...event(2, 10), subject: 'gone' }, 'feed');
  frame(FRAME);
  expect(seqs()).toEqual([2]);
  frame(1_100_000);
  expect(seqs()).toEqual([2, 3]);
});

test('what is taken back before its frame is never shown, in whatever order both come', () => {
  frame(0);
  presenter.push(event(1, 100), 'feed');
  presenter.push({ ...event(3, 50), cancels: 'event-1' }, 'feed');
  presenter.push({ ...event(4, 60), cancels: 'event-2' }, 'feed');
  presenter.push(event(2, 100), 'datachannel');
  frame(FRAME);
  expect(seqs()).toEqual([3, 4]);
  expect(applied.every(({ takesBack }) => takesBack === undefined)).toBe(true);
});

test('what was shown is told as taken back, or as replaced', () => {
  presenter.push(event(1, 100), 'feed');
  frame(100);
  presenter.push({ ...event(2, 200), supersedes: 'event-1' }, 'feed');
  presenter.push({ ...event(3, 300), cancels: 'event-2' }, 'feed');
  frame(200);
  expect(seqs()).toEqual([1]);
  frame(300);
  // The amendment itself was taken back before its frame, so the first one stands until then.
  expect(applied.map(({ event: { seq }, takesBack }) => [seq, takesBack])).toEqual([
    [1, undefined],
    [3, undefined],
  ]);
});

test('an amendment replaces: shown after, or instead', () => {
  presenter.push(event(1, 100), 'feed');
  presenter.push(event(2, 150), 'feed');
  frame(100);
  presenter.push({ ...event(3, 140), supersedes: 'event-1' }, 'feed');
  presenter.push({ ...event(4, 160), supersedes: 'event-2' }, 'feed');
  frame(200);
  expect(applied.map(({ event: { seq }, takesBack }) => [seq, takesBack])).toEqual([
    [1, undefined],
    [3, 'event-1'],
    [4, undefined],
  ]);
});

test('a late event whose ttl is over is told and not shown', () => {
  frame(1_000_000);
  presenter.push({ ...event(1, 900_000), ttl: 50_000 }, 'feed');
  presenter.push({ ...event(2, 900_000), ttl: 150_000 }, 'feed');
  expect(applied.map(({ shown }) => shown)).toEqual([false, true]);
});
