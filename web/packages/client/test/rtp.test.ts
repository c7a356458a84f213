import { describe, expect, test } from 'vitest';
import { parseMapping, RtpTimeline, type Mapping } from '../src/time/rtp';

const mapping = (part: Partial<Mapping>): Mapping => ({ kind: 'video', ssrc: 1, rtp0: 0, t0: 0, rate: 90_000, epoch: 1, ...part });
const T0 = 1_763_700_000_000_000;

describe('RTP to T', () => {
  test('nothing is known before the first mapping', () => {
    expect(new RtpTimeline().at(5)).toBeNull();
  });

  test('counts from the mapping in its rate, before and after it', () => {
    const timeline = new RtpTimeline();
    timeline.add(mapping({ rtp0: 900_000, t0: T0 }));
    expect(timeline.at(900_000)).toEqual({ t: T0, epoch: 1 });
    expect(timeline.at(903_000)?.t).toBe(T0 + 33_333);
    expect(timeline.at(897_000)?.t).toBe(T0 - 33_333);
  });

  test('goes across the wrap of the 32 bits in both directions', () => {
    const timeline = new RtpTimeline();
    timeline.add(mapping({ rtp0: 0xffff_ff00, t0: T0 }));
    expect(timeline.at((0xffff_ff00 + 90_000) >>> 0)?.t).toBe(T0 + 1_000_000);
    timeline.add(mapping({ rtp0: (0xffff_ff00 + 180_000) >>> 0, t0: T0 + 2_000_000 }));
    expect(timeline.at(0xffff_ff00)?.t).toBe(T0);
    expect(timeline.at(0xffff_ff00 - 90_000)?.t).toBe(T0 - 1_000_000);
  });

  test('a frame from before a break uses the mapping of its own time', () => {
    const timeline = new RtpTimeline();
    timeline.add(mapping({ rtp0: 90_000, t0: T0 }));
    timeline.add(mapping({ rtp0: 180_000, t0: T0 + 60_000_000, epoch: 2 }));
    expect(timeline.at(177_000)).toEqual({ t: T0 + 966_667, epoch: 1 });
    expect(timeline.at(180_000)).toEqual({ t: T0 + 60_000_000, epoch: 2 });
  });

  test('mappings may come out of order, and one said twice is replaced', () => {
    const timeline = new RtpTimeline();
    timeline.add(mapping({ rtp0: 180_000, t0: T0 + 1_000_000 }));
    timeline.add(mapping({ rtp0: 90_000, t0: T0 }));
    timeline.add(mapping({ rtp0: 180_000, t0: T0 + 1_002_000 }));
    expect(timeline.at(135_000)?.t).toBe(T0 + 500_000);
    expect(timeline.at(180_000)?.t).toBe(T0 + 1_002_000);
  });

  test('another SSRC starts anew', () => {
    const timeline = new RtpTimeline();
    timeline.add(mapping({ rtp0: 90_000, t0: T0 }));
    timeline.add(mapping({ ssrc: 2, rtp0: 5, t0: T0 + 7 }));
    expect(timeline.at(5)?.t).toBe(T0 + 7);
  });

  test('a long session keeps a bounded number of mappings and stays right', () => {
    const timeline = new RtpTimeline();
    // Ten hours at one mapping each two seconds: more than one wrap.
    for (let second = 0; second <= 36_000; second += 2) {
      timeline.add(mapping({ rtp0: (second * 90_000) % 2 ** 32, t0: T0 + second * 1e6 }));
    }
    expect(timeline.at((35_999 * 90_000) % 2 ** 32)?.t).toBe(T0 + 35_999e6);
  });
});

describe('mapping messages', () => {
  test('a whole one is read, anything else is not', () => {
    const message = { type: 'mapping', kind: 'audio', ssrc: 7, rtp0: 4_294_967_295, t0: T0, rate: 48_000, epoch: 3 };
    expect(parseMapping(message)).toEqual({ kind: 'audio', ssrc: 7, rtp0: 4_294_967_295, t0: T0, rate: 48_000, epoch: 3 });
    for (const broken of [{ rate: 0 }, { t0: 1.5 }, { rtp0: -1 }, { kind: 'data' }, { epoch: undefined }]) {
      expect(parseMapping({ ...message, ...broken })).toBeNull();
    }
  });
});
