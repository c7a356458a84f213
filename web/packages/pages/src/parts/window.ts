/** What pages show to scripts and tests in `window.unisono`. */

import type { Publisher, Room, Source } from '@unisono/client';
import type { UnisonoPlayer } from '@unisono/player';

declare global {
  interface Window {
    unisono?: {
      /** Watch page: the player element, with `currentT()`, `stats()`, `on()`, `session` and `video`. */
      player?: UnisonoPlayer;
      /** Watch and host page: the room. */
      room?: Room;
      /** Publish page, while publishing. */
      publisher?: Publisher;
      source?: Source;
    };
  }
}
