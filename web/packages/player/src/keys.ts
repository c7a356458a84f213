/** Which keys are somebody else's: what is laid over the picture may be written in and pressed, also in a shadow tree of its own. */

const TAKES_KEYS = 'input, textarea, select, summary, [contenteditable]';
const TAKES_SPACE = 'button, a, [role=tab]';

/** A field takes its arrows and letters, but not Escape, and a focused button the space bar. */
export function isTaken(event: Pick<KeyboardEvent, 'key' | 'composedPath'>): boolean {
  const target = event.composedPath()[0] as Element;
  if (target.closest(TAKES_KEYS)) return event.key !== 'Escape';
  return event.key === ' ' && target.closest(TAKES_SPACE) !== null;
}
