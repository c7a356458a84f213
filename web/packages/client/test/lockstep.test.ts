import { expect, test } from 'vitest';
import { ExchangeClock } from '../src/lockstep/exchange';
import { JitterBufferPace, RAISE_EVERY_MS, RAISE_MS, TARGET_MAX_MS } from '../src/lockstep/jitter-buffer';
import { PlaybackPace, RATE_SPREAD, SEEK_MS } from '../src/lockstep/playback-rate';

/** The same numbers on every run. */
function random(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 48_271) % 0x7fffffff) / 0x7fffffff;
}

test('the clock takes the shortest way, and its error bound holds over an uneven and lopsided link', () => {
  const next = random(7);
  const clock = new ExchangeClock();
  const ahead = 1_234_567;
  for (let n = 0; n < 200; n += 1) {
    const t0 = n * 150_000;
    const out = 5_000 + next() * 40_000;
    const back = 5_000 + next() * 5_000;
    const t1 = t0 + out + ahead;
    clock.observe({ t0, t1, t2: t1 + 100, t3: t0 + out + 100 + back });
    const now = t0 + out + back + 100;
    expect(Math.abs(clock.now(now)! - (now + ahead))).toBeLessThanOrEqual(clock.errorAt(now) + 1);
  }
  expect(clock.errorAt(200 * 150_000)).toBeLessThan(25_000);
});

test('the clock leaves out what took more than twice the median, looks at sixteen, and grows old by 50 ppm', () => {
  const clock = new ExchangeClock();
  expect([clock.now(0), clock.error]).toEqual([null, Infinity]);
  clock.observe({ t0: 0, t1: 1_000, t2: 1_000, t3: 2_000 });
  expect([clock.now(2_000), clock.errorAt(2_000), clock.errorAt(1_002_000)]).toEqual([2_000, 1_000, 1_050]);
  clock.observe({ t0: 0, t1: 5, t2: 4, t3: 9 });
  clock.observe({ t0: 9, t1: 5, t2: 5, t3: 3 });
  expect(clock.errorAt(2_000)).toBe(1_000);
  for (let n = 1; n <= 16; n += 1) clock.observe({ t0: n * 10_000, t1: n * 10_000 + 2_000, t2: n * 10_000 + 2_000, t3: n * 10_000 + 4_000 });
  expect(clock.errorAt(164_000)).toBe(2_000);
});

/** A WebRTC viewer as the browser plays: it holds at least what the network asks, and follows a new target by 250 ms a second. */
function watch(naturalMs: number, wantedMs: (nowMs: number) => number, forMs: number) {
  const pace = new JitterBufferPace();
  let held = naturalMs;
  let [target, changedAt, actual] = [0, -Infinity, 0];
  const raises: { at: number; by: number }[] = [];
  const rest: number[] = [];
  for (let now = 0; now < forMs; now += 250) {
    const aim = Math.max(target, naturalMs);
    held += Math.min(Math.max(aim - held, -125), 62.5);
    actual = 80 + held;
    const next = pace.step(now, actual, wantedMs(now));
    if (next === null) continue;
    if (next > target) raises.push({ at: now, by: next - target });
    if (next > target && changedAt > -Infinity) expect(now - changedAt).toBeGreaterThanOrEqual(RAISE_EVERY_MS);
    [target, changedAt] = [next, now];
    rest.push(next);
  }
  return { actual, target, raises, changes: rest.length };
}

test('WebRTC: latency is raised by 100 ms in 0.7 s at most, arrives, and stays', () => {
  for (const natural of [0, 40, 150]) {
    const { actual, raises, target } = watch(natural, () => 600, 20_000);
    expect(Math.abs(actual - 600)).toBeLessThanOrEqual(20);
    expect(target).toBeLessThanOrEqual(TARGET_MAX_MS);
    expect(raises.every(({ by }) => by <= RAISE_MS)).toBe(true);
    const { changes } = watch(natural, () => 600, 60_000);
    expect(changes).toBeLessThan(20);
  }
});

test('WebRTC: four viewers of different latency come within 100 ms of each other', () => {
  const actual = [0, 60, 140, 260].map((natural) => watch(natural, () => 480, 20_000).actual);
  expect(Math.max(...actual) - Math.min(...actual)).toBeLessThanOrEqual(100);
});

test('WebRTC: latency is lowered in one step, and never below what the browser needs', () => {
  const pace = new JitterBufferPace(1_000);
  expect(pace.step(0, 1_080, 300)).toBe(220);
  expect(pace.step(250, 1_000, 300)).toBeNull();
  expect(pace.step(2_000, 300, 300)).toBeNull();
  expect(pace.step(3_000, 500, 100)).toBe(0);
  expect(pace.step(9_000, 500, 100)).toBeNull();
});

test('WebRTC: a picture that does not follow is not asked for more and more', () => {
  const pace = new JitterBufferPace();
  for (let now = 0; now < 60_000; now += 250) pace.step(now, 40, 440);
  expect(pace.targetMs).toBe(440);
});

test('WebRTC: four seconds are the most a browser takes', () => {
  const pace = new JitterBufferPace(3_980);
  expect(pace.step(0, 4_000, 9_000)).toBe(TARGET_MAX_MS);
  expect(pace.step(10_000, 4_100, 9_000)).toBeNull();
});

/** An HLS viewer: a rate of 1.03 gains 30 ms a second. */
function play(startMs: number, wantedMs: number, forMs: number) {
  const pace = new PlaybackPace();
  let [actual, seeks] = [startMs, 0];
  const rates: number[] = [];
  for (let now = 0; now < forMs; now += 250) {
    const next = pace.step(now, actual, wantedMs);
    if ('seekMs' in next) {
      actual -= next.seekMs;
      seeks += 1;
    } else {
      actual -= (next.rate - 1) * 250;
      rates.push(next.rate);
    }
  }
  return { actual, seeks, rates };
}

test('HLS: a little faster or slower until within 20 ms, then as it happened; no jump below a second', () => {
  for (const start of [1_400, 2_030, 2_900]) {
    const { actual, seeks, rates } = play(start, 2_000, 60_000);
    expect([Math.abs(actual - 2_000) <= 20, seeks, rates.at(-1)]).toEqual([true, 0, 1]);
    expect(rates.every((rate) => Math.abs(rate - 1) <= RATE_SPREAD + 1e-9)).toBe(true);
  }
});

test('HLS: what is farther than a second off is jumped, once', () => {
  for (const start of [500, 5_500]) {
    const { actual, seeks } = play(start, 2_000, 10_000);
    expect([Math.abs(actual - 2_000) <= 20, seeks]).toEqual([true, 1]);
  }
  const pace = new PlaybackPace();
  expect(pace.step(0, 2_000 + SEEK_MS + 1, 2_000)).toEqual({ seekMs: SEEK_MS + 1 });
  expect(pace.step(250, 2_000 + SEEK_MS + 1, 2_000)).toEqual({ rate: 1 });
});
