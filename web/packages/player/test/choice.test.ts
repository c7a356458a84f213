import { expect, test } from 'vitest';
import { fallback, firstLine, parseMode } from '../src/choice';

test('WebRTC first, unless LL-HLS is asked for', () => {
  expect([firstLine('auto'), firstLine('webrtc'), firstLine('hls')]).toEqual(['webrtc', 'webrtc', 'hls']);
  expect([parseMode(null), parseMode('hls'), parseMode('carrier pigeon')]).toEqual(['auto', 'hls', 'auto']);
});

test('only what another protocol can mend makes it fall, and only where none is forced', () => {
  expect(fallback('auto', 'webrtc', 'not-acceptable')).toBe('hls');
  expect(fallback('auto', 'webrtc', 'unreachable')).toBe('hls');
  expect(fallback('auto', 'webrtc', 'unsupported')).toBe('hls');
  expect(fallback('auto', 'webrtc', 'refused')).toBe('hls');
  expect(fallback('auto', 'webrtc', 'unauthorized')).toBeNull();
  expect(fallback('webrtc', 'webrtc', 'not-acceptable')).toBeNull();
  expect(fallback('auto', 'hls', 'unsupported')).toBeNull();
});
