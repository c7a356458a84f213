import { expect, test } from 'vitest';
import { dataWords, milliseconds, roundBitrate, viewerWords } from '../src/parts/words';

test("an event's data reads as a person would say it", () => {
  expect([null, 'hi', { text: 'Goal!' }, { name: 'Ada', text: 'hi' }, { by: 'Ada', minute: 54 }, [1, 2]].map(dataWords)).toEqual([
    '', 'hi', 'Goal!', 'Ada: hi', 'by: Ada · minute: 54', '[1,2]',
  ]);
});

test('viewers are counted exactly by WebRTC, about by HLS', () => {
  const view = (webrtc: number, hls: number) => viewerWords({ name: 'a/b', state: 'live', viewers: { webrtc, hls }, tracks: [], notes: [] });
  expect([view(0, 0), view(1, 0), view(2, 3)]).toEqual(['0 viewers', '1 viewer', '≈ 5 viewers']);
});

test('figures are short', () => {
  expect([milliseconds(6.4), milliseconds(1234), roundBitrate(500_000), roundBitrate(3_500_000)]).toEqual(['6 ms', '1.23 s', '500 kbit/s', '3.5 Mbit/s']);
});
