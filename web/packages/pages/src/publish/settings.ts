/** What the page publishes, from its address and from the person. */

import type { SourceOptions } from '@unisono/client';

export type Kind = SourceOptions['kind'];

export const HEIGHTS = [360, 540, 720, 1080] as const;
export const RATES = [15, 24, 30, 60] as const;
export const BITRATES_KBPS = [500, 1000, 2000, 3500, 6000, 10_000] as const;

export interface Settings {
  readonly kind: Kind;
  readonly height: number;
  readonly fps: number;
  /** kbit/s of the picture; 0: what suits size and rate. */
  readonly bitrateKbps: number;
  /** Empty: the server's and the browser's best, H.264 where there is one. */
  readonly codec: string;
  readonly cameraId: string;
  readonly microphoneId: string;
  readonly key: string;
}

const KEY = 'unisono-publish-key';

/**
 * `?source=pattern&height=360` chooses, `#key=pk_…` brings the key. The key leaves the address bar at once, so that neither a screen share nor
 * a copied link gives it away; this tab remembers it.
 */
export function settingsOfAddress(): Settings {
  const query = new URLSearchParams(location.search);
  const fragment = new URLSearchParams(location.hash.slice(1));
  const brought = fragment.get('key');
  if (brought) {
    rememberKey(brought);
    history.replaceState(null, '', location.pathname + location.search);
  }
  const kind = query.get('source');
  const height = Number(query.get('height'));
  const fps = Number(query.get('fps'));
  const bitrate = Number(query.get('bitrate'));
  return {
    kind: kind === 'screen' || kind === 'pattern' ? kind : 'camera',
    height: (HEIGHTS as readonly number[]).includes(height) ? height : 720,
    fps: (RATES as readonly number[]).includes(fps) ? fps : 30,
    bitrateKbps: Number.isFinite(bitrate) ? Math.min(Math.max(Math.round(bitrate), 0), 50_000) : 0,
    codec: /^[A-Za-z0-9]{1,8}$/.test(query.get('codec') ?? '') ? query.get('codec')! : '',
    cameraId: '',
    microphoneId: '',
    key: sessionStorage.getItem(KEY) ?? '',
  };
}

/** `?start` begins without a click. */
export function startsByItself(): boolean {
  return new URLSearchParams(location.search).has('start');
}

export function rememberKey(key: string): void {
  sessionStorage.setItem(KEY, key);
}

export function sourceOptions({ kind, height, fps, cameraId, microphoneId }: Settings): SourceOptions {
  return {
    kind,
    width: Math.round((height * 16) / 9),
    height,
    fps,
    ...(cameraId ? { cameraId } : {}),
    ...(microphoneId ? { microphoneId } : {}),
  };
}

/** Bits per second: the chosen ones, or enough for motion at 30 frames a second, half as many again at 60. */
export function videoBitrate({ bitrateKbps, height, fps }: Pick<Settings, 'bitrateKbps' | 'height' | 'fps'>): number {
  if (bitrateKbps > 0) return bitrateKbps * 1000;
  const usual = { 360: 1_000_000, 540: 2_000_000, 720: 3_500_000, 1080: 6_000_000 }[height] ?? 3_500_000;
  return fps > 30 ? usual * 1.5 : usual;
}
