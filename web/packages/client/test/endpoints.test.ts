import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Endpoints } from '../src/net/endpoints';
import { isThere, watchNode } from '../src/net/liveness';
import { Mover, parseMove } from '../src/net/moving';

const [A, B, C] = ['https://a', 'https://b:8443', 'https://c'] as const;
const given = (...nodes: string[]) => new Endpoints({ home: `${A}/live/x/whep`, given: nodes, random: () => 0 });

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe('nodes with the same streams', () => {
  test('the same path at the node in use; what is elsewhere stays there', () => {
    const endpoints = given(B);
    expect(endpoints.at(`${A}/t/x.y/live/x/whep?a=1`)).toBe(`${A}/t/x.y/live/x/whep?a=1`);
    endpoints.moveTo(B, 'lost');
    expect(endpoints.at(`${A}/live/x/index.m3u8?a=1`)).toBe(`${B}/live/x/index.m3u8?a=1`);
    expect(endpoints.at('wss://a/api/v1/rooms/live:x/events')).toBe('wss://b:8443/api/v1/rooms/live:x/events');
    expect(endpoints.at(`${B}/live/x/hls/1.m4s`)).toBe(`${B}/live/x/hls/1.m4s`);
    expect(endpoints.at('https://cdn/ad.mp4')).toBe('https://cdn/ad.mp4');
  });

  test('each is tried once in a round; who failed rests, longer each time', () => {
    const endpoints = given(B, C);
    expect(endpoints.alternative(0)).toBe(B);
    endpoints.failed(B, 0);
    expect(endpoints.alternative(0)).toBe(C);
    endpoints.failed(C, 0);
    expect(endpoints.alternative(0)).toBeNull();
    expect(endpoints.alternative(5000)).toBe(B);
    endpoints.failed(B, 5000);
    expect([endpoints.alternative(14_999), endpoints.soonest()]).toEqual([C, C]);
    endpoints.worked(B);
    expect(endpoints.alternative(5000)).toBe(B);
  });

  test('one that is drained is nowhere to go; those who come back to it later may', () => {
    const endpoints = given(B);
    endpoints.moveTo(B, 'draining');
    endpoints.drained(A, 0);
    expect([endpoints.alternative(59_999), endpoints.alternative(60_000)]).toEqual([null, A]);
  });

  test('who begins anew after a move begins where the one before was, and the first node is another one', () => {
    const endpoints = new Endpoints({ home: `${A}/live/x/whep`, beginAt: B });
    expect([endpoints.current, endpoints.at(`${A}/live/x/whep`), endpoints.alternative()]).toEqual([B, `${B}/live/x/whep`, A]);
    endpoints.learn([B, C]);
    expect(endpoints.all).toEqual([B, C, A]);
    expect(new Endpoints({ home: A, beginAt: 'not an address' }).current).toBe(A);
  });

  test("a refusal is final at the first node, and at the one that let us in last; another's leads back to the first", () => {
    const endpoints = new Endpoints({ home: A, given: [B, C], beginAt: B, random: () => 0 });
    expect(endpoints.refused(A)).toBe(true);
    expect([endpoints.refused(B), endpoints.current, endpoints.alternative()]).toEqual([false, A, C]);
    endpoints.worked(B);
    expect(endpoints.refused(B)).toBe(true);
  });

  test('one that was drained takes viewers again as soon as somebody names it; one that failed rests all the same', () => {
    const endpoints = given(B, C);
    endpoints.moveTo(B, 'draining');
    endpoints.drained(A, 0);
    endpoints.failed(C, 0);
    endpoints.learn([A, C]);
    expect(endpoints.alternative(0)).toBe(A);
    endpoints.drained(A, 0);
    endpoints.learn([C]);
    expect(endpoints.alternative(0)).toBeNull();
  });

  test('what began by https does not go on without', () => {
    const secure = new Endpoints({ home: A });
    secure.learn([B, 'http://c']);
    expect(secure.all).toEqual([B, A]);
    const plain = new Endpoints({ home: 'http://a' });
    plain.learn([B, 'http://c']);
    expect(plain.all).toEqual([B, 'http://c', 'http://a']);
  });

  test('a move is told in words', () => {
    const endpoints = given(B);
    const words: string[] = [];
    endpoints.onChange((change) => words.push(change.words));
    endpoints.moveTo(B, 'lost');
    endpoints.moveTo(B, 'lost');
    endpoints.moveTo(A, 'draining');
    expect(words).toEqual(['Moved to b:8443: a does not answer', 'Moved to a: b:8443 is going away']);
  });

  test('the server is asked; its own name for itself is no other node, and who is drained rests', async () => {
    const answer = { endpoints: [{ url: 'https://a.example', is_self: true }, { url: B }, { url: C, is_draining: true }, { url: 7 }, null] };
    const asked: string[] = [];
    vi.stubGlobal('fetch', async (url: string) => {
      asked.push(url);
      return Response.json(answer);
    });
    const endpoints = new Endpoints({ home: `${A}/live/x/whep` });
    expect(await endpoints.ask('live/x', new AbortController().signal)).toBe('known');
    expect(asked).toEqual([`${A}/api/v1/endpoints?stream=live%2Fx`]);
    expect(endpoints.all).toEqual([A, B, C]);
    endpoints.failed(B);
    expect(endpoints.alternative()).toBeNull();
    answer.endpoints[2] = { url: C, is_draining: false };
    await endpoints.ask('live/x', new AbortController().signal);
    expect(endpoints.alternative()).toBe(C);
  });

  test('who has moved goes on in the order of the node in use: to the next edge, not to the origin', async () => {
    const [edge, other, origin] = [A, B, C];
    vi.stubGlobal('fetch', async () => Response.json({ endpoints: [{ url: other, is_self: true }, { url: edge }, { url: origin }] }));
    const endpoints = new Endpoints({ home: `${edge}/live/x/whep` });
    endpoints.learn([edge, other, origin]);
    endpoints.moveTo(other, 'draining');
    await endpoints.ask('live/x', new AbortController().signal);
    expect(endpoints.alternative()).toBe(edge);
    endpoints.failed(edge);
    expect(endpoints.alternative()).toBe(origin);
    endpoints.learn([]);
    expect(endpoints.all).toEqual([other, edge]);
  });

  test('a server that has no such list is asked once; one that is silent, again', async () => {
    let answers = 0;
    const signal = new AbortController();
    vi.stubGlobal('fetch', async () => ((answers += 1) < 3 ? Promise.reject(new TypeError('gone')) : new Response('', { status: 404 })));
    const kept = new Endpoints({ home: A, random: () => 0 }).keep(null, signal.signal);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(answers).toBe(2);
    await vi.advanceTimersByTimeAsync(120_000);
    await kept;
    expect(answers).toBe(3);
  });

  test('nodes that were given are all there are', async () => {
    const endpoints = given(B);
    endpoints.learn([C]);
    await endpoints.keep(null, new AbortController().signal);
    expect(endpoints.all).toEqual([A, B]);
  });
});

