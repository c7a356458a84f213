import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { UnisonoError } from '../src/index';
import { watchLink, type Lost } from '../src/webrtc/link';
import { restartIce } from '../src/webrtc/restart';

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

const unreachable = new UnisonoError('network', 'The server could not be reached');

let over: AbortController;
let peer: Peer;
let searches: { readonly attempt: number; readonly done: () => void; readonly failed: (error: unknown) => void }[];
let lost: Lost | null;

beforeEach(() => {
  vi.useFakeTimers();
  over = new AbortController();
  peer = new Peer();
  searches = [];
  lost = null;
  const repair = (attempt: number) => new Promise<void>((done, failed) => searches.push({ attempt, done, failed }));
  void watchLink(peer as unknown as RTCPeerConnection, over.signal, repair).lost.then((why) => (lost = why));
  peer.turn('connected');
});
afterEach(() => {
  over.abort();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

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
  searches[0]!.failed(unreachable);
  await pass(1100, true);
  expect(searches.length).toBe(2);
  searches[1]!.done();
  peer.turn('connected');
  await pass(10_000, false);
  expect(lost).toBeNull();
});

test('a search goes on to its answer although the link comes back: the server must hear of the new credentials', async () => {
  await pass(3000, true);
  searches[0]!.failed(unreachable);
  peer.turn('disconnected');
  await pass(400, true);
  peer.turn('connected');
  await pass(1000, false);
  expect(searches.map(({ attempt }) => attempt)).toEqual([0, 1]);
  searches[1]!.done();
  await pass(10_000, false);
  expect([searches.length, lost]).toEqual([2, null]);
});

test('a second try goes by the other kind of connection, and with the same credentials', async () => {
  const sent: [string | undefined, unknown][] = [];
  vi.stubGlobal('fetch', async (_: string, { credentials, body }: RequestInit) => {
    sent.push([credentials, body]);
    if (sent.length === 1) throw new TypeError('Failed to fetch');
    // The answer begins and does not end.
    return Object.assign(new Response('', { status: 200 }), { text: () => Promise.reject(new TypeError('network error')) });
  });
  let offers = 0;
  const pc = {
    signalingState: 'stable',
    localDescription: null as RTCSessionDescriptionInit | null,
    createOffer: async () => ({ type: 'offer', sdp: `a=ice-ufrag:u${(offers += 1)}\r\na=ice-pwd:p\r\n` }),
    setLocalDescription: async (description: RTCSessionDescriptionInit) => void Object.assign(pc, { localDescription: description, signalingState: 'have-local-offer' }),
  };
  for (const attempt of [0, 1, 2]) {
    await expect(restartIce(pc as unknown as RTCPeerConnection, 'https://a/session', attempt, { signal: over.signal })).rejects.toThrow('could not be reached');
  }
  const body = 'a=ice-ufrag:u1\r\na=ice-pwd:p\r\n';
  expect(sent).toEqual([['omit', body], ['same-origin', body], ['omit', body]]);
});

test('a server that refuses ends it', async () => {
  peer.turn('failed');
  searches[0]!.failed(new UnisonoError('refused', 'No such session'));
  await pass(100, false);
  expect(lost).toBe('lost');
});
