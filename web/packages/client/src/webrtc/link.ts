/** Whether a peer connection stands, as one promise each: up, and lost. In between it may be repaired. */

import { UnisonoError } from '../errors';
import { delay } from '../net/backoff';
import { watchSilence } from './silence';

/** No path within this long: the media port is not reachable from here. */
const CONNECT_MS = 10_000;
/** ICE often comes back by itself from a short `disconnected`; after this it is helped. */
const DISCONNECTED_MS = 500;
/** A connection that is not back by then is given up. */
const REPAIRED_MS = 6000;
/** From one try to the next while the server cannot be reached. */
const REPAIR_EVERY_MS = 1000;

export type Lost = 'unreachable' | 'lost' | 'closed';

export interface Link {
  /** Resolves once media can flow; never rejects. */
  readonly up: Promise<void>;
  /** Resolves when the connection is given up. */
  readonly lost: Promise<Lost>;
}

/** Looks for another path in the same session; `attempt` counts from 0 for each search. See `restartIce`. */
export type Repair = (attempt: number) => Promise<void>;

/** Watches `pc` until `signal` aborts, and repairs it while that can be hoped for. */
export function watchLink(pc: RTCPeerConnection, signal: AbortSignal, repair: Repair): Link {
  let isUp: () => void;
  const up = new Promise<void>((resolve) => (isUp = resolve));
  const lost = new Promise<Lost>((resolve) => {
    let wasUp = false;
    let isOver = false;
    let isRepairing = false;
    let timer = setTimeout(() => finish('unreachable'), CONNECT_MS);
    const finish = (why: Lost) => {
      isOver = true;
      clearTimeout(timer);
      signal.removeEventListener('abort', closed);
      pc.removeEventListener('connectionstatechange', check);
      resolve(why);
    };
    const closed = () => finish('closed');
    // One at a time: whoever wants another path waits for the search under way. A second one would get its answer after the first had been applied.
    let search: Promise<boolean> | null = null;
    const look = () => (search ??= findPath(signal, repair).finally(() => (search = null)));
    const mend = async () => {
      isRepairing = true;
      clearTimeout(timer);
      timer = setTimeout(() => finish('lost'), REPAIRED_MS);
      if (!(await look()) && !isOver) finish('lost');
    };
    const check = () => {
      const state = pc.connectionState;
      if (state === 'connected') {
        wasUp = true;
        isRepairing = false;
        clearTimeout(timer);
        isUp();
      } else if (state === 'disconnected' && !isRepairing) {
        clearTimeout(timer);
        timer = setTimeout(() => void mend(), DISCONNECTED_MS);
      } else if (state === 'failed') {
        if (!wasUp) finish('unreachable');
        else if (!isRepairing) void mend();
      } else if (state === 'closed') {
        finish('closed');
      }
    };
    watchSilence(pc, signal, () => {
      if (!isRepairing) void look();
    });
    signal.addEventListener('abort', closed);
    pc.addEventListener('connectionstatechange', check);
    if (signal.aborted) finish('closed');
  });
  return { up, lost };
}

/**
 * Asks until there is an answer, also where the connection comes back meanwhile: it does so with credentials that the server has not heard of, which
 * then cannot check who is there and holds back most of what it has to send. False where the server refuses, or nobody wants it any more.
 */
async function findPath(signal: AbortSignal, repair: Repair): Promise<boolean> {
  for (let attempt = 0; !signal.aborted; attempt += 1) {
    const begun = performance.now();
    try {
      await repair(attempt);
      return true;
    } catch (error) {
      if (!(error instanceof UnisonoError) || error.kind !== 'network') return false;
      await delay(Math.max(REPAIR_EVERY_MS - (performance.now() - begun), 0), signal);
    }
  }
  return false;
}
