/** Asks the server for its time: a few exchanges at first, then one now and then. The one with the shortest way counts. */

import { wallClock, type ServerClock } from '../time/clock';
import { delay } from './backoff';

const FIRST_SAMPLES = 5;
const FIRST_PAUSE_MS = 150;
const PAUSE_MS = 20_000;

/** Keeps `clock` by what `url` gives (`/api/v1/server` of the node in use) until `signal` aborts. Gives up silently if the server does not say: the feed's greeting remains. */
export async function keepClock(clock: ServerClock, url: () => string, signal: AbortSignal): Promise<void> {
  for (let sample = 1; !signal.aborted; sample += 1) {
    const started = wallClock();
    try {
      const response = await fetch(url(), { signal, cache: 'no-store' });
      const received = wallClock();
      if (response.status >= 400 && response.status < 500) return;
      const { t } = (await response.json()) as { t?: unknown };
      // The first exchange also opens the connection, so that it looks worse than it is, and loses to the next.
      if (Number.isSafeInteger(t)) clock.observe(t as number, started, received, 2);
    } catch {
      // A lost connection is told by the player, not by its clock.
    }
    await delay(sample < FIRST_SAMPLES ? FIRST_PAUSE_MS : PAUSE_MS, signal);
  }
}
