import { expect, test } from 'vitest';
import { estimateT } from '../src/hls/native';

const playing = (end: number, currentTime: number, paused = false) => ({
  seekable: { length: 1, start: () => 0, end: () => end } as unknown as TimeRanges,
  currentTime,
  paused,
});

test("where nothing tells T, it is the server's clock less the distance to the live edge", () => {
  expect(estimateT(100_000_000, playing(50, 44))).toBe(94_000_000);
  expect(estimateT(100_000_000, playing(50, 51))).toBe(100_000_000);
});

test('what is not known is not guessed', () => {
  expect(estimateT(null, playing(50, 44))).toBeNull();
  expect(estimateT(1, playing(50, 44, true))).toBeNull();
  expect(estimateT(1, playing(Infinity, 44))).toBeNull();
  expect(estimateT(1, { ...playing(50, 44), seekable: { length: 0 } as TimeRanges })).toBeNull();
});
