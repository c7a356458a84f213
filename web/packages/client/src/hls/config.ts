/** How hls.js is set up for low latency. */

import type { HlsConfig } from 'hls.js';

/** `holdBackMs`: distance to the live edge; left out, the playlist's PART-HOLD-BACK counts. */
export function lowLatencyConfig(holdBackMs?: number): Partial<HlsConfig> {
  return {
    lowLatencyMode: true,
    ...(holdBackMs === undefined ? {} : { liveSyncDuration: holdBackMs / 1000 }),
    // A stall moves us back a little, not by a whole second as by default.
    liveSyncOnStallIncrease: 0.3,
    maxLiveSyncPlaybackRate: RATE_NEAR,
    liveDurationInfinity: true,
    // Live needs no past: bounded memory in a page left open for days.
    backBufferLength: 10,
    maxBufferLength: 10,
    maxMaxBufferLength: 20,
    startFragPrefetch: true,
    // Advertisements by playlist are not ours.
    enableInterstitialPlayback: false,
    // We read emsg from the parts ourselves, with the anchors.
    enableEmsgMetadataCues: false,
    enableID3MetadataCues: false,
    enableDateRangeMetadataCues: false,
  };
}

/** Near the live edge we hurry by 5 %, which nobody hears (sound keeps its pitch); farther behind, as after joining, by 10 %. */
export const RATE_NEAR = 1.05;
export const RATE_FAR = 1.1;
export const FAR_BEHIND_S = 0.3;

/** Farther than this behind where we should be: seek rather than hurry. */
export const SEEK_BEHIND_S = 2;

/** Closer to live than this before where we were asked to be: seek back. */
export const SEEK_AHEAD_S = 1;
