/** The player's keys, anywhere on the page but where somebody writes or presses. */

import type { UnisonoPlayer } from '@unisono/player';
import type { RefObject } from 'preact';
import { useEffect } from 'preact/hooks';

const TAKES_KEYS = 'input, textarea, select, summary, [contenteditable]';
const TAKES_SPACE = 'button, a, [role=tab]';

export function usePlayerKeys(player: RefObject<UnisonoPlayer | null>): void {
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.altKey || event.ctrlKey || event.metaKey) return;
      // The room's fields stand in a shadow tree of their own.
      const target = event.composedPath()[0] as Element;
      if (target.closest(TAKES_KEYS) || (event.key === ' ' && target.closest(TAKES_SPACE))) return;
      if (player.current?.pressKey(event.key)) event.preventDefault();
    };
    addEventListener('keydown', pressed);
    return () => removeEventListener('keydown', pressed);
  }, [player]);
}
