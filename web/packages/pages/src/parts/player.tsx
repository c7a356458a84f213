/** `<unisono-player>` and `<unisono-room>` for Preact. */

import type { Room } from '@unisono/client';
import type { UnisonoPlayer } from '@unisono/player';
import type { UnisonoReactions, UnisonoRoom } from '@unisono/room';
import type { Ref } from 'preact';

declare module 'preact' {
  namespace JSX {
    interface IntrinsicElements {
      'unisono-player': {
        ref?: Ref<UnisonoPlayer>;
        src: string;
        mode?: string;
        latency?: string;
        token?: string;
        class?: string;
        controls?: string;
        feed?: string;
        children?: ComponentChildren;
      };
      'unisono-room': {
        ref?: Ref<UnisonoRoom>;
        src?: string;
        player?: string;
        token?: string;
        parts?: string;
        lockstep?: boolean;
        /** One joined before; the element joins none of its own then. */
        room?: Room | null;
        key?: string;
        class?: string;
      };
      'unisono-reactions': { ref?: Ref<UnisonoReactions>; room?: Room | null };
    }
  }
}
