import { afterEach, describe, expect, test, vi } from 'vitest';
import { Player } from '../src/player';
import type { Displayed } from '../src/time/frames';
import { stubBrowser, video } from './browser';

/** A player whose browser displays what the test says; T is its media time. */
class Told extends Player {
  override readonly protocol = 'hls';
  override holdBackMs = null;
  epoch = 1;
  protected override timeOf = ({ mediaTime }: Displayed) => ({ t: mediaTime * 1e6, epoch: this.epoch });
  protected override estimate = () => null;
  override figures = () => Promise.reject(new Error('not asked'));
  override kinds = () => null;
  protected override teardown = () => undefined;
  protected override moveAway = () => Promise.resolve(false);
  again = () => this.restart();
}

function playing() {
  stubBrowser(() => new Response(null, { status: 404 }));
  let announce: VideoFrameRequestCallback = () => undefined;
  const element = Object.assign(video(), { requestVideoFrameCallback: (callback: VideoFrameRequestCallback) => ((announce = callback), 1), cancelVideoFrameCallback: () => undefined });
  const player = new Told({ video: element, url: 'http://a/live/x/whep' });
  const told: number[] = [];
  player.on('frame', ({ t }) => told.push(t));
  let presentedFrames = 0;
  const display = (...times: number[]) => {
    for (const mediaTime of times) announce(performance.now(), { mediaTime, presentedFrames: (presentedFrames += 1), expectedDisplayTime: 0 } as VideoFrameCallbackMetadata);
  };
  return { player, told, display };
}

describe('frames', () => {
  afterEach(() => vi.unstubAllGlobals());

  test('a picture that the browser displays twice is told once', async () => {
    const { player, told, display } = playing();
    display(1, 2, 2, 3);
    expect(told).toEqual([1e6, 2e6, 3e6]);
    expect(player.stats().frames).toBe(4);
    await player.close();
  });

  test('the same time is told again in another epoch, after a seek, and when playback begins anew', async () => {
    const { player, told, display } = playing();
    display(1);
    player.epoch = 2;
    display(1);
    display(2, 1);
    player.again();
    display(1);
    expect(told).toEqual([1e6, 1e6, 2e6, 1e6, 1e6]);
    await player.close();
  });
});
