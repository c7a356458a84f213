/** Notices a track that the stream got after playback had begun: a session has only the tracks it was made with. */

import { delay, within, type Kinds } from '@unisono/client';

const SOON_MS = 3000;
/** A radio's listeners must not ask every three seconds for ever. */
const SELDOM_MS = 30_000;
/** Nor must those be torn out of the picture for ever whose missing track never comes. */
const BRAKED_MS = 600_000;
/** What a diagnosis calls a listed track that gives nothing. */
const SILENT = { video: 'no_video', audio: 'no_audio' } as const;

/** What the status of a stream (`/api/v1/streams/{app}/{name}`) says of its tracks. */
export function kindsOfStatus(status: unknown): Kinds | null {
  const { state, tracks, diagnosis } = (status ?? {}) as { state?: unknown; tracks?: unknown; diagnosis?: unknown };
  if (state !== 'live' || !Array.isArray(tracks)) return null;
  const isFound = (wanted: string) => Array.isArray(diagnosis) && diagnosis.some((finding: { code?: unknown } | null) => finding?.code === wanted);
  const has = (wanted: keyof Kinds) => tracks.some((track: { kind?: unknown } | null) => track?.kind === wanted) && !isFound(SILENT[wanted]);
  return { video: has('video'), audio: has('audio') };
}

/** True if the stream has something that is not played. */
export function lacks(played: Kinds, stream: Kinds): boolean {
  return (stream.video && !played.video) || (stream.audio && !played.audio);
}

/** A start for a late track that brought none makes the next one come later, by twice as long each time. */
export class Brake {
  #starts = 0;
  /** What was played when one started last. */
  #had: Kinds | null = null;

  /** How long something must be missing before the stream is asked. */
  get pauseMs(): number {
    return Math.min(SOON_MS * 2 ** this.#starts, BRAKED_MS);
  }

  /** One starts anew, since `had` is less than the stream has. */
  starts(had: Kinds): void {
    this.#starts = Math.min(this.#starts + 1, 16);
    this.#had = had;
  }

  /** `now` is played: if that is more than before, it was worth it. */
  plays(now: Kinds): void {
    if (this.#had && lacks(this.#had, now) && !lacks(now, this.#had)) [this.#starts, this.#had] = [0, null];
  }
}

/**
 * Resolves with `true` once the stream has had more tracks than are played at two looks in a row, `false` when `signal` aborts. Asks `url`, the
 * stream's status at the node in use, only while something is missing, and as soon as `brake` lets it.
 */
export async function lateTrack(url: () => string, played: () => Kinds | null, signal: AbortSignal, brake = new Brake()): Promise<boolean> {
  let looks = 0;
  let waited = 0;
  let pause = brake.pauseMs;
  while (await delay(SOON_MS, signal)) {
    const now = played();
    if (now) brake.plays(now);
    if (now === null || (now.video && now.audio)) {
      [looks, waited, pause] = [0, 0, brake.pauseMs];
      continue;
    }
    waited += SOON_MS;
    if (looks === 0 && waited < pause) continue;
    waited = 0;
    pause = Math.min(pause * 1.3, Math.max(SELDOM_MS, brake.pauseMs));
    const stream = await status(url(), signal);
    looks = stream && lacks(now, stream) ? looks + 1 : 0;
    if (looks < 2) continue;
    brake.starts(now);
    return true;
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
