import { expect, test, vi } from 'vitest';
import { Brake, kindsOfStatus, lacks, lateTrack } from '../src/late-tracks';

test('a live stream with more than is played has a late track', () => {
  const sound = { video: false, audio: true };
  expect(lacks(sound, kindsOfStatus({ state: 'live', tracks: [{ kind: 'audio' }, { kind: 'video' }] })!)).toBe(true);
  expect(lacks(sound, kindsOfStatus({ state: 'live', tracks: [{ kind: 'audio' }] })!)).toBe(false);
});

test('nothing is concluded from a lost stream or a strange answer', () => {
  expect([{ state: 'lost', tracks: [{ kind: 'video' }] }, null, {}, { state: 'live' }].map(kindsOfStatus)).toEqual([null, null, null, null]);
});

test('a listed track that gives nothing is none', () => {
  const status = { state: 'live', tracks: [{ kind: 'audio' }, { kind: 'video' }], diagnosis: [{ code: 'no_audio' }, { code: 'b_frames' }, null] };
  expect(kindsOfStatus(status)).toEqual({ video: true, audio: false });
  expect(kindsOfStatus({ ...status, diagnosis: [{ code: 'no_video' }] })).toEqual({ video: false, audio: true });
});

test('starts that bring nothing come ever more seldom, and soon again after one that did', async () => {
  vi.useFakeTimers();
  vi.stubGlobal('fetch', async () => new Response(JSON.stringify({ state: 'live', tracks: [{ kind: 'audio' }, { kind: 'video' }] })));
  const brake = new Brake();
  let played = { video: true, audio: false };
  const seconds = async () => {
    const begun = Date.now();
    let isFound = false;
    void lateTrack(() => 'https://a/', () => played, new AbortController().signal, brake).then(() => (isFound = true));
    while (!isFound) await vi.advanceTimersByTimeAsync(1000);
    return Math.round((Date.now() - begun) / 1000);
  };
  const waits: number[] = [];
  for (let start = 0; start < 10; start += 1) waits.push(await seconds());
  expect(waits).toEqual([6, 9, 15, 27, 51, 99, 195, 387, 603, 603]);
  played = { video: true, audio: true };
  const over = new AbortController();
  void lateTrack(() => 'https://a/', () => played, over.signal, brake);
  await vi.advanceTimersByTimeAsync(3000);
  over.abort();
  played = { video: false, audio: true };
  expect(await seconds()).toBe(6);
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test('a session that lost what the one before had is no gain', () => {
  const brake = new Brake();
  brake.starts({ video: true, audio: false });
  brake.plays({ video: false, audio: true });
  expect(brake.pauseMs).toBe(6000);
  brake.plays({ video: true, audio: true });
  expect(brake.pauseMs).toBe(3000);
});
