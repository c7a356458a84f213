import { expect, test } from 'vitest';
import { MediaTimeline } from '../src/time/media';

const T0 = 1_763_700_000_000_000;

test('a frame counts from the last anchor at or before it', () => {
  const timeline = new MediaTimeline();
  timeline.add({ mediaTime: 10, t: T0, epoch: 1 });
  timeline.add({ mediaTime: 10.5, t: T0 + 500_040, epoch: 1 });
  expect(timeline.at(10.466_667)?.t).toBe(T0 + 466_667);
  expect(timeline.at(10.5)?.t).toBe(T0 + 500_040);
  expect(timeline.at(10.6)?.t).toBe(T0 + 600_040);
});

test('browsers round to microseconds: a boundary is met from just below', () => {
  const timeline = new MediaTimeline();
  timeline.add({ mediaTime: 1, t: T0, epoch: 1 });
  timeline.add({ mediaTime: 1.000_011_1 + 1, t: T0 + 30_000_000, epoch: 2 });
  expect(timeline.at(2.000_011)).toEqual({ t: T0 + 30_000_000, epoch: 2 });
  expect(timeline.at(1.966)?.epoch).toBe(1);
});

test('parts may come out of order and again', () => {
  const timeline = new MediaTimeline();
  timeline.add({ mediaTime: 3, t: T0 + 3e6, epoch: 1 });
  timeline.add({ mediaTime: 1, t: T0, epoch: 1 });
  timeline.add({ mediaTime: 3, t: T0 + 4e6, epoch: 1 });
  expect(timeline.at(2)?.t).toBe(T0 + 1e6);
  expect(timeline.at(3)?.t).toBe(T0 + 4e6);
});

test('what is older than the bound is forgotten', () => {
  const timeline = new MediaTimeline();
  for (let n = 0; n <= MediaTimeline.CAPACITY; n += 1) timeline.add({ mediaTime: n, t: T0 + n * 2e6, epoch: 1 });
  // The first anchor is gone: the second is extended backwards.
  expect(timeline.at(0)?.t).toBe(T0 + 1e6);
  expect(timeline.newest?.mediaTime).toBe(MediaTimeline.CAPACITY);
  timeline.clear();
  expect(timeline.at(1)).toBeNull();
});
