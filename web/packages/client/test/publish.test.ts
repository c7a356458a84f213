import { expect, test } from 'vitest';
import { levelOf } from '../src/level';
import { codecFirst } from '../src/webrtc/sdp';

test('a meter is in decibels: silence 0, full scale 1, half of it 6 dB less', () => {
  expect(levelOf(new Float32Array(64))).toBe(0);
  expect(levelOf(new Float32Array(64).fill(1))).toBe(1);
  expect(levelOf(new Float32Array(64).fill(0.5))).toBeCloseTo(0.9, 2);
  expect(levelOf(new Float32Array(0))).toBe(0);
  expect(levelOf(new Float32Array([NaN]))).toBe(0);
});

test('the chosen codec comes first, the others stay to fall back to', () => {
  const codecs = ['video/H264', 'video/rtx', 'video/VP9', 'video/VP8'].map((mimeType) => ({ mimeType }));
  expect(codecFirst(codecs, 'vp9').map(({ mimeType }) => mimeType)).toEqual(['video/VP9', 'video/H264', 'video/rtx', 'video/VP8']);
  expect(codecFirst(codecs, 'H266')).toEqual(codecs);
});
