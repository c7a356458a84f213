/** The statistics as lines of name and value. */

import type { Figures, Stats } from '@unisono/client';

export type Row = readonly [name: string, value: string];

const PROTOCOLS: Record<Stats['protocol'], string> = { webrtc: 'WebRTC (WHEP)', hls: 'LL-HLS', 'hls-native': 'HLS, the browser’s own' };

/** `latencyMs`: a steadier one than the single frame's in `stats`, where there is one. */
export function rows(stats: Stats, figures: Figures, latencyMs: number | null = stats.latencyMs): Row[] {
  const codecs = [figures.videoCodec, figures.audioCodec].filter((codec) => codec !== null);
  const all: [string, string | null][] = [
    ['Protocol', PROTOCOLS[stats.protocol]],
    ['Latency', latencyMs === null ? null : `${stats.isExact ? '' : '≈ '}${milliseconds(Math.max(latencyMs, 0))}`],
    ['Picture', stats.width ? `${stats.width}×${stats.height}` : null],
    ['Frame rate', stats.width ? `${stats.framesPerSecond} fps` : null],
    ['Codecs', codecs.length ? codecs.join(', ') : null],
    ['Bitrate', figures.bitsPerSecond === null ? null : bitrate(figures.bitsPerSecond)],
    [stats.protocol === 'webrtc' ? 'Jitter buffer' : 'Loaded ahead', figures.bufferMs === null ? null : milliseconds(figures.bufferMs)],
    ['Jitter', figures.jitterMs === null ? null : milliseconds(figures.jitterMs)],
    ['Loss', figures.loss === null ? null : `${(figures.loss * 100).toFixed(1)} %`],
    ['Round trip', figures.roundTripMs === null ? null : milliseconds(figures.roundTripMs)],
    ['Dropped frames', figures.droppedFrames === null ? null : String(figures.droppedFrames)],
    ['Stalls', String(stats.stalls)],
  ];
  return all.filter((row): row is [string, string] => row[1] !== null);
}

function milliseconds(ms: number): string {
  return ms < 1000 ? `${ms < 9.95 && ms > 0 ? ms.toFixed(1) : Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

function bitrate(bitsPerSecond: number): string {
  return bitsPerSecond < 1e6 ? `${Math.round(bitsPerSecond / 1000)} kbit/s` : `${(bitsPerSecond / 1e6).toFixed(2)} Mbit/s`;
}
