import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Publisher, publishWhip } from '../src/publish/whip';
import { SilentPeer, stubBrowser } from './browser';

/** Connects as soon as it has an answer. */
class Peer extends SilentPeer {
  static all: Peer[] = [];
  senders: { track: { kind: string }; replaced: unknown[]; replaceTrack(track: unknown): Promise<void> }[] = [];
  getSenders = () => this.senders;
  getStats = async () => new Map();
  setRemoteDescription = async () => this.turn('connected');

  constructor() {
    super();
    Peer.all.push(this);
  }

  override addTransceiver = ((track: { kind: string }) => {
    const replaced: unknown[] = [];
    this.senders.push({ track, replaced, replaceTrack: async (next) => void replaced.push(next) });
    return { receiver: {} };
  }) as () => { receiver: object };

  turn(state: string): void {
    this.connectionState = state;
    this.dispatchEvent(new Event('connectionstatechange'));
  }
}

const stream = (...kinds: string[]) => ({ getTracks: () => kinds.map((kind) => ({ kind })) }) as unknown as MediaStream;
const kinds = (peer: Peer | undefined) => peer?.senders.map(({ track }) => track.kind);

let publisher: Publisher;
let asked: string[];
let states: string[];

beforeEach(() => {
  vi.useFakeTimers();
  Peer.all = [];
  let sessions = 0;
  asked = stubBrowser((_, method) => new Response(method === 'POST' ? 'v=0\r\n' : null, { status: method === 'POST' ? 201 : 204, headers: { location: `/live/x/whip/${(sessions += 1)}` } }));
  vi.stubGlobal('RTCPeerConnection', Peer);
  vi.stubGlobal('RTCRtpSender', class {});
  vi.stubGlobal('addEventListener', () => undefined);
  vi.stubGlobal('removeEventListener', () => undefined);
  publisher = publishWhip({ url: 'https://a/live/x/whip', stream: stream('video') });
  states = [];
  publisher.on('state', ({ state }) => states.push(state));
});
afterEach(() => {
  publisher.close();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test('the same kinds go on in the session; other kinds begin another one at once', async () => {
  await vi.advanceTimersByTimeAsync(10);
  await publisher.replace(stream('video'));
  await vi.advanceTimersByTimeAsync(10);
  expect([Peer.all.length, Peer.all[0]!.senders[0]!.replaced.length, publisher.state]).toEqual([1, 1, 'live']);
  for (const wanted of [['audio', 'video'], ['video']]) {
    const before = Peer.all.length;
    await publisher.replace(stream(...wanted));
    await vi.advanceTimersByTimeAsync(10);
    expect([Peer.all.length, kinds(Peer.all.at(-1)), publisher.state]).toEqual([before + 1, wanted, 'live']);
  }
  expect(states).toEqual(['live', 'reconnecting', 'live', 'reconnecting', 'live']);
  expect(asked.filter((request) => request.startsWith('DELETE')), 'the ones before are over').toEqual(['DELETE https://a/live/x/whip/1', 'DELETE https://a/live/x/whip/3']);
});

test('who was live comes back soon, however often it was lost', async () => {
  for (let loss = 1; loss <= 6; loss += 1) {
    await vi.advanceTimersByTimeAsync(10);
    expect([Peer.all.length, publisher.state]).toEqual([loss, 'live']);
    Peer.all.at(-1)!.turn('closed');
    await vi.advanceTimersByTimeAsync(700);
  }
});
