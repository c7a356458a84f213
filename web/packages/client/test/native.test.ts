import { expect, test, vi } from 'vitest';
import { estimateT, NativeHlsPlayer } from '../src/hls/native';
import { stubBrowser, video } from './browser';

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

test('a decoder that gives up makes no dead node; one that fails, or is not there, is left', async () => {
  vi.useFakeTimers();
  const [ok, busy, gone] = [() => new Response(''), () => new Response('', { status: 503 }), () => Promise.reject(new TypeError('gone'))];
  for (const [answer, at] of [[ok, 'https://a'], [busy, 'https://b'], [gone, 'https://b']] as const) {
    stubBrowser(answer);
    const element = Object.assign(video(), { canPlayType: () => 'maybe', play: async () => {}, load() {}, removeAttribute() {}, error: { code: 3 } });
    const player = new NativeHlsPlayer({ video: element as unknown as HTMLVideoElement, url: 'https://a/live/x/index.m3u8', endpoints: ['https://b'] });
    await vi.advanceTimersByTimeAsync(10);
    element.dispatchEvent(new Event('error'));
    await vi.advanceTimersByTimeAsync(10);
    expect(player.endpoint).toBe(at);
    await player.close();
  }
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test('a stream without sound has none, where the browser tells', async () => {
  stubBrowser(() => new Response(''));
  const kinds = async (audioTracks?: object) => {
    const element = Object.assign(video(), { canPlayType: () => '', load() {}, removeAttribute() {}, readyState: 1, videoWidth: 2, ...(audioTracks && { audioTracks }) });
    const player = new NativeHlsPlayer({ video: element as unknown as HTMLVideoElement, url: 'https://a/live/x/index.m3u8', endpoints: [] });
    const found = player.kinds();
    await player.close();
    return found;
  };
  expect([await kinds([]), await kinds([{}]), await kinds()].map((one) => one?.audio)).toEqual([false, true, true]);
  vi.unstubAllGlobals();
});

test('a player that is closed leaves no listener on the element', async () => {
  vi.useFakeTimers();
  stubBrowser(() => new Response(''));
  const element = Object.assign(video(), { canPlayType: () => 'maybe', play: async () => {}, load() {}, removeAttribute() {}, error: null });
  const tracks = element.textTracks as unknown as EventTarget;
  const read = vi.fn(() => 'metadata');
  const addTrack = () => tracks.dispatchEvent(Object.assign(new Event('addtrack'), { track: { get kind() { return read(); }, addEventListener() {} } }));
  const player = new NativeHlsPlayer({ video: element as unknown as HTMLVideoElement, url: 'https://a/live/x/index.m3u8', endpoints: [] });
  await vi.advanceTimersByTimeAsync(10);
  addTrack();
  await player.close();
  addTrack();
  expect(read).toHaveBeenCalledTimes(1);
  vi.useRealTimers();
  vi.unstubAllGlobals();
});
