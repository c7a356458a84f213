import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { HlsConfig, Loader, LoaderCallbacks, LoaderConfiguration, LoaderContext, LoaderStats } from 'hls.js';
import { Endpoints } from '../src/net/endpoints';
import { failoverLoader } from '../src/hls/loader';
import { beginAt, endOf } from '../src/hls/progress';

const [A, B, C] = ['https://a', 'https://b', 'https://c'] as const;

/** What each node does with a request. */
type Node = 'answers' | 'refuses' | 'hangs' | 'has not' | 'drains' | 'trickles' | 'stops';
/** What a node lists, where it is not just `x`. */
let lists: Record<string, string> = {};
let behaviour: Record<string, Node>;
let asked: string[];

class Wire implements Loader<LoaderContext> {
  context: LoaderContext | null = null;
  stats = { loaded: 0, loading: { start: 0, first: 0, end: 0 } } as LoaderStats;
  #timer: ReturnType<typeof setTimeout> | undefined;

  load(context: LoaderContext, _: LoaderConfiguration, callbacks: LoaderCallbacks<LoaderContext>): void {
    asked.push(context.url);
    const node = behaviour[new URL(context.url).origin];
    const headers = { getAllResponseHeaders: () => `content-type: text/plain\r\n${node === 'drains' ? 'unisono-move: 3000\r\n' : ''}` } as unknown as XMLHttpRequest;
    if (node === 'hangs') return;
    if (node === 'trickles' || node === 'stops') return this.#trickle(() => callbacks.onSuccess({ url: context.url, data: 'x' }, this.stats, context, headers), node === 'stops' ? 5 : 50);
    this.#timer = setTimeout(() => {
      if (node === 'answers' || node === 'drains') callbacks.onSuccess({ url: context.url, data: lists[new URL(context.url).origin] ?? 'x' }, this.stats, context, headers);
      else callbacks.onError({ code: node === 'refuses' ? 0 : 404, text: '' }, context, headers, this.stats);
    }, 10);
  }

  /** A hundred bytes every 100 ms, 5 kB in all; `most` times. */
  #trickle(done: () => void, most: number): void {
    this.stats.loading.first = performance.now();
    this.stats.loaded += 100;
    if (this.stats.loaded >= 5000) return done();
    if (this.stats.loaded < most * 100) this.#timer = setTimeout(() => this.#trickle(done, most), 100);
  }

  abort(): void {
    clearTimeout(this.#timer);
  }

  destroy(): void {
    clearTimeout(this.#timer);
  }
}

function load(endpoints: Endpoints) {
  return loaders(endpoints).loadWhole();
}

/** The requests of one player. */
function loaders(endpoints: Endpoints) {
  const notices: unknown[] = [];
  const Class = failoverLoader(Wire as unknown as HlsConfig['loader'], endpoints, (notice, from) => notices.push([notice, from]));
  const loadWhole = () => ({ ...request(Class), notices });
  return { loadWhole, load: () => loadWhole().told };
}

function request(Class: HlsConfig['loader']) {
  const told: string[] = [];
  const loader = new Class({} as HlsConfig);
  const context = { url: `${A}/live/x/hls/video.m3u8?_HLS_msn=7`, responseType: 'text' } as LoaderContext;
  const config = { loadPolicy: { errorRetry: null, timeoutRetry: null } } as unknown as LoaderConfiguration;
  loader.load(context, config, {
    onSuccess: (response) => told.push(response.data === 'x' ? `had ${response.url}` : String(response.data)),
    onError: (error) => told.push(`error ${error.code}`),
    onTimeout: () => told.push('timeout'),
  });
  return { told, loader };
}

beforeEach(() => {
  vi.useFakeTimers();
  asked = [];
  lists = {};
  // `/healthz`: only a dead machine does not answer.
  vi.stubGlobal('fetch', async (url: string) => (behaviour[new URL(url).origin] === 'hangs' ? Promise.reject(new TypeError('gone')) : new Response('ok')));
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test('a request that fails at one node is made at the next, and hls.js sees the address it asked for', async () => {
  behaviour = { [A]: 'refuses', [B]: 'answers' };
  const endpoints = new Endpoints({ home: A, given: [B] });
  const { told } = load(endpoints);
  await vi.advanceTimersByTimeAsync(100);
  expect(told).toEqual([`had ${A}/live/x/hls/video.m3u8?_HLS_msn=7`]);
  expect(asked.map((url) => new URL(url).origin)).toEqual([A, B]);
  expect(endpoints.current).toBe(B);
  load(endpoints);
  await vi.advanceTimersByTimeAsync(100);
  expect(asked.slice(2)).toEqual([`${B}/live/x/hls/video.m3u8?_HLS_msn=7`]);
});

test('a machine that is gone hangs: its request is made elsewhere once nobody answers there', async () => {
  behaviour = { [A]: 'hangs', [B]: 'answers' };
  const { told } = load(new Endpoints({ home: A, given: [B] }));
  await vi.advanceTimersByTimeAsync(600);
  expect(told).toEqual([]);
  await vi.advanceTimersByTimeAsync(200);
  expect(told.length).toBe(1);
});

test('a download that is slow but alive is left alone, whether its node is slow to answer others or is left by them', async () => {
  behaviour = { [A]: 'trickles', [B]: 'answers' };
  vi.stubGlobal('fetch', async () => Promise.reject(new TypeError('too busy')));
  const endpoints = new Endpoints({ home: A, given: [B] });
  const { told } = load(endpoints);
  await vi.advanceTimersByTimeAsync(2000);
  endpoints.moveTo(B, 'draining');
  await vi.advanceTimersByTimeAsync(4000);
  expect([told.length, asked.length]).toEqual([1, 1]);
});

test('a download whose bytes stay away is made elsewhere', async () => {
  behaviour = { [A]: 'stops', [B]: 'answers' };
  vi.stubGlobal('fetch', async () => Promise.reject(new TypeError('gone')));
  const { told } = load(new Endpoints({ home: A, given: [B] }));
  await vi.advanceTimersByTimeAsync(6000);
  expect([told.length, asked.map((url) => new URL(url).origin)]).toEqual([1, [A, B]]);
});

test('two requests that fail together move once', async () => {
  behaviour = { [A]: 'refuses', [B]: 'answers', [C]: 'answers' };
  const endpoints = new Endpoints({ home: A, given: [B, C] });
  const both = [load(endpoints), load(endpoints)];
  await vi.advanceTimersByTimeAsync(100);
  expect(both.map(({ told }) => told.length)).toEqual([1, 1]);
  expect(endpoints.current).toBe(B);
});

test('what a node does not have is not asked for elsewhere; where no node answers, hls.js is told', async () => {
  behaviour = { [A]: 'has not', [B]: 'answers' };
  const { told } = load(new Endpoints({ home: A, given: [B] }));
  await vi.advanceTimersByTimeAsync(100);
  expect(told).toEqual(['error 404']);
  behaviour = { [A]: 'refuses', [B]: 'refuses' };
  const none = load(new Endpoints({ home: A, given: [B] }));
  await vi.advanceTimersByTimeAsync(100);
  expect(none.told).toEqual(['error 0']);
});

test('the next node is given a moment to pull the stream', async () => {
  behaviour = { [A]: 'refuses', [B]: 'has not' };
  const { told } = load(new Endpoints({ home: A, given: [B] }));
  await vi.advanceTimersByTimeAsync(600);
  expect(told).toEqual([]);
  behaviour[B] = 'answers';
  await vi.advanceTimersByTimeAsync(300);
  expect(told.length).toBe(1);
  behaviour[B] = 'has not';
  behaviour[A] = 'refuses';
  const never = load(new Endpoints({ home: A, given: [B] }));
  await vi.advanceTimersByTimeAsync(10_000);
  expect(never.told).toEqual(['error 404']);
});

/** `segments` whole ones from number 10 on, and `parts` of the next. */
const playlist = (segments: number, parts: number): string =>
  ['#EXTM3U', '#EXT-X-MEDIA-SEQUENCE:10', ...Array.from({ length: segments }, (_, i) => `#EXTINF:2,\n${10 + i}.m4s`), ...Array.from({ length: parts }, (_, i) => `#EXT-X-PART:DURATION=0.5,URI="p${i}.m4s"`), ''].join('\n');

test('the end of a playlist counts skipped and whole segments, and parts behind them', () => {
  expect(endOf(playlist(3, 2))).toBe(13_002);
  expect(endOf('#EXT-X-MEDIA-SEQUENCE:10\n#EXT-X-SKIP:SKIPPED-SEGMENTS=4\n#EXT-X-PART:URI="a"\n#EXTINF:2,\n14.m4s\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI="b"\n')).toBe(15_000);
  expect(endOf('#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nvideo.m3u8\n')).toBeNull();
});

test('a list that begins earlier is cut to where the known one begins, and the header still holds', () => {
  const long = ['#EXTM3U', '#EXT-X-MEDIA-SEQUENCE:10', '#EXT-X-DISCONTINUITY-SEQUENCE:4', '#EXT-X-MAP:URI="i0"', '#EXTINF:2,', '10.m4s', '#EXT-X-DISCONTINUITY', '#EXT-X-MAP:URI="i1"', '#EXTINF:2,', '11.m4s', '#EXT-X-PART:URI="12.0"', '#EXTINF:2,', '12.m4s', '#EXT-X-PART:URI="13.0"', ''].join('\n');
  expect(beginAt(long, 12).split('\n')).toEqual(['#EXTM3U', '#EXT-X-MEDIA-SEQUENCE:12', '#EXT-X-DISCONTINUITY-SEQUENCE:5', '#EXT-X-MAP:URI="i1"', '#EXT-X-PART:URI="12.0"', '#EXTINF:2,', '12.m4s', '#EXT-X-PART:URI="13.0"', '']);
  expect(beginAt(long, 10)).toBe(long);
  expect(beginAt(long, 99)).toBe(long);
});

test('a playlist of the next node that ends before what is known is asked for again, and hls.js does not jump back', async () => {
  behaviour = { [A]: 'answers', [B]: 'answers' };
  lists = { [A]: playlist(5, 2), [B]: playlist(2, 0) };
  const endpoints = new Endpoints({ home: A, given: [B] });
  const shared = loaders(endpoints);
  const first = shared.load();
  await vi.advanceTimersByTimeAsync(100);
  expect(first).toEqual([lists[A]]);
  behaviour[A] = 'refuses';
  const second = shared.load();
  await vi.advanceTimersByTimeAsync(600);
  expect(second).toEqual([]);
  lists[B] = playlist(5, 3);
  await vi.advanceTimersByTimeAsync(300);
  expect(second).toEqual([lists[B]]);
  // From now on it is that node's own: what it says counts, whatever it is.
  lists[B] = playlist(1, 0);
  const third = shared.load();
  await vi.advanceTimersByTimeAsync(100);
  expect(third).toEqual([lists[B]]);
});

test('a playlist of a node that is drained tells so', async () => {
  behaviour = { [A]: 'drains', [B]: 'answers' };
  const { notices } = load(new Endpoints({ home: A, given: [B] }));
  await vi.advanceTimersByTimeAsync(100);
  expect(notices).toEqual([[{ type: 'move', withinMs: 3000, endpoints: [] }, A]]);
});

test('an aborted request is made nowhere else', async () => {
  behaviour = { [A]: 'hangs', [B]: 'answers' };
  const { told, loader } = load(new Endpoints({ home: A, given: [B] }));
  loader.abort();
  await vi.advanceTimersByTimeAsync(5000);
  expect([told, asked.length]).toEqual([[], 1]);
});
