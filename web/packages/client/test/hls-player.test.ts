import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { HlsPlayer, watchHls } from '../src/hls/watch';
import { stubBrowser, video } from './browser';

vi.mock('hls.js', () => {
  throw new Error('Failed to fetch');
});

const variant = (codecs: string) => `#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1,CODECS="${codecs}"\nx.m3u8\n`;
const SOUND = 'mp4a.40.2';

/** Loads what the test says, and plays nothing. */
class FakeHls {
  static readonly Events = new Proxy({}, { get: (_, name) => name });
  static readonly DefaultConfig = { loader: class {} };
  static readonly ErrorTypes = {};
  static readonly ErrorDetails = {};
  static made = 0;
  #loaded: ((name: string, data: unknown) => void) | null = null;
  config = {};

  constructor() {
    FakeHls.made += 1;
  }

  on = (name: string, listener: (name: string, data: unknown) => void) => void (name === 'MANIFEST_LOADED' && (this.#loaded = listener));
  attachMedia = () => undefined;
  loadSource = () => this.#loaded!('', { levels: [{ attrs: { CODECS: codecs } }] });
  destroy = () => undefined;
}

let asked: string[];
let codecs: string;
let player: HlsPlayer;

beforeEach(async () => {
  vi.useFakeTimers();
  codecs = SOUND;
  asked = stubBrowser(() => new Response(variant(codecs)));
  vi.stubGlobal('MediaSource', { isTypeSupported: (type: string) => !type.includes('hvc1') });
  FakeHls.made = 0;
  player = new HlsPlayer({ video: video(), url: 'https://a/live/x/index.m3u8', endpoints: [] }, FakeHls as never);
  await vi.advanceTimersByTimeAsync(10);
  asked.length = 0;
});
afterEach(async () => {
  await player.close();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test('a stream of sound alone is asked ever more seldom whether it has a picture by now, and not in a hidden page', async () => {
  await vi.advanceTimersByTimeAsync(60_000);
  expect(asked.length).toBeLessThan(7);
  await vi.advanceTimersByTimeAsync(60_000);
  asked.length = 0;
  await vi.advanceTimersByTimeAsync(300_000);
  expect(asked.length).toBe(10);
  Object.assign(document, { hidden: true });
  await vi.advanceTimersByTimeAsync(300_000);
  expect(asked.length).toBe(10);
});

test('it starts again for a picture that this browser plays, and goes on with the sound where it does not', async () => {
  codecs = `hvc1.1.6.L93.B0,${SOUND}`;
  await vi.advanceTimersByTimeAsync(20_000);
  expect(FakeHls.made).toBe(1);
  codecs = `avc1.42c01f,${SOUND}`;
  await vi.advanceTimersByTimeAsync(20_000);
  expect(FakeHls.made).toBe(2);
});

test('a file that cannot be loaded is told in words', async () => {
  await expect(watchHls({ video: video(), url: 'https://a/live/x/index.m3u8' })).rejects.toMatchObject({ kind: 'network', message: expect.stringContaining('reload the page') });
});
