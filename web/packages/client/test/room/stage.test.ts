import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { parseEvent, type RoomEvent } from '../../src/events';
import { Stage, type Told } from '../../src/room/stage';
import { FakePlayer } from './fake-player';
import { event } from './fake-server';

let told: Told[];
let stage: Stage;
let player: FakePlayer;

const at = (seq: number, t: number, more = {}): RoomEvent => parseEvent(event(seq, 'chat', null, { id: `event-${seq}`, at: t, ...more }))!;
const seqs = () => told.map((one) => one.event.seq);

beforeEach(() => {
  vi.useFakeTimers();
  told = [];
  stage = new Stage({ onTold: (one) => told.push(one), onFrame: () => undefined });
  player = new FakePlayer();
});
afterEach(() => void vi.useRealTimers());

test('without a player events are told at once, and say so', () => {
  stage.push(at(1, 5_000), 'feed');
  expect(told).toMatchObject([{ bound: false, t: 5_000, isLate: false, shown: true }]);
});

test('with a player they wait for their frame, in (at, seq) order, whatever wire brought them', () => {
  stage.attach(player);
  player.show(1_000);
  stage.push(at(3, 2_000), 'feed');
  player.bring(event(2, 'goal', null, { id: 'event-2', at: 1_500 }), 'datachannel');
  player.bring(event(3, 'chat', null, { id: 'event-3', at: 2_000 }), 'emsg');
  stage.push(at(2, 1_500), 'feed');
  expect(told).toEqual([]);
  player.show(2_000);
  expect(told.map(({ event: { seq }, bound, t, frameLatenessUs }) => [seq, bound, t, frameLatenessUs])).toEqual([
    [2, true, 2_000, 500],
    [3, true, 2_000, 0],
  ]);
});

test('while nobody publishes the room goes on without the picture, and with it again', () => {
  stage.attach(player);
  player.show(1_000);
  stage.push(at(1, 9_000), 'feed');
  player.move('waiting');
  stage.push(at(2, 9_000), 'feed');
  expect(seqs()).toEqual([1, 2]);
  player.show(20_000);
  stage.push(at(3, 21_000), 'feed');
  expect(seqs()).toEqual([1, 2]);
  player.show(21_000);
  expect(told.map(({ bound }) => bound)).toEqual([false, false, true]);
});

test('a player that shows nothing is not waited for without end', () => {
  stage.attach(player);
  stage.push(at(1, 9_000), 'feed');
  vi.advanceTimersByTime(9_999);
  expect(told).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(seqs()).toEqual([1]);
});

test('a picture that stands still is waited for as long, and leads again when it moves', () => {
  stage.attach(player);
  player.show(1_000);
  player.move('stalled');
  stage.push(at(1, 9_000), 'feed');
  vi.advanceTimersByTime(9_999);
  expect(told).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(seqs()).toEqual([1]);
  player.show(20_000);
  stage.push(at(2, 21_000), 'feed');
  vi.advanceTimersByTime(60_000);
  expect(seqs()).toEqual([1]);
});

test('another player takes over without telling anything twice', () => {
  stage.attach(player);
  player.show(1_000);
  stage.push(at(1, 1_500), 'feed');
  player.show(1_500);
  const next = new FakePlayer();
  stage.attach(next);
  next.bring(event(1, 'chat', null, { id: 'event-1', at: 1_500 }), 'emsg');
  next.show(1_600);
  player.show(9_000);
  expect(seqs()).toEqual([1]);
});

test('timed things run on their frame, and at once without one', () => {
  const ran: string[] = [];
  stage.at(5_000, () => ran.push('free'));
  stage.attach(player);
  player.show(1_000);
  stage.at(3_000, () => ran.push('later'));
  stage.at(2_000, () => ran.push('soon'));
  stage.at(1_000, () => ran.push('now'));
  expect(ran).toEqual(['free', 'now']);
  player.show(3_000);
  expect(ran).toEqual(['free', 'now', 'soon', 'later']);
});

test('what builds a frame comes before its events, what answers them after', () => {
  const order: (string | number)[] = [];
  const listening = new Stage({ onTold: (one) => order.push(one.event.seq), onFrame: () => undefined });
  listening.attach(player);
  player.show(1_000);
  listening.at(2_000, () => order.push('reaction'), 'after');
  listening.at(2_000, () => order.push('window'), 'before');
  listening.push(at(1, 2_000), 'feed');
  listening.at(3_000, () => order.push('later'), 'after');
  expect(order).toEqual([]);
  player.show(2_500);
  expect(order).toEqual(['window', 1, 'reaction']);
  listening.at(2_500, () => order.push('passed'), 'after');
  listening.detach();
  expect(order).toEqual(['window', 1, 'reaction', 'passed', 'later']);
});

test('more than can wait for a picture that stands still is told without it, and nothing is lost', () => {
  stage.attach(player);
  player.show(1_000);
  for (let seq = 1; seq <= 512; seq += 1) stage.push(at(seq, 1_000 + seq), 'feed');
  expect(told).toEqual([]);
  vi.advanceTimersByTime(1_500);
  for (let seq = 513; seq <= 520; seq += 1) stage.push(at(seq, 1_000 + seq), 'feed');
  expect(seqs()).toEqual(Array.from({ length: 520 }, (_, index) => index + 1));
  expect(stage.counts.dropped).toBe(0);
  player.show(1_040);
  stage.push(at(521, 2_000), 'feed');
  expect(seqs().length, 'the picture leads again').toBe(520);
});

test('while the picture moves, what is far ahead is not told before its time', () => {
  stage.attach(player);
  player.show(1_000);
  for (let seq = 1; seq <= 520; seq += 1) stage.push(at(seq, 9_000_000 + seq), 'feed');
  expect(told).toEqual([]);
});
