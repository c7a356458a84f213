import type { Source } from '@unisono/client';
import { expect, test } from 'vitest';
import { soundGone, whenEnded } from '../src/publish/studio';

test('a microphone that was pulled out is told apart from a camera, and in words', () => {
  const tracks = ['audio', 'video'].map((kind) => Object.assign(new EventTarget(), { kind }));
  const source = { kind: 'camera', stream: { getTracks: () => tracks }, stop: () => undefined } as unknown as Source;
  const told: string[] = [];
  whenEnded(source, (kind) => told.push(kind));
  for (const track of tracks) track.dispatchEvent(new Event('ended'));
  expect(told).toEqual(['audio', 'video']);
  expect([soundGone(source), soundGone({ ...source, kind: 'screen' })].map((words) => words.includes('viewers hear nothing'))).toEqual([true, true]);
});
