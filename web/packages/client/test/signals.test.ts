import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { UnisonoError, watchWebRtc } from '../src/index';
import { anySignal, within } from '../src/net/signals';
import { stubBrowser, video } from './browser';

const { any, timeout } = AbortSignal;

describe.each([['with', true], ['without', false]] as const)('a browser %s AbortSignal.any and timeout', (_, has) => {
  beforeEach(() => {
    vi.useFakeTimers();
    Object.assign(AbortSignal, has ? { any } : { any: undefined, timeout: undefined });
  });
  afterEach(() => {
    vi.useRealTimers();
    Object.assign(AbortSignal, { any, timeout });
  });

  test('the first of them ends it, for its reason', () => {
    const [one, two] = [new AbortController(), new AbortController()];
    const both = anySignal(one.signal, two.signal);
    expect(both.aborted).toBe(false);
    two.abort('two');
    one.abort('one');
    expect([both.aborted, both.reason]).toEqual([true, 'two']);
  });

  test('one that is over already ends it at once', () => {
    const [one, two] = [new AbortController(), new AbortController()];
    two.abort('two');
    expect(anySignal(one.signal, two.signal).reason).toBe('two');
    const own = new AbortController();
    own.abort('own');
    expect(within(60_000, own.signal).reason).toBe('own');
  });

  test('what is left of it hangs on none of them', () => {
    const [one, two] = [new AbortController(), new AbortController()];
    const removed = vi.spyOn(one.signal, 'removeEventListener');
    anySignal(one.signal, two.signal);
    two.abort();
    if (!has) expect(removed).toHaveBeenCalledTimes(1);
  });
});

test('without AbortSignal.timeout time runs out all the same', async () => {
  vi.useFakeTimers();
  Object.assign(AbortSignal, { timeout: undefined });
  const signal = within(500);
  await vi.advanceTimersByTimeAsync(499);
  expect(signal.aborted).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  expect([signal.aborted, signal.reason.name]).toEqual([true, 'TimeoutError']);
  Object.assign(AbortSignal, { timeout });
  vi.useRealTimers();
});

test('a player that cannot begin says so, and does not hang', async () => {
  stubBrowser(() => new Response('', { status: 404 }));
  vi.stubGlobal('RTCPeerConnection', function () {
    throw new Error('WebRTC is switched off');
  });
  const player = watchWebRtc({ video: video(), url: 'https://a/live/x/whep', endpoints: [] });
  const error = await new Promise<UnisonoError>((resolve) => player.on('error', resolve));
  expect([player.state, error.kind]).toEqual(['failed', 'unsupported']);
  expect(error.message).toContain('WebRTC is switched off');
  vi.unstubAllGlobals();
});
