import { expect, test } from 'vitest';
import { ExchangeClock } from '../src/lockstep/exchange';
import { JitterBufferPace, RAISE_EVERY_MS, RAISE_MS, TARGET_MAX_MS } from '../src/lockstep/jitter-buffer';
import { Margin, RESERVE_MS } from '../src/lockstep/margin';
import { PlaybackPace, RATE_SPREAD, SEEK_MS } from '../src/lockstep/playback-rate';
import { webRtcActuator } from '../src/lockstep/webrtc';
import type { WebRtcPlayer } from '../src/webrtc/watch';

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

test('what a connection began with counts until the first exchange, however short it looks', () => {
  const clock = new ExchangeClock();
  // A proxy nearby answered TCP: the way looks half as long as it is, and the clock is 50 ms off.
  clock.guess({ t0: -100_000, t1: -100_000, t2: -100_000, t3: 0 });
  expect(clock.now(0)).toBe(-50_000);
  clock.observe({ t0: 0, t1: 100_000, t2: 100_000, t3: 200_000 });
  expect([clock.now(200_000), clock.errorAt(200_000)]).toEqual([200_000, 100_000]);
  clock.guess({ t0: 190_000, t1: 0, t2: 0, t3: 200_000 });
  expect(clock.now(200_000)).toBe(200_000);
  clock.clear();
  expect(clock.isKnown).toBe(false);
});

const LOOK_MS = 250;
/** What the browser counts less than it is asked for (drawing). */
const DRAWING_MS = 10;

/**
 * A WebRTC viewer as Chromium was seen to play: its buffer holds what is asked for or its floor, whichever is more, and is there within half a
 * second. The floor (jitter, and picture waiting for sound) may wander. `awayMs`: everything but the buffer.
 */
class Watching {
  readonly pace = new JitterBufferPace();
  readonly raises: { at: number; by: number }[] = [];
  changes = 0;
  earliestMs = Infinity;
  #awayMs: number;
  #floor: (nowMs: number) => number;
  #held: number;
  #aims: number[] = [];

  constructor(awayMs: number, floor: (nowMs: number) => number) {
    this.#awayMs = awayMs;
    this.#floor = floor;
    this.#held = floor(0);
  }

  get actualMs(): number {
    return this.#awayMs + this.#held;
  }

