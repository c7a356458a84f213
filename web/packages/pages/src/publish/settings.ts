/** What the page publishes, from its address and from the person. */

import type { SourceOptions } from '@unisono/client';

export type Kind = SourceOptions['kind'];

export const HEIGHTS = [360, 540, 720, 1080] as const;

export interface Settings {
  readonly kind: Kind;
  readonly height: number;
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
  return {
    kind: kind === 'screen' || kind === 'pattern' ? kind : 'camera',
    height: (HEIGHTS as readonly number[]).includes(height) ? height : 720,
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

export function sourceOptions({ kind, height, cameraId, microphoneId }: Settings): SourceOptions {
  return {
    kind,
    width: Math.round((height * 16) / 9),
    height,
    fps: 30,
    ...(cameraId ? { cameraId } : {}),
    ...(microphoneId ? { microphoneId } : {}),
  };
}

/** Enough for motion at 30 frames a second. */
export function videoBitrate(height: number): number {
  return { 360: 1_000_000, 540: 2_000_000, 720: 3_500_000, 1080: 6_000_000 }[height] ?? 3_500_000;
}
