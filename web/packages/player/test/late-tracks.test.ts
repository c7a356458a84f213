import { expect, test } from 'vitest';
import { kindsOfStatus, lacks } from '../src/late-tracks';

test('a live stream with more than is played has a late track', () => {
  const sound = { video: false, audio: true };
  expect(lacks(sound, kindsOfStatus({ state: 'live', tracks: [{ kind: 'audio' }, { kind: 'video' }] })!)).toBe(true);
  expect(lacks(sound, kindsOfStatus({ state: 'live', tracks: [{ kind: 'audio' }] })!)).toBe(false);
});

test('nothing is concluded from a lost stream or a strange answer', () => {
  expect([{ state: 'lost', tracks: [{ kind: 'video' }] }, null, {}, { state: 'live' }].map(kindsOfStatus)).toEqual([null, null, null, null]);
});
