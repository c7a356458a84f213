/** Moves an LL-HLS player. Thin: the decisions are in `playback-rate.ts` and `margin.ts`. */

import type { HlsPlayer } from '../hls/watch';
import type { Actuator } from './actuator';
import { Margin } from './margin';
import { PlaybackPace } from './playback-rate';

/** How far behind the newest picture an HLS viewer may be asked to stay. */
const HLS_BEHIND_MAX_MS = 30_000;

export function hlsActuator(player: HlsPlayer): Actuator {
  const pace = new PlaybackPace();
  const margin = new Margin();
  return {
    protocol: 'hls',
    look(nowMs, actualMs) {
      const aheadMs = player.aheadMs();
      if (aheadMs !== null) margin.observe(nowMs, actualMs, aheadMs);
    },
    step(nowMs, actualMs, wantedMs) {
      player.isPaced = true;
      const next = pace.step(nowMs, actualMs, wantedMs);
      if ('rate' in next) player.playbackRate = next.rate;
      else player.moveBy(next.seekMs);
      return 'seekMs' in next;
    },
    range(_nowMs, actualMs) {
      const recommendedMs = actualMs - (player.slackMs() ?? 0);
      const earliestMs = Math.max(recommendedMs, margin.earliestMs ?? 0, 0);
      return Promise.resolve({ earliestMs, latestMs: earliestMs + HLS_BEHIND_MAX_MS });
    },
    release() {
      player.isPaced = false;
    },
  };
}
