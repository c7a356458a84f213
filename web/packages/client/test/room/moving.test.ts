import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Connection, type SocketLike } from '../../src/room/connection';
import { Doors } from '../../src/room/doors';

const [A, B, C] = ['https://a', 'https://b', 'https://c'];

class FakeSocket implements SocketLike {
  static all: FakeSocket[] = [];
  readyState = 1;
  onmessage: SocketLike['onmessage'] = null;
  onclose: SocketLike['onclose'] = null;
  onerror: SocketLike['onerror'] = null;

  constructor(readonly url: string) {
    FakeSocket.all.push(this);
  }

  send(): void {}
  close(): void {}

  say(message: object): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  hello(): void {
    this.say({ type: 'hello', room: 'live:x', seq: 1, t: 1, person: null, role: null, session: 1 });
  }
}

let doors: Doors;
let connection: Connection;
let lost: string[];
const newest = () => FakeSocket.all.at(-1)!;

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, 'random').mockReturnValue(0.5);
  vi.stubGlobal('fetch', async () => Promise.reject(new TypeError('gone')));
  FakeSocket.all = [];
  lost = [];
  doors = new Doors({ endpoints: [A, B, C] }, 'live:x');
  const listener = { query: () => ({}), onHello: () => 'welcome' as const, onMessage: () => {}, onLost: (words: string) => lost.push(words), onRefused: () => {} };
  connection = new Connection({ doors, token: undefined, Socket: FakeSocket }, listener);
  void connection.run();
});
afterEach(() => {
  connection.close();
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

/** The server of the moment drops us, and nobody answers there. */
async function dies(): Promise<void> {
  newest().onclose?.({});
  await vi.advanceTimersByTimeAsync(1000);
  newest().onclose?.({});
  await vi.advanceTimersByTimeAsync(1000);
}

test('who was asked to leave a node that dies first stays at the next one', async () => {
  await vi.advanceTimersByTimeAsync(10);
  newest().hello();
  newest().say({ type: 'move', within_ms: 20_000, endpoints: [] });
  await dies();
  expect(doors.origin).toBe(B);
  newest().hello();
  await vi.advanceTimersByTimeAsync(30_000);
  expect([doors.origin, lost.includes('Going on at another server')]).toEqual([B, false]);
});

test('a move between two connections is not told of the next one, which is lost by itself', async () => {
  await vi.advanceTimersByTimeAsync(10);
  newest().hello();
  newest().say({ type: 'move', within_ms: 400, endpoints: [] });
  // The wait before the next connection is 250 ms and more: the move falls into it.
  newest().onclose?.({});
  await vi.advanceTimersByTimeAsync(3000);
  expect(doors.origin).toBe(B);
  newest().hello();
  newest().onclose?.({});
  await vi.advanceTimersByTimeAsync(10);
  expect(lost.at(-1)).toBe('The connection was lost; coming back');
});
