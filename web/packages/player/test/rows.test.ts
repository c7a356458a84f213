import type { Figures, Stats } from '@unisono/client';
import { expect, test } from 'vitest';
import { rows } from '../src/rows';

const stats: Stats = {
  protocol: 'webrtc', state: 'playing', latencyMs: 0.2, latencyErrorMs: 1, t: 1, epoch: 1, isExact: true, framesPerSecond: 30, frames: 90,
  stalls: 0, width: 1280, height: 720, events: { applied: 0, late: 0, dropped: 0, waiting: 0 },
};
const figures: Figures = {
  videoCodec: 'H264', audioCodec: 'opus', bitsPerSecond: 1_500_000, bufferMs: 42.4, jitterMs: 3.21, loss: 0.004, roundTripMs: 0.4, droppedFrames: 0,
};

test('every figure has a line', () => {
  expect(Object.fromEntries(rows(stats, figures))).toEqual({
    Protocol: 'WebRTC (WHEP)', Latency: '0.2 ms', Picture: '1280×720', 'Frame rate': '30 fps', Codecs: 'H264, opus', Bitrate: '1.50 Mbit/s',
    'Jitter buffer': '42 ms', Jitter: '3.2 ms', Loss: '0.4 %', 'Round trip': '0.4 ms', 'Dropped frames': '0', Stalls: '0',
  });
});

test('what is not known has none', () => {
  const silent: Figures = { videoCodec: null, audioCodec: null, bitsPerSecond: null, bufferMs: null, jitterMs: null, loss: null, roundTripMs: null, droppedFrames: null };
  const names = rows({ ...stats, protocol: 'hls', latencyMs: null, width: 0 }, silent).map(([name]) => name);
  expect(names).toEqual(['Protocol', 'Stalls']);
});