  look(nowMs: number, wantedMs: number | null): void {
    const aim = Math.max(this.pace.targetMs, this.#floor(nowMs) + DRAWING_MS);
    this.#held += Math.min(Math.max(aim - DRAWING_MS - this.#held, -200), 200);
    this.#aims.push(aim - DRAWING_MS);
    if (nowMs % 1000 === 0) {
      this.pace.observe(nowMs - 1000, this.#aims.reduce((sum, one) => sum + one, 0) / this.#aims.length);
      this.#aims = [];
      if (this.pace.isSettled(nowMs)) this.earliestMs = this.actualMs - this.pace.slackMs;
    }
    if (wantedMs === null) return;
    const before = this.pace.targetMs;
    const next = this.pace.step(nowMs, this.actualMs, wantedMs);
    if (next === null) return;
    this.changes += 1;
    if (next > before) this.raises.push({ at: nowMs, by: next - before });
  }
}

function watch(viewer: Watching, wantedMs: (nowMs: number) => number, forMs: number): Watching {
  for (let now = 0; now < forMs; now += LOOK_MS) viewer.look(now, now < 2000 ? null : wantedMs(now));
  return viewer;
}

test('WebRTC: latency is raised by 100 ms in 0.7 s at most, arrives, and stays', () => {
  for (const floor of [0, 40, 150]) {
    const viewer = watch(new Watching(80, () => floor), () => 600, 20_000);
    expect(Math.abs(viewer.actualMs - 600)).toBeLessThanOrEqual(20);
    expect(viewer.pace.targetMs).toBeLessThanOrEqual(TARGET_MAX_MS);
    // The first step of all may reach the floor, which moves nothing.
    expect(viewer.raises.every(({ by }, n) => by <= RAISE_MS + (n === 0 ? floor : 0))).toBe(true);
    viewer.raises.reduce((last, { at }) => (expect(at - last).toBeGreaterThanOrEqual(RAISE_EVERY_MS), at), -Infinity);
    expect(watch(new Watching(80, () => floor), () => 600, 60_000).changes).toBeLessThan(12);
  }
});

test('WebRTC: what the browser holds by itself is not counted as slack, and not asked away again and again', () => {
  const floor = (now: number) => (now < 30_000 ? 150 : 60);
  const viewer = new Watching(100, floor);
  for (let now = 0; now < 30_000; now += LOOK_MS) viewer.look(now, now < 2000 ? null : 150);
  expect(Math.round(viewer.earliestMs)).toBe(250);
  expect(viewer.changes).toBe(0);
  for (let now = 30_000; now < 60_000; now += LOOK_MS) viewer.look(now, 300);
  expect(Math.abs(viewer.actualMs - 300)).toBeLessThanOrEqual(20);
  expect(viewer.earliestMs).toBeLessThanOrEqual(260);
  expect(viewer.earliestMs).toBeGreaterThanOrEqual(150);
});

/** Nobody is asked for more; who needs more does not count. */
const LATENCY_MAX_MS = 4000;

/** The room's side of it (crates/room/src/lockstep.rs): the latency of the slowest and 20 ms; up at once, down after ten seconds. */
class Room {
  told: number | null = null;
  changes = 0;
  #lower: { since: number; most: number } | null = null;

  turn(nowMs: number, viewers: readonly { readonly earliestMs: number }[]): void {
    const within = viewers.map(({ earliestMs }) => earliestMs).filter((ms) => ms <= LATENCY_MAX_MS);
    const needed = within.length > 0 ? Math.min(Math.max(...within) + 20, LATENCY_MAX_MS) : (this.told ?? LATENCY_MAX_MS);
    const { told } = this;
    if (told === null || needed - told >= 30) return this.#tell(needed);
    if (told - needed < 100) return void (this.#lower = null);
    this.#lower = { since: this.#lower?.since ?? nowMs, most: Math.max(this.#lower?.most ?? 0, needed) };
    if (nowMs - this.#lower.since >= 10_000) this.#tell(this.#lower.most);
  }

  #tell(target: number): void {
    [this.told, this.#lower] = [target, null];
    this.changes += 1;
  }
}

test('WebRTC: four viewers of different distance, with wandering floors, come within 60 ms of each other and stay', () => {
  const next = random(11);
  // Picture waits for sound: much after the start, less and less; and the browser's guess of when a frame arrived is off at first.
  const settling = (ms: number, most: number) => (now: number) => ms + most * Math.exp(-now / 6000);
  const viewers = [0, 40, 100, 200].map((away) => new Watching(away, settling(20 + next() * 120, next() * 150)));
  const room = new Room();
  for (let now = 0; now < 90_000; now += LOOK_MS) {
    for (const viewer of viewers) viewer.look(now, room.told);
    if (now >= 3000 && now % 1000 === 0) room.turn(now, viewers);
    if (now < 30_000) continue;
    const actual = viewers.map(({ actualMs }) => actualMs);
    expect(Math.max(...actual) - Math.min(...actual)).toBeLessThanOrEqual(60);
  }
  expect(room.changes).toBeLessThan(6);
  // Nobody is asked for much more than the slowest needs.
  expect(room.told! - Math.max(...viewers.map(({ earliestMs }) => earliestMs))).toBeLessThanOrEqual(120);
});

/** An LL-HLS viewer: parts of 500 ms that come `awayMs` after their time; while it stands still nothing is shown and nothing is loaded. */
class Parted {
  readonly pace = new PlaybackPace();
  readonly margin = new Margin();
  seeks = 0;
  #recommendedMs: number;
  #awayMs: number;
  #standsStill: (nowMs: number) => boolean;
  #restedUntil = 0;

  constructor(
    public actualMs: number,
    awayMs: number,
    standsStill: (nowMs: number) => boolean = () => false,
  ) {
    [this.#awayMs, this.#recommendedMs, this.#standsStill] = [awayMs, awayMs + 1500, standsStill];
  }

  get earliestMs(): number {
    return Math.max(this.#recommendedMs, this.margin.earliestMs ?? 0);
  }

  look(nowMs: number, wantedMs: number | null): void {
    if (this.#standsStill(nowMs)) {
      // The frames that count are those from before; what was loaded has been played.
      if (!this.#standsStill(nowMs - LOOK_MS)) this.margin.observe(nowMs, this.actualMs, 0);
      this.actualMs += LOOK_MS;
      this.#restedUntil = nowMs + 500;
      return;
    }
    const lateMs = nowMs < this.#restedUntil ? this.actualMs : this.#awayMs + (nowMs % 500);
    this.margin.observe(nowMs, this.actualMs, Math.max(this.actualMs - lateMs, 0));
    if (wantedMs === null) return;
    const next = this.pace.step(nowMs, this.actualMs, wantedMs);
    if ('rate' in next) this.actualMs -= (next.rate - 1) * LOOK_MS;
    else {
      this.seeks += 1;
      this.actualMs = Math.max(this.actualMs - next.seekMs, this.#recommendedMs);
    }
  }
}

/** Two WebRTC and two LL-HLS viewers for two minutes; the spread at each look. */
function mixed(standsStill: (viewer: number, nowMs: number) => boolean) {
  const watching = [0, 200].map((away) => new Watching(away, () => 60));
  const parted = [40, 100].map((away, n) => new Parted(3_500 - 900 * n, away, (now) => standsStill(n, now)));
  const viewers = [...watching, ...parted];
  const room = new Room();
  const targets: number[] = [];
  const spreads: { readonly at: number; readonly ms: number }[] = [];
  for (let now = 0; now < 120_000; now += LOOK_MS) {
    for (const viewer of viewers) viewer.look(now, room.told);
    if (now >= 3000 && now % 1000 === 0) room.turn(now, viewers);
    if (room.told !== null) targets.push(room.told);
    const actual = viewers.map(({ actualMs }) => actualMs);
    spreads.push({ at: now, ms: Math.max(...actual) - Math.min(...actual) });
  }
  return { room, parted, targets, spreads };
}

test('WebRTC and LL-HLS together: within 100 ms of each other after half a minute, and the target stays', () => {
  const { room, spreads, targets } = mixed(() => false);
  expect(Math.max(...spreads.filter(({ at }) => at > 30_000).map(({ ms }) => ms))).toBeLessThanOrEqual(100);
  expect(room.changes).toBeLessThan(4);
  expect(Math.max(...targets)).toBeLessThanOrEqual(1_700);
});

test('LL-HLS: a player that stands still for seconds comes back to the others, and does not take them along', () => {
  for (const stall of [750, 2_000, 5_000, 14_000]) {
    const { room, spreads, targets, parted } = mixed((viewer, now) => viewer === 0 && now >= 60_000 && now < 60_000 + stall);
    expect(Math.max(...targets)).toBeLessThanOrEqual(2_200);
    expect(room.changes).toBeLessThan(6);
    expect(Math.max(...spreads.filter(({ at }) => at > 60_000 + stall + 20_000).map(({ ms }) => ms))).toBeLessThanOrEqual(250);
    expect(parted[0]!.seeks).toBeLessThan(4);
  }
});

test('LL-HLS: stalls of all players at once, again and again, do not let the target run away', () => {
  const { spreads, targets, room } = mixed((_, now) => now >= 30_000 && now < 70_000 && now % 10_000 < 3_000);
  expect(Math.max(...targets)).toBeLessThanOrEqual(2_500);
  expect(room.changes).toBeLessThan(8);
  expect(Math.max(...spreads.filter(({ at }) => at > 95_000).map(({ ms }) => ms))).toBeLessThanOrEqual(250);
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

/** An HLS viewer: a rate of 1.05 gains 50 ms a second. */
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

test('HLS: as near as what was loaded last is late, with a reserve; being slowed down on purpose changes nothing', () => {
  const margin = new Margin();
  expect(margin.earliestMs).toBeNull();
  // Parts come in 1200 to 1700 ms after their time; the viewer is slowed from 2000 to 3000 ms behind, and its buffer grows by as much.
  let now = 0;
  for (; now < 30_000; now += 250) {
    const actual = 2000 + now / 30;
    const late = 1200 + (now % 500);
    margin.observe(now, actual, actual - late);
    if (now > 1000) expect(margin.earliestMs).toBe(1450 + RESERVE_MS);
  }
  // A player that stood still for a moment says nothing of its network ...
  for (let looks = 0; looks < 4; looks += 1) margin.observe((now += 250), 3000, 200);
  expect(margin.earliestMs).toBe(1450 + RESERVE_MS);
  // ... one that is late for longer does.
  for (let looks = 0; looks < 4; looks += 1) margin.observe((now += 250), 3000, 200);
  expect(margin.earliestMs).toBe(2800 + RESERVE_MS);
  for (const until = now + 10_500; now < until; now += 250) margin.observe(now, 3000, 1800);
  expect(margin.earliestMs).toBe(1200 + RESERVE_MS);
});

test('WebRTC: lockstep begins at what the viewer holds back, and gives it back', async () => {
  const player = { holdBackMs: 250 as number | null, peerConnection: null };
  const actuator = webRtcActuator(player as unknown as WebRtcPlayer);
  expect(await actuator.range(0, 400), 'what is held by choice could be given up').toMatchObject({ earliestMs: 150 });
  expect([actuator.step(1000, 400, 450), player.holdBackMs]).toEqual([true, 300]);
  actuator.release();
  expect(player.holdBackMs).toBe(250);
  actuator.step(3000, 400, 450);
  player.holdBackMs = 1000;
  actuator.release();
  expect(player.holdBackMs, 'turned meanwhile').toBe(1000);
  player.holdBackMs = null;
  actuator.step(9000, 100, 150);
  expect(player.holdBackMs).toBe(50);
  actuator.release();
  expect(player.holdBackMs).toBeNull();
});
