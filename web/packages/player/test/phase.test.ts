import { expect, test } from 'vitest';
import { explanation, phaseOf, type Situation } from '../src/phase';

const phase = (part: Partial<Situation>) => phaseOf({ state: 'connecting', hasPlayed: false, isOnline: true, failure: null, ...part });

test('waiting before anything has played, ended after', () => {
  expect(phase({ state: 'waiting' })).toBe('waiting');
  expect(phase({ state: 'waiting', hasPlayed: true })).toBe('ended');
});

test('a token problem is a refusal, anything else a failure', () => {
  expect(phase({ state: 'failed', failure: 'unauthorized' })).toBe('refused');
  expect(phase({ state: 'failed', failure: 'not-acceptable' })).toBe('failed');
});

test('without a network the device is to blame, unless the picture still moves', () => {
  for (const state of ['connecting', 'waiting', 'stalled', 'reconnecting'] as const) expect(phase({ state, isOnline: false })).toBe('offline');
  expect(phase({ state: 'playing', isOnline: false })).toBe('playing');
});

test("the server's words become a sentence", () => {
  expect(explanation('refused', 'this token was revoked')).toBe('This token was revoked.');
  expect(explanation('waiting', 'nobody publishes live/x now')).toBe('Nobody publishes live/x now. It starts here by itself.');
  expect(explanation('playing', 'Live')).toBe('');
});
