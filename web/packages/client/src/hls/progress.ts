/**
 * How far each media playlist had come, and at which node. A node that has just begun to pull a stream lists the past first: an end before the one
 * that hls.js knows would make it jump back there.
 */

/** Parts of a segment are fewer. */
const PARTS_MAX = 1000;

interface Last {
  readonly node: string;
  readonly first: number;
  readonly end: number;
}

/** What stands in a playlist with a segment, in front of its address. */
const OF_SEGMENT = /^#EXT(INF:|-X-PART:|-X-PROGRAM-DATE-TIME:|-X-DISCONTINUITY$|-X-GAP$|-X-MAP:|-X-BITRATE:)/;
const SEQUENCE = /^#EXT-X-MEDIA-SEQUENCE:(\d+)/m;

/**
 * The playlist without its segments before number `first`. A node that has had viewers for longer lists more of the past than the one before it, and
 * hls.js takes what is new at the front for time that has passed. Whole playlists only, no delta updates.
 */
export function beginAt(playlist: string, first: number): string {
  let surplus = first - Number(SEQUENCE.exec(playlist)?.[1] ?? first);
  if (surplus <= 0) return playlist;
  const kept: string[] = [];
  let block: string[] = [];
  let breaks = 0;
  let map: string | null = null;
  for (const line of playlist.split('\n')) {
    if (surplus === 0) kept.push(line);
    else if (OF_SEGMENT.test(line)) block.push(line);
    else if (line === '' || line.startsWith('#')) kept.push(line);
    else {
      breaks += block.filter((tag) => tag === '#EXT-X-DISCONTINUITY').length;
      map = block.findLast((tag) => tag.startsWith('#EXT-X-MAP:')) ?? map;
      block = [];
      surplus -= 1;
      // The header goes on to hold for what follows.
      if (surplus === 0 && map !== null) kept.push(map);
    }
  }
  // Fewer segments than that, with parts behind them: nothing can be left out.
  if (surplus > 0) return playlist;
  const text = kept.join('\n').replace(SEQUENCE, `#EXT-X-MEDIA-SEQUENCE:${first}`);
  return text.replace(/^#EXT-X-DISCONTINUITY-SEQUENCE:(\d+)/m, (_, count) => `#EXT-X-DISCONTINUITY-SEQUENCE:${Number(count) + breaks}`);
}

/** The number of the part behind the newest one listed, over all segments; `null` for what is no media playlist (RFC 8216bis §4.4.4). */
export function endOf(playlist: string): number | null {
  const first = SEQUENCE.exec(playlist)?.[1];
  if (first === undefined) return null;
  let segments = Number(first) + Number(/^#EXT-X-SKIP:SKIPPED-SEGMENTS=(\d+)/m.exec(playlist)?.[1] ?? 0);
  let parts = 0;
  for (const line of playlist.split('\n')) {
    if (line.startsWith('#EXT-X-PART:')) parts += 1;
    // The address of a segment: its parts stand before it.
    if (line !== '' && !line.startsWith('#')) [segments, parts] = [segments + 1, 0];
  }
  return segments * PARTS_MAX + parts;
}

export class Progress {
  #last = new Map<string, Last>();

  /** Another node had given this path. */
  isNewAt(node: string, path: string): boolean {
    const last = this.#last.get(path);
    return last !== undefined && last.node !== node;
  }

  /** True where `node` gives less of it than another node had. */
  isBehind(node: string, path: string, playlist: string): boolean {
    const end = endOf(playlist);
    return end !== null && this.isNewAt(node, path) && end < (this.#last.get(path)?.end ?? 0);
  }

  /** The playlist as hls.js is to have it; it has it now. */
  give(node: string, path: string, playlist: string): string {
    const end = endOf(playlist);
    if (end === null) return playlist;
    const last = this.#last.get(path);
    // A stream that began anew, with other numbers, has nothing to do with what was.
    const text = last === undefined || end < last.end ? playlist : beginAt(playlist, last.first);
    this.#last.set(path, { node, first: Number(SEQUENCE.exec(text)?.[1]), end });
    return text;
  }
}
