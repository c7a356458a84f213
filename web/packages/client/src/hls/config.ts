/** How hls.js is set up for low latency. */

import type { HlsConfig } from 'hls.js';

/** `holdBackMs`: distance to the live edge; left out, the playlist's PART-HOLD-BACK counts. */
export function lowLatencyConfig(holdBackMs?: number): Partial<HlsConfig> {
  return {
    lowLatencyMode: true,
    ...(holdBackMs === undefined ? {} : { liveSyncDuration: holdBackMs / 1000 }),
    // A stall moves us back a little, not by a whole second as by default.
    liveSyncOnStallIncrease: 0.3,
    // hls.js steps by 0.05: sound keeps its pitch, and nobody hears 5 %.
    maxLiveSyncPlaybackRate: 1.05,
    liveDurationInfinity: true,
    // Live needs no past: bounded memory in a page left open for days.
    backBufferLength: 10,
    maxBufferLength: 10,
    maxMaxBufferLength: 20,
    startFragPrefetch: true,
    // The browser's own decoding gap handling suffices; no interstitials, subtitles or DRM here.
    enableInterstitialPlayback: false,
    // We read emsg from the parts ourselves, with the anchors.
    enableEmsgMetadataCues: false,
    enableID3MetadataCues: false,
    enableDateRangeMetadataCues: false,
  };
}

/** Farther than this behind where we should be: seek rather than hurry. */
export const SEEK_BEHIND_S = 2;
