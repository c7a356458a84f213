import { expect, test } from 'vitest';
import { holdBack, parseDial } from '../src/dial';

test('the dial is a word or milliseconds, and lowest by default', () => {
  expect([null, '', 'lowest', 'balanced', ' stable ', '200', '-1', 'low', '1e9'].map(parseDial)).toEqual([
    'lowest', 'lowest', 'lowest', 'balanced', 'stable', 200, 'lowest', 'lowest', 60_000,
  ]);
});

test('each step of the dial is later than the one before, and lowest asks for nothing', () => {
  for (const line of ['webrtc', 'hls'] as const) {
    expect(holdBack('lowest', line)).toBeNull();
    expect(holdBack('stable', line)!).toBeGreaterThan(holdBack('balanced', line)!);
    expect(holdBack(120, line)).toBe(120);
  }
});
