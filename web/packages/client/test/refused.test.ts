import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { HlsPlayer, watchWebRtc } from '../src/index';
import type { Player } from '../src/player';
import { stubBrowser, video } from './browser';

const [A, B] = ['https://a', 'https://b'];

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const ways: [string, (beginAt: string) => Player][] = [
  ['WebRTC', (beginAt) => watchWebRtc({ video: video(), url: `${A}/live/x/whep`, endpoints: [A, B], beginAt })],
  ['LL-HLS', (beginAt) => new HlsPlayer({ video: video(), url: `${A}/live/x/index.m3u8`, endpoints: [A, B], beginAt }, class {} as never)],
];

test.each(ways)('%s: the refusal of a node that never let us in is not the end; the first one is asked', async (_, watch) => {
  for (const status of [401, 403, 406]) {
    const asked = stubBrowser(({ origin }) => (origin === B ? new Response('', { status }) : new Response('', { status: 404, headers: { 'retry-after': '1' } })));
    const player = watch(B);
    await vi.advanceTimersByTimeAsync(3000);
    expect([player.state, player.endpoint]).toEqual(['waiting', A]);
    expect(asked.filter((one) => one.includes(B)).length).toBe(1);
    expect(asked.filter((one) => one.includes(A)).length).toBeGreaterThan(1);
    await player.close();
  }
});

test.each(ways)('%s: the refusal of the first node is', async (_, watch) => {
  stubBrowser(() => new Response('', { status: 403 }));
  const player = watch(A);
  await vi.advanceTimersByTimeAsync(3000);
  expect([player.state, player.failure?.kind]).toEqual(['failed', 'unauthorized']);
});
