import { expect, test } from 'vitest';
import { ReceiveMeter } from '../src/webrtc/figures';

const report = (at: number, video: object, audio: object = {}) =>
  new Map<string, unknown>([
    ['v', { id: 'v', type: 'inbound-rtp', kind: 'video', timestamp: at, codecId: 'c', jitter: 0.004, ...video }],
    ['a', { id: 'a', type: 'inbound-rtp', kind: 'audio', timestamp: at, ...audio }],
    ['c', { id: 'c', type: 'codec', timestamp: at, mimeType: 'video/H264' }],
    ['p', { id: 'p', type: 'candidate-pair', timestamp: at, nominated: true, currentRoundTripTime: 0.02 }],
  ]);

test('rates, loss and buffer are those since the last look', () => {
  const meter = new ReceiveMeter();
  meter.read(report(1000, { bytesReceived: 0, packetsReceived: 0, packetsLost: 0, jitterBufferDelay: 0, jitterBufferEmittedCount: 0 }, { bytesReceived: 0 }));
  const now = meter.read(
    report(2000, { bytesReceived: 100_000, packetsReceived: 95, packetsLost: 5, jitterBufferDelay: 1.5, jitterBufferEmittedCount: 30, framesDropped: 2 }, { bytesReceived: 25_000 }),
  );
  expect(now).toMatchObject({ videoCodec: 'H264', audioCodec: null, bitsPerSecond: 1_000_000, loss: 0.05, jitterMs: 4, roundTripMs: 20, droppedFrames: 2 });
  expect(now.bufferMs).toBeCloseTo(50);
});

test('a new session, whose counters begin again, is not a negative rate', () => {
  const meter = new ReceiveMeter();
  meter.read(report(1000, { bytesReceived: 50_000 }));
  expect(meter.read(report(2000, { bytesReceived: 10 })).bitsPerSecond).toBeNull();
  expect(new ReceiveMeter().read(new Map())).toMatchObject({ videoCodec: null, bitsPerSecond: null, loss: null });
});