describe('whether a node is there', () => {
  /** A stream of 25 pictures a second until `until`; the node answers or not. */
  function watched(until: number, isThere: () => boolean, random = () => 0) {
    const [probes, deaths]: [number[], number[]] = [[], []];
    const over = new AbortController();
    const start = performance.now();
    const now = () => performance.now() - start;
    void watchNode(
      {
        sign: () => Math.floor(Math.min(now(), until) / 40),
        probe: async () => (probes.push(Math.round(now())), isThere()),
        onDead: async () => void deaths.push(Math.round(now())),
      },
      over.signal,
      random,
    );
    return { probes, deaths, over };
  }

  test('nobody is asked while pictures come', async () => {
    const { probes, over } = watched(Infinity, () => false);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(probes).toEqual([]);
    over.abort();
  });

  test('a dead one is known a moment after the last picture', async () => {
    const { deaths, over } = watched(3000, () => false);
    await vi.advanceTimersByTimeAsync(3400);
    expect(deaths.length).toBe(1);
    expect(deaths[0]).toBeLessThan(3400);
    over.abort();
  });

  test('viewers of a publisher that pauses do not ask all at once', async () => {
    const [first, last] = [watched(3000, () => true, () => 0), watched(3000, () => true, () => 0.99)];
    await vi.advanceTimersByTimeAsync(3450);
    expect([first.probes.length, last.probes.length]).toEqual([1, 1]);
    expect(last.probes[0]! - first.probes[0]!).toBeGreaterThanOrEqual(100);
    for (const { over } of [first, last]) over.abort();
  });

  /** Answers in turn, by milliseconds; `never` is silent. What came of it, and when. */
  async function ask(...answers: (number | 'never' | 'refused')[]) {
    const { timeout } = AbortSignal;
    Object.assign(AbortSignal, { timeout: undefined });
    vi.stubGlobal('fetch', (_: string, { signal }: RequestInit) => {
      const answer = answers.shift();
      return new Promise((resolve, reject) => {
        signal!.addEventListener('abort', () => reject(signal!.reason));
        if (answer === 'refused') reject(new TypeError('refused'));
        else if (answer !== 'never') setTimeout(() => resolve(new Response('')), answer);
      });
    });
    const start = performance.now();
    const asked = isThere(A, new AbortController().signal).then((isThere) => [isThere, performance.now() - start]);
    await vi.advanceTimersByTimeAsync(5000);
    Object.assign(AbortSignal, { timeout });
    return asked;
  }

  test('a refused connection is certain; a silent node is asked twice, the second time with more patience', async () => {
    expect(await ask('refused')).toEqual([false, 0]);
    expect(await ask(300)).toEqual([true, 300]);
    expect(await ask('never', 700)).toEqual([true, 1100]);
    expect(await ask('never', 'never')).toEqual([false, 1200]);
  });

  test('one that is there is asked less and less often while its publisher is away', async () => {
    const { probes, deaths, over } = watched(3000, () => true);
    await vi.advanceTimersByTimeAsync(63_000);
    expect(deaths).toEqual([]);
    expect(probes.length).toBeLessThan(12);
    over.abort();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(probes.length).toBeLessThan(12);
  });
});

describe('a node that sends its viewers away', () => {
  test('the notice is read whole or not at all', () => {
    expect(parseMove({ type: 'move', within_ms: 500, endpoints: [B, 7] })).toEqual({ type: 'move', withinMs: 500, endpoints: [B] });
    expect(parseMove({ type: 'stay' })).toEqual({ type: 'stay' });
    for (const bad of [null, {}, { type: 'move' }, { type: 'move', within_ms: -1 }, { type: 'move', within_ms: 'soon' }]) expect(parseMove(bad)).toBeNull();
  });

  test('each leaves at a moment of its own, once, and tries again where that came to nothing', async () => {
    const moves: number[] = [];
    const start = performance.now();
    const mover = new Mover(async () => moves.push(performance.now() - start) > 1, () => 0.5);
    mover.ask(A, 1000);
    mover.ask(A, 100);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(moves).toEqual([500, 3500]);
  });

  test('who is asked to stay stays', async () => {
    const moves: number[] = [];
    const mover = new Mover(async () => moves.push(0) > 0, () => 1);
    mover.ask(A, 1000);
    mover.cancel();
    await vi.advanceTimersByTimeAsync(5000);
    expect(moves).toEqual([]);
  });
});
