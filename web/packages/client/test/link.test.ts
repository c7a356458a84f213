import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { UnisonoError } from '../src/index';
import { watchLink, type Lost } from '../src/webrtc/link';

/** A connection over which `packets` came so far. */
class Peer extends EventTarget {
  connectionState: RTCPeerConnectionState = 'new';
  packets = 0;
  getStats = async () => new Map([['T', { type: 'transport', packetsReceived: this.packets }]]);

  turn(state: RTCPeerConnectionState): void {
    this.connectionState = state;
    this.dispatchEvent(new Event('connectionstatechange'));
  }
}

const over = new AbortController();
let peer: Peer;
let searches: { readonly done: () => void; readonly failed: (error: unknown) => void }[];
let lost: Lost | null;

beforeEach(() => {
  vi.useFakeTimers();
  peer = new Peer();
  searches = [];
  lost = null;
  const repair = () => new Promise<void>((done, failed) => searches.push({ done, failed }));
  void watchLink(peer as unknown as RTCPeerConnection, over.signal, repair).lost.then((why) => (lost = why));
  peer.turn('connected');
});
afterEach(() => vi.useRealTimers());

/** Packets come for `ms`, or do not. */
async function pass(ms: number, isSilent: boolean): Promise<void> {
  for (let passed = 0; passed < ms; passed += 100) {
    if (!isSilent) peer.packets += 5;
    await vi.advanceTimersByTimeAsync(100);
  }
}

test('whoever finds the link down while another path is looked for waits for that search', async () => {
  await pass(2000, false);
  await pass(3000, true);
  expect(searches.length, 'silence').toBe(1);
  // The browser noticed too, and its half second is over before the answer comes.
  peer.turn('disconnected');
  await pass(1000, true);
  expect(searches.length, 'one search').toBe(1);
  searches[0]!.done();
  peer.turn('connected');
  await pass(10_000, false);
  expect(lost).toBeNull();
});

test('a search that could not reach the server is tried again by whoever waited for it', async () => {
  await pass(3000, true);
  peer.turn('disconnected');
  await pass(1000, true);
  searches[0]!.failed(new UnisonoError('network', 'The server could not be reached'));
  await pass(1100, true);
  expect(searches.length).toBe(2);
  searches[1]!.done();
  peer.turn('connected');
  await pass(10_000, false);
  expect(lost).toBeNull();
});

test('a server that refuses ends it', async () => {
  peer.turn('failed');
  searches[0]!.failed(new UnisonoError('refused', 'No such session'));
  await pass(100, false);
  expect(lost).toBe('lost');
});
