/** `<unisono-player>` for Preact. */

import type { UnisonoPlayer } from '@unisono/player';
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
        children?: ComponentChildren;
      };
    }
  }
}
