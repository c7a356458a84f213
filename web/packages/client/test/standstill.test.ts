import { describe, expect, test } from 'vitest';
import { Standstill } from '../src/hls/standstill';

/** A media playlist that ends behind part `parts` of segment `segment`. */
const playlist = (segment: number, parts: number) => ['#EXTM3U', `#EXT-X-MEDIA-SEQUENCE:${segment - 1}`, '#EXTINF:2,', 'a.m4s', ...Array.from({ length: parts }, (_, i) => `#EXT-X-PART:DURATION=0.5,URI="${i}.m4s"`), ''].join('\n');

/** Seconds at which it is said to be stuck, asked each second with what the server has then. */
function stuckAt(list: (second: number) => string, seconds: number): number | null {
  const standstill = new Standstill();
  for (let second = 0; second < seconds; second += 1) if (standstill.isStuck(list(second), second * 1000)) return second;
  return null;
}

describe('a picture that stands still', () => {
  test('is left alone while the server has nothing newer, however long', () => {
    expect(stuckAt(() => playlist(7, 2), 120)).toBeNull();
  });

  test('is begun anew when the server goes on and it does not, with the time that takes from then on', () => {
    expect(stuckAt((second) => playlist(7 + Math.floor(second / 2), second % 2), 60)).toBe(17);
    expect(stuckAt((second) => playlist(7 + Math.max(0, second - 20), 0), 60)).toBe(37);
  });

  test('a server that has no playlist tells nothing', () => {
    expect(stuckAt(() => '', 60)).toBeNull();
    expect(stuckAt(() => '{"title":"Not found"}', 60)).toBeNull();
  });

  test('a picture that moved in between counts anew', () => {
    const standstill = new Standstill();
    for (let second = 0; second < 10; second += 1) standstill.isStuck(playlist(7 + second, 0), second * 1000);
    standstill.over();
    for (let second = 10; second < 26; second += 1) expect(standstill.isStuck(playlist(7 + second, 0), second * 1000)).toBe(false);
    expect(standstill.isStuck(playlist(40, 0), 27_000)).toBe(true);
  });
});
