import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { watchWebRtc, type WebRtcPlayer } from '../src/index';
import { SilentPeer, stubBrowser, video } from './browser';

const [A, B] = ['https://a', 'https://b'];

/** A session with 25 pictures a second, as far as the player looks at it. The test says what T they have and when they come. */
class LivePeer extends SilentPeer {
  static all: LivePeer[] = [];
  channel: { onmessage?: (event: { data: string }) => void } = {};
  isMoving = false;
  isClosed = false;
  #rtp: number | null = null;
  override createDataChannel = () => this.channel;
  override getReceivers = () => [{ track: { kind: 'video' }, getSynchronizationSources: () => this.#sources() }] as never[];

  constructor() {
    super();
    LivePeer.all.push(this);
  }

  async setRemoteDescription(): Promise<void> {
    this.connectionState = 'connected';
    this.dispatchEvent(new Event('connectionstatechange'));
  }

  getStats = async () => new Map();

  override close(): void {
    this.isClosed = true;
    this.isMoving = false;
  }

  say(message: object): void {
    this.channel.onmessage?.({ data: JSON.stringify(message) });
  }

  /** Pictures come from now on, `behindMs` behind the present. */
  begin(behindMs: number): void {
    this.say({ type: 'mapping', kind: 'video', ssrc: 1, rtp0: 0, t0: 1_000_000_000 - behindMs * 1000, rate: 90_000, epoch: 1 });
    this.isMoving = true;
  }

  #sources(): { rtpTimestamp: number }[] {
    if (this.isMoving) this.#rtp = Math.floor((performance.now() - start) / 40) * 40 * 90;
    return this.#rtp === null ? [] : [{ rtpTimestamp: this.#rtp }];
  }
}

let start: number;
let player: WebRtcPlayer;
let shown: number[];

beforeEach(async () => {
  vi.useFakeTimers();
  start = performance.now();
  shown = [];
  LivePeer.all = [];
  stubBrowser(({ pathname }) => {
    if (pathname === '/healthz') throw new TypeError('refused');
    return new Response('v=0', { status: 201 });
  });
  vi.stubGlobal('RTCPeerConnection', LivePeer);
  player = watchWebRtc({ video: Object.assign(video(), { play: async () => {} }), url: `${A}/live/x/whep`, endpoints: [A, B] });
  player.on('frame', ({ t }) => shown.push(t));
  await vi.advanceTimersByTimeAsync(100);
  LivePeer.all[0]!.begin(0);
  await vi.advanceTimersByTimeAsync(2000);
});
afterEach(async () => {
  await player.close();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const [one, two] = [() => LivePeer.all[0]!, () => LivePeer.all[1]!];

test('a node that dies is left for the next one', async () => {
  one().isMoving = false;
  await vi.advanceTimersByTimeAsync(700);
  two().begin(0);
  await vi.advanceTimersByTimeAsync(300);
  expect([player.endpoint, one().isClosed, LivePeer.all.length]).toEqual([B, true, 2]);
});

test('a node that goes on while the next one is tried is not left', async () => {
  one().isMoving = false;
  await vi.advanceTimersByTimeAsync(700);
  one().isMoving = true;
  await vi.advanceTimersByTimeAsync(1000);
  two().begin(0);
  await vi.advanceTimersByTimeAsync(1000);
  expect([player.endpoint, two().isClosed, one().isClosed]).toEqual([A, true, false]);
});

test('T does not go back where the next node is farther away', async () => {
  one().say({ type: 'move', within_ms: 0, endpoints: [B] });
  await vi.advanceTimersByTimeAsync(200);
  two().begin(700);
  await vi.advanceTimersByTimeAsync(6000);
  expect(player.endpoint).toBe(B);
  expect(shown.filter((t, i) => i > 0 && t <= shown[i - 1]!)).toEqual([]);
  expect(shown.at(-1)).toBe(1_000_000_000 + (Math.floor((performance.now() - start) / 40) * 40 - 700) * 1000);
});
