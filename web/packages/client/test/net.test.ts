import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { errorFromResponse, kindOfStatus, retryAfterMs } from '../src/errors';
import { parseAddress, parseStream, streamUrls } from '../src/names';
import { Backoff, delay } from '../src/net/backoff';
import { ServerClock } from '../src/time/clock';
import { HealthMeter } from '../src/publish/health';

describe('names', () => {
  test('a stream is app/name, in a path or alone', () => {
    for (const path of ['live/alice', '/live/alice', '/live/alice/', '/live/alice/publish']) {
      expect(parseStream(path)).toEqual({ app: 'live', name: 'alice' });
    }
    for (const path of ['', '/', '/live', '/api/v1', '/assets/x', '/live/alice/x/y', '/live/al ice', `/live/${'x'.repeat(65)}`]) {
      expect(parseStream(path)).toBeNull();
    }
  });

  test('every address follows from the name', () => {
    expect(streamUrls({ app: 'live', name: 'alice' }, 'https://host:8443/')).toMatchObject({
      whep: 'https://host:8443/live/alice/whep',
      hls: 'https://host:8443/live/alice/index.m3u8',
      feed: 'wss://host:8443/api/v1/rooms/live:alice/events',
    });
  });

  test('a token stands in the path or behind the hash, and goes into the paths of what needs it', () => {
    const stream = { app: 'live', name: 'alice' };
    for (const address of ['https://host/live/alice#token=a.b_c-d', 'https://host/t/a.b_c-d/live/alice']) {
      expect(parseAddress(new URL(address))).toEqual({ stream, token: 'a.b_c-d' });
    }
    expect(parseAddress(new URL('https://host/live/alice#token=a/b'))).toEqual({ stream, token: null });
    expect(parseAddress(new URL('https://host/live/alice'))).toEqual({ stream, token: null });
    expect(streamUrls(stream, 'https://host', 'a.b')).toMatchObject({
      watch: 'https://host/live/alice',
      whep: 'https://host/t/a.b/live/alice/whep',
      hls: 'https://host/t/a.b/live/alice/index.m3u8',
      feed: 'wss://host/t/a.b/api/v1/rooms/live:alice/events',
    });
  });
});

describe('refusals', () => {
  test('the words of a problem document reach the person', async () => {
    const response = new Response('{"status":406,"title":"Not Acceptable","detail":"Set B-frames to 0."}', { status: 406 });
    expect(await errorFromResponse(response)).toMatchObject({ kind: 'not-acceptable', status: 406, message: 'Set B-frames to 0.' });
  });

  test('a page of HTML is not words', async () => {
    const error = await errorFromResponse(new Response('<html>', { status: 502, statusText: 'Bad Gateway' }));
    expect(error.message).toBe('The server answered 502 Bad Gateway');
    expect(error.kind).toBe('network');
  });

  test('what to do next follows from the status', () => {
    expect([404, 405, 406, 401, 403, 409, 429, 503].map(kindOfStatus)).toEqual(['absent', 'not-acceptable', 'not-acceptable', 'unauthorized', 'unauthorized', 'refused', 'network', 'network']);
    expect([retryAfterMs('1'), retryAfterMs(null), retryAfterMs('soon')]).toEqual([1000, undefined, undefined]);
  });
});

describe('waiting', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test('pauses double up to a bound, and start small again after success', () => {
    const backoff = new Backoff(250, 2000, () => 0);
    expect(Array.from({ length: 5 }, () => backoff.next())).toEqual([250, 500, 1000, 2000, 2000]);
    backoff.reset();
    expect(backoff.next()).toBe(250);
  });

  test('a delay ends early when it is aborted', async () => {
    const closing = new AbortController();
    const waiting = delay(60_000, closing.signal);
    closing.abort();
    expect(await waiting).toBe(false);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('server clock', () => {
  test('the exchange with the shortest way counts, until it is old', () => {
    const clock = new ServerClock();
    expect(clock.now()).toBeNull();
    const now = 1_763_700_000_000_000;
    clock.observe(5_000_000 + now - 1000, now - 2000, now, 2);
    clock.observe(9_000_000 + now, now - 50_000, now, 2);
    expect(clock.now(now)).toBe(now + 5_000_000);
    // 50 ppm of ten minutes are 30 ms: now the wider exchange is the better one.
    const later = now + 600e6;
    clock.observe(6_000_000 + later - 25_000, later - 50_000, later, 2);
    expect(clock.now(later)).toBe(later + 6_000_000);
  });
});

describe('health', () => {
  test('counters become rates between two reports', () => {
    const meter = new HealthMeter();
    const report = (timestamp: number, bytesSent: number) =>
      new Map<string, unknown>([
        ['C', { id: 'C', type: 'codec', mimeType: 'video/H264' }],
        ['O', { type: 'outbound-rtp', kind: 'video', timestamp, bytesSent, framesPerSecond: 30, frameWidth: 640, frameHeight: 360, codecId: 'C' }],
        ['P', { type: 'candidate-pair', nominated: true, currentRoundTripTime: 0.004 }],
      ]) as unknown as RTCStatsReport;
    expect(meter.read(report(1000, 50_000)).videoBitsPerSecond).toBe(0);
    expect(meter.read(report(2000, 300_000))).toMatchObject({ videoBitsPerSecond: 2_000_000, codec: 'H264', roundTripMs: 4, framesPerSecond: 30, loss: null });
  });
});
