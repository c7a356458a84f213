/** Moves a WebRTC player. Thin: the decisions are in `jitter-buffer.ts`. */

import type { WebRtcPlayer } from '../webrtc/watch';
import type { Actuator } from './actuator';
import { JitterBufferPace, TARGET_MAX_MS } from './jitter-buffer';

export function webRtcActuator(player: WebRtcPlayer): Actuator {
  /** The viewer's own choice, and what the player holds back by now. */
  let chosenMs = player.holdBackMs;
  let heldMs = chosenMs;
  let pace = new JitterBufferPace(heldMs ?? 0);
  const begin = (ms: number | null) => {
    chosenMs = heldMs = ms;
    pace = new JitterBufferPace(ms ?? 0);
  };
  /** The viewer turned the dial meanwhile. */
  const follow = () => player.holdBackMs !== heldMs && begin(player.holdBackMs);
  const meter = new AimMeter();
  return {
    protocol: 'webrtc',
    step(nowMs, actualMs, wantedMs) {
      follow();
      const target = pace.step(nowMs, actualMs, wantedMs);
      if (target === null) return false;
      player.holdBackMs = heldMs = target;
      return true;
    },
    async range(nowMs, actualMs) {
      const stats = await player.peerConnection?.getStats().catch(() => null);
      follow();
      const aim = stats && meter.read(nowMs, stats);
      if (aim) pace.observe(aim.sinceMs, aim.aimMs);
      // On its way it would tell what it asked for, not what it could do.
      if (!pace.isSettled(nowMs)) return null;
      const earliestMs = Math.max(actualMs - pace.slackMs, 0);
      return { earliestMs, latestMs: earliestMs + TARGET_MAX_MS };
    },
    release() {
      follow();
      if (heldMs !== chosenMs) player.holdBackMs = chosenMs;
      begin(chosenMs);
    },
  };
}

interface Aim {
  readonly sinceMs: number;
  readonly aimMs: number;
}

/** What the browser's jitter buffer for pictures aimed at, by its own totals. */
class AimMeter {
  #last = { atMs: -Infinity, aim: 0, emitted: 0 };

  /** On average since the last look; `null` where the browser does not tell, or showed nothing. */
  read(atMs: number, stats: RTCStatsReport): Aim | null {
    for (const report of (stats as unknown as ReadonlyMap<string, Record<string, unknown>>).values()) {
      if (report.type !== 'inbound-rtp' || report.kind !== 'video') continue;
      const { jitterBufferTargetDelay: aim, jitterBufferEmittedCount: emitted } = report;
      if (typeof aim !== 'number' || typeof emitted !== 'number') return null;
      const last = this.#last;
      this.#last = { atMs, aim, emitted };
      const count = emitted - last.emitted;
      // A lower total is another session's.
      return count > 0 && aim >= last.aim ? { sinceMs: last.atMs, aimMs: ((aim - last.aim) * 1000) / count } : null;
    }
    return null;
  }
}
