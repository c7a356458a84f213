/** Who a guest is: a secret of their own, so that they are the same person after a reload and one vote stays one vote. */

import { uuidV7 } from '../uuid';

const KEY = 'unisono-guest';

/** This browser's secret, made at the first visit; one for this run where nothing can be kept. */
export function guestSecret(): string {
  const fresh = `${uuidV7()}-${uuidV7()}`;
  try {
    const known = localStorage.getItem(KEY);
    if (known) return known;
    localStorage.setItem(KEY, fresh);
  } catch {
    // Node, or a page that may not keep anything.
  }
  return fresh;
}
