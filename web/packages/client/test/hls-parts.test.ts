import Hls, { Events, type FragBufferedData, type LevelDetails, type Part } from 'hls.js';
import { expect, it } from 'vitest';
import { keepParts } from '../src/hls/parts';

type Streams = Part['elementaryStreams'];
type Listener = (event: string, data: unknown) => void;

/** What keepParts needs of hls.js: its events. */
class Emitter {
  readonly listeners = new Map<string, Listener[]>();

  on(event: string, listener: Listener): void {
    this.listeners.set(event, [...(this.listeners.get(event) ?? []), listener]);
  }

  emit(event: string, data: unknown): void {
    for (const listener of this.listeners.get(event) ?? []) listener(event, data);
  }
}

function part(sn: number, index: number, streams: Partial<Streams> = {}): Part {
  const elementaryStreams = { audio: null, video: null, audiovideo: null, ...streams } as Streams;
  return {
    index,
    elementaryStreams,
    fragment: { sn },
    get loaded(): boolean {
      return Object.values((this as unknown as Part).elementaryStreams).some((stream) => stream);
    },
  } as unknown as Part;
}

const sound = (from: number): Partial<Streams> => ({ audio: { startPTS: from, endPTS: from + 0.5, startDTS: from, endDTS: from + 0.5, partial: false } });
const buffered = (of: Part): Partial<FragBufferedData> => ({ frag: { type: 'audio', sn: of.fragment.sn } as FragBufferedData['frag'], part: of });
const list = (...parts: Part[]): { details: LevelDetails } => ({ details: { partList: parts } as LevelDetails });

function setUp(): Emitter {
  const hls = new Emitter();
  keepParts(hls as unknown as Hls, Events);
  return hls;
}

it('says again which parts are there when hls.js has forgotten', () => {
  const hls = setUp();
  hls.emit(Events.FRAG_BUFFERED, buffered(part(7, 1, sound(3))));
  const [forgotten, never] = [part(7, 1), part(7, 2)];
  hls.emit(Events.AUDIO_TRACK_UPDATED, list(forgotten, never));
  expect([forgotten.loaded, never.loaded]).toEqual([true, false]);
  const picture = part(7, 1);
  hls.emit(Events.LEVEL_UPDATED, list(picture));
  expect(picture.loaded, 'the picture is another playlist').toBe(false);
});

it('forgets what was flushed, and only that', () => {
  const hls = setUp();
  hls.emit(Events.FRAG_BUFFERED, buffered(part(7, 0, sound(2))));
  hls.emit(Events.FRAG_BUFFERED, buffered(part(7, 1, sound(3))));
  hls.emit(Events.BUFFER_FLUSHING, { startOffset: 0, endOffset: 2.6, type: null });
  const parts = [part(7, 0), part(7, 1)];
  hls.emit(Events.AUDIO_TRACK_UPDATED, list(...parts));
  expect(parts.map((p) => p.loaded)).toEqual([false, true]);
});

it('remembers a bounded number', () => {
  const hls = setUp();
  for (let sn = 0; sn < 100; sn += 1) hls.emit(Events.FRAG_BUFFERED, buffered(part(sn, 0, sound(sn))));
  const parts = [part(0, 0), part(99, 0)];
  hls.emit(Events.AUDIO_TRACK_UPDATED, list(...parts));
  expect(parts.map((p) => p.loaded)).toEqual([false, true]);
});
