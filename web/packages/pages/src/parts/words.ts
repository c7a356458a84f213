/** Figures and states as people say them. */

import type { StreamView, TrackView } from '../api';

const SOURCES: Record<string, string> = { rtmp: 'RTMP', whip: 'WHIP', demo: 'built-in demo' };

export function sourceWords({ protocol }: StreamView): string {
  return protocol ? (SOURCES[protocol] ?? protocol.toUpperCase()) : 'no publisher';
}

export function trackWords(track: TrackView): string {
  const size = track.width && track.height ? ` ${track.width}×${track.height}` : '';
  return `${track.codec}${size}`;
}

export function viewerWords({ viewers }: StreamView): string {
  const all = viewers.webrtc + viewers.hls;
  // HLS players are counted by their requests.
  const about = viewers.hls > 0 ? '≈ ' : '';
  return all === 1 ? `${about}1 viewer` : `${about}${all} viewers`;
}

export function milliseconds(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(ms < 9950 ? 2 : 0)} s`;
}

export function bitrate(bitsPerSecond: number): string {
  return bitsPerSecond < 1e6 ? `${Math.round(bitsPerSecond / 1000)} kbit/s` : `${(bitsPerSecond / 1e6).toFixed(2)} Mbit/s`;
}

/** The same for a round figure. */
export function roundBitrate(bitsPerSecond: number): string {
  return bitsPerSecond < 1e6 ? `${bitsPerSecond / 1000} kbit/s` : `${bitsPerSecond / 1e6} Mbit/s`;
}

/** With a capital letter, as the first word over a page. */
export function capital(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** T (microseconds) as time of day with milliseconds. */
export function timeOfDay(t: number): string {
  const date = new Date(t / 1000);
  const two = (n: number) => String(n).padStart(2, '0');
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, '0')}`;
}

/** An event's data on one line: the text of it if it is that, else its fields. */
export function dataWords(data: unknown): string {
  if (data === null || data === undefined) return '';
  if (typeof data === 'string') return data;
  if (typeof data === 'object' && !Array.isArray(data)) {
    const { name, text } = data as { name?: unknown; text?: unknown };
    if (typeof name === 'string' && typeof text === 'string') return `${name}: ${text}`;
    const entries = Object.entries(data);
    if (entries.length === 1 && typeof entries[0]![1] !== 'object') return String(entries[0]![1]);
    return entries.map(([key, value]) => `${key}: ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`).join(' · ');
  }
  return JSON.stringify(data);
}
