/** Which parts are in the buffer, remembered for hls.js. */

import type Hls from 'hls.js';
import type { Events, FragBufferedData, LevelDetails, Part } from 'hls.js';

type Streams = Part['elementaryStreams'];
type Kind = 'main' | 'audio';

/** Parts remembered of each playlist: more than any playlist lists. */
const KEPT = 64;

/**
 * hls.js 1.7.4 forgets the parts of the segment in the making when it clears away the past in the moment in which one of them is on its way: its tracker takes
 * that segment for one that was evicted (`detectEvictedFragments`). It then waits for the whole segment, and the picture stands still for up to three seconds.
 * So what was buffered is remembered here, and said again with each playlist, as long as it was not flushed.
 */
export function keepParts(hls: Hls, events: typeof Events): void {
  const kept: Record<Kind, Map<string, Streams>> = { main: new Map(), audio: new Map() };
  hls.on(events.FRAG_BUFFERED, (_, { frag, part }: FragBufferedData) => {
    const parts = frag.type === 'main' || frag.type === 'audio' ? kept[frag.type as Kind] : null;
    if (!part?.loaded || !parts) return;
    parts.set(`${frag.sn}/${part.index}`, { ...part.elementaryStreams });
    if (parts.size > KEPT) parts.delete(parts.keys().next().value!);
  });
  hls.on(events.BUFFER_FLUSHING, (_, { startOffset, endOffset, type }) => {
    for (const kind of ['main', 'audio'] as const) {
      if (type !== null && (type === 'audio') !== (kind === 'audio')) continue;
      for (const [key, streams] of kept[kind]) if (overlaps(streams, startOffset, endOffset)) kept[kind].delete(key);
    }
  });
  hls.on(events.LEVEL_UPDATED, (_, { details }) => restore(kept.main, details));
  hls.on(events.AUDIO_TRACK_UPDATED, (_, { details }) => restore(kept.audio, details));
}

function restore(kept: Map<string, Streams>, details: LevelDetails): void {
  for (const part of details.partList ?? []) {
    const streams = part.loaded ? undefined : kept.get(`${part.fragment.sn}/${part.index}`);
    if (streams) part.elementaryStreams = { ...streams };
  }
}

function overlaps(streams: Streams, from: number, to: number): boolean {
  return Object.values(streams).some((stream) => stream && stream.startPTS < to && stream.endPTS > from);
}
