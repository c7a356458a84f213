/** Moves a WebRTC player. Thin: the decisions are in `jitter-buffer.ts`. */

import type { WebRtcPlayer } from '../webrtc/watch';
import type { Actuator } from './actuator';
import { JitterBufferPace, TARGET_MAX_MS } from './jitter-buffer';

export function webRtcActuator(player: WebRtcPlayer): Actuator {
  let pace: JitterBufferPace | null = null;
  const meter = new SlackMeter();
  return {
    protocol: 'webrtc',
    step(nowMs, actualMs, wantedMs) {
      pace ??= new JitterBufferPace();
      const target = pace.step(nowMs, actualMs, wantedMs);
      if (target !== null) player.holdBackMs = target;
      return target !== null;
    },
    async range(actualMs) {
      const stats = await player.peerConnection?.getStats().catch(() => null);
      const slackMs = stats ? meter.read(stats) : null;
      const earliestMs = Math.max(actualMs - (slackMs ?? pace?.targetMs ?? 0), 0);
      return { earliestMs, latestMs: earliestMs + TARGET_MAX_MS };
    },
    release() {
      if (pace) player.holdBackMs = null;
      pace = null;
    },
  };
}

/** How much the jitter buffer holds beyond what the network asks of it, by its own totals. */
class SlackMeter {
  #last = { delay: 0, least: 0, emitted: 0 };

  /** Milliseconds since the last look; `null` where the browser does not tell. */
  read(stats: RTCStatsReport): number | null {
    for (const report of (stats as unknown as ReadonlyMap<string, Record<string, unknown>>).values()) {
      if (report.type !== 'inbound-rtp' || report.kind !== 'video') continue;
      const { jitterBufferDelay: delay, jitterBufferMinimumDelay: least, jitterBufferEmittedCount: emitted } = report;
      if (typeof delay !== 'number' || typeof least !== 'number' || typeof emitted !== 'number') return null;
      const last = this.#last;
      this.#last = { delay, least, emitted };
      const count = emitted - last.emitted;
      return count > 0 ? (Math.max(delay - last.delay - (least - last.least), 0) * 1000) / count : null;
    }
    return null;
  }
}
