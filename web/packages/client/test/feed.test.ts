import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Endpoints } from '../src/net/endpoints';
import { EventFeed } from '../src/net/feed';
import { ServerClock } from '../src/time/clock';

const [A, B] = ['https://a', 'https://b'];

/** A connection to a machine that is gone: its end is never told. */
class DeadSocket {
  static all: DeadSocket[] = [];
  static readonly OPEN = 1;
  readyState = 1;
  sent: { type: string; t0: number }[] = [];
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: (() => void) | null = null;
  isClosed = false;

  constructor(readonly url: string) {
    DeadSocket.all.push(this);
  }

  send(message: string): void {
    this.sent.push(JSON.parse(message));
  }

  close(): void {
    this.isClosed = true;
  }

  say(message: object): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
}

let feed: EventFeed;
let endpoints: Endpoints;
let told: number[];
const sockets = DeadSocket.all;
const event = (seq: number) => ({ type: 'event', event: { room: 'live:x', epoch: 1, seq, id: `e${seq}`, lane: 'chat', type: 'chat', at: seq, late: 'show', data: {} } });

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('WebSocket', DeadSocket);
  sockets.length = 0;
  told = [];
  endpoints = new Endpoints({ home: A, given: [B] });
  feed = new EventFeed('wss://a/api/v1/rooms/live:x/events', new ServerClock(), { onEvent: ({ seq }) => told.push(seq) }, endpoints);
  sockets[0]!.say({ type: 'hello', seq: 8, t: 1 });
  sockets[0]!.say(event(9));
});
afterEach(() => {
  feed.close();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test('a move does not wait until the browser says that the old connection is closed', async () => {
  endpoints.moveTo(B, 'lost');
  await vi.advanceTimersByTimeAsync(2000);
  expect(sockets.map(({ url, isClosed }) => [url, isClosed])).toEqual([
    ['wss://a/api/v1/rooms/live:x/events', true],
    ['wss://b/api/v1/rooms/live:x/events?from_seq=10', false],
  ]);
  sockets[1]!.say({ type: 'hello', seq: 9, t: 1 });
  sockets[0]!.say(event(10));
  sockets[1]!.say(event(10));
  expect(told).toEqual([9, 10]);
});

test('a next node that is a moment behind is asked again from the same place; at the same node the room began anew', async () => {
  endpoints.moveTo(B, 'lost');
  await vi.advanceTimersByTimeAsync(2000);
  sockets[1]!.say({ type: 'hello', seq: 7, t: 1 });
  await vi.advanceTimersByTimeAsync(300);
  expect(sockets[2]!.url).toContain('?from_seq=10');
  sockets[2]!.say({ type: 'hello', seq: 9, t: 1 });
  sockets[2]!.onclose!();
  await vi.advanceTimersByTimeAsync(2000);
  sockets[3]!.say({ type: 'hello', seq: 2, t: 1 });
  await vi.advanceTimersByTimeAsync(2000);
  expect(sockets[4]!.url).not.toContain('from_seq');
});

test('who closes it is not kept waiting either', () => {
  feed.close();
  expect(sockets[0]!.isClosed).toBe(true);
  sockets[0]!.say(event(10));
  expect(told).toEqual([9]);
});

test('a line that died after the greeting is noticed; one that answers is kept, however quiet the room', async () => {
  await vi.advanceTimersByTimeAsync(15_000);
  expect(sockets[0]!.sent).toEqual([{ type: 'clock', t0: expect.any(Number) }]);
  expect(Number.isSafeInteger(sockets[0]!.sent[0]!.t0)).toBe(true);
  for (let minutes = 0; minutes < 4; minutes += 1) {
    sockets[0]!.say({ type: 'clock', t0: 1, t1: 2, t2: 2 });
    await vi.advanceTimersByTimeAsync(15_000);
  }
  expect([sockets.length, sockets[0]!.isClosed]).toEqual([1, false]);
  await vi.advanceTimersByTimeAsync(27_000);
  expect(sockets.map(({ url, isClosed }) => [url, isClosed])).toEqual([
    ['wss://a/api/v1/rooms/live:x/events', true],
    ['wss://a/api/v1/rooms/live:x/events?from_seq=10', false],
  ]);
});

test('nothing is asked on a line that is over', async () => {
  feed.close();
  await vi.advanceTimersByTimeAsync(60_000);
  expect([sockets.length, sockets[0]!.sent.length, vi.getTimerCount()]).toEqual([1, 0, 0]);
});
