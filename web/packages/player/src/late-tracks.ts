/** Notices a track that the stream got after playback had begun: a session has only the tracks it was made with. */

import { delay, within, type Kinds } from '@unisono/client';

const SOON_MS = 3000;
/** A radio's listeners must not ask every three seconds for ever. */
const SELDOM_MS = 30_000;

/** What the status of a stream (`/api/v1/streams/{app}/{name}`) says of its tracks. */
export function kindsOfStatus(status: unknown): Kinds | null {
  const { state, tracks } = (status ?? {}) as { state?: unknown; tracks?: unknown };
  if (state !== 'live' || !Array.isArray(tracks)) return null;
  const has = (wanted: string) => tracks.some((track: { kind?: unknown } | null) => track?.kind === wanted);
  return { video: has('video'), audio: has('audio') };
}

/** True if the stream has something that is not played. */
export function lacks(played: Kinds, stream: Kinds): boolean {
  return (stream.video && !played.video) || (stream.audio && !played.audio);
}

/**
 * Resolves with `true` once the stream has had more tracks than are played at two looks in a row, `false` when `signal` aborts. Asks `url`, the
 * stream's status at the node in use, only while something is missing.
 */
export async function lateTrack(url: () => string, played: () => Kinds | null, signal: AbortSignal): Promise<boolean> {
  let looks = 0;
  let pause = SOON_MS;
  while (await delay(looks > 0 ? SOON_MS : pause, signal)) {
    const now = played();
    const isWhole = now === null || (now.video && now.audio);
    const stream = isWhole ? null : await status(url(), signal);
    looks = now && stream && lacks(now, stream) ? looks + 1 : 0;
    if (looks === 2) return true;
    pause = isWhole ? SOON_MS : Math.min(pause * 1.3, SELDOM_MS);
  }
  return false;
}

async function status(url: string, signal: AbortSignal): Promise<Kinds | null> {
  try {
    const response = await fetch(url, { signal: within(10_000, signal), cache: 'no-store' });
    return response.ok ? kindsOfStatus(await response.json()) : null;
  } catch {
    return null;
  }
}
