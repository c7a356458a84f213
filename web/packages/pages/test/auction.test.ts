import { describe, expect, it } from 'vitest';
import { slowed } from '../src/auction-demo/slow';
import { frameError, paneWord } from '../src/auction-demo/words';

describe('the auction demo', () => {
  it('keeps only candidates by TCP for the slow link, at its port', () => {
    const sdp = ['v=0', 'a=candidate:1 1 udp 2130706431 127.0.0.1 8189 typ host', 'a=candidate:2 1 tcp 1671430143 127.0.0.1 8189 typ host tcptype passive', 'a=mid:0', ''].join('\r\n');
    expect(slowed(sdp, 9000)).toBe(['v=0', 'a=candidate:2 1 tcp 1671430143 127.0.0.1 9000 typ host tcptype passive', 'a=mid:0', ''].join('\r\n'));
  });

  it('counts whole frames after the one an event belongs to', () => {
    expect([-5, 0, 33_000, 34_000, 100_500].map(frameError)).toEqual([0, 0, 0, 1, 3]);
  });

  it('reads only what panes say', () => {
    expect(paneWord({ pane: 'hls', kind: 'state', phase: 'playing', latencyMs: 1, stalls: 0 })).not.toBeNull();
    for (const other of [null, 'x', {}, { pane: 1, kind: 'state' }, { pane: 'x', kind: 'other' }]) expect(paneWord(other)).toBeNull();
  });
});
