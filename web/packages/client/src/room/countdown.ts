/** How long a window is open for one viewer: counted on the frames they see, so that everybody has the same time, whatever the latency. */

import type { WindowState } from './state';

export interface Countdown {
  /** Media time until it closes, microseconds; 0 once it has. */
  readonly leftUs: number;
  /** Media time until it opens, microseconds; 0 once it has. */
  readonly opensInUs: number;
  /** This viewer may enter now. */
  readonly isOpen: boolean;
  /** Media time until the result may be shown, microseconds. */
  readonly revealInUs: number;
}

/** `t`: the frame on screen. */
export function remaining({ terms, closes, reveal, phase }: WindowState, t: number): Countdown {
  const until = (moment: number) => Math.max(moment - t, 0);
  const isOver = phase === 'decided' || phase === 'withdrawn';
  return {
    leftUs: isOver ? 0 : until(closes),
    opensInUs: isOver ? 0 : until(terms.opens),
    isOpen: !isOver && t >= terms.opens && t < closes,
    revealInUs: isOver ? 0 : until(reveal),
  };
}
