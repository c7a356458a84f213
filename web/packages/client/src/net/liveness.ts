/** Whether a node is there: asked when its media stays away, so that a dead node is known within a few hundred milliseconds. */

import { delay } from './backoff';
import { within } from './signals';

/**
 * A node that answers, answers by then: anything is an answer. The second question is for long ways: the first may have to bring up a connection with
 * TLS, which is three round trips, and to find a packet lost.
 */
const PROBES_MS = [400, 800];
const TICK_MS = 50;
/** Media that stayed away for so long, or for so many of its own intervals, is worth a question. */
const SILENT_MS = 200;
const INTERVALS = 4;
/** ... by each viewer at a moment of its own: a publisher that pauses makes all of them ask. */
const SPREAD_MS = 150;
/** A node that is there although nothing comes is asked again after this, and less and less often: its publisher may be away. */
const AGAIN_MS = 500;
const AGAIN_MOST_MS = 10_000;

/** True if the node at `origin` answers. One that refuses the connection is not there; one that is silent is asked a second time. */
export async function isThere(origin: string, signal: AbortSignal): Promise<boolean> {
  for (const patienceMs of PROBES_MS) {
    const patience = within(patienceMs, signal);
    try {
      await fetch(`${origin}/healthz`, { signal: patience, cache: 'no-store', mode: 'no-cors' });
      return true;
    } catch {
      if (signal.aborted) return true;
      if (!patience.aborted) return false;
    }
  }
  return false;
}

export interface Watched {
  /** Changes whenever media came. `null` while nothing has come yet. */
  sign(): number | null;
  /** Whether the node answers. */
  probe(): Promise<boolean>;
  /** Nothing comes and nobody answers. Called again while that lasts. */
  onDead(): Promise<void>;
}

/** Looks after a node until `signal` aborts. */
export async function watchNode(watched: Watched, signal: AbortSignal, random: () => number = Math.random): Promise<void> {
  let last: number | null = null;
  let since = performance.now();
  let interval = 0;
  let pause = AGAIN_MS;
  let nextLook = 0;
  let spread = SPREAD_MS * random();
  while (await delay(TICK_MS, signal)) {
    const now = performance.now();
    const sign = watched.sign();
    if (sign !== last) {
      // The usual distance of two signs, a slow stream's being long; forgotten by an eighth each time.
      if (last !== null) interval += (Math.min(now - since, AGAIN_MOST_MS) - interval) / 8;
      [last, since, pause, nextLook, spread] = [sign, now, AGAIN_MS, 0, SPREAD_MS * random()];
      continue;
    }
    const isSilent = last !== null && now - since > Math.max(SILENT_MS, INTERVALS * interval) + spread;
    if (!isSilent || now < nextLook) continue;
    const isAlive = await watched.probe();
    if (signal.aborted) return;
    if (!isAlive && watched.sign() === last) await watched.onDead();
    nextLook = performance.now() + pause;
    pause = Math.min(pause * 2, AGAIN_MOST_MS);
  }
}
