/** The dial between latency and smoothness, in words or milliseconds. */

import type { Line } from './choice';

/** `lowest`: as close to live as protocol and network allow. `balanced` rides over short gaps, `stable` over bad links. */
export type Dial = 'lowest' | 'balanced' | 'stable';

/** Milliseconds to hold back beyond what is needed; LL-HLS counts from the live edge, of which its own parts already take two thirds of a second. */
const HOLD_BACK_MS: Record<Dial, Record<Line, number | null>> = {
  lowest: { webrtc: null, hls: null },
  balanced: { webrtc: 250, hls: 2500 },
  stable: { webrtc: 1000, hls: 6000 },
};

export const DIALS = [
  { value: 'lowest', label: 'Lowest' },
  { value: 'balanced', label: 'Balanced' },
  { value: 'stable', label: 'Stable' },
] as const satisfies readonly { readonly value: Dial; readonly label: string }[];

/** The `latency` attribute: a word, or milliseconds; anything else is `lowest`. */
export function parseDial(value: string | null): Dial | number {
  const word = value?.trim() ?? '';
  if (word === 'balanced' || word === 'stable') return word;
  const ms = word === '' ? NaN : Number(word);
  return Number.isFinite(ms) && ms >= 0 ? Math.min(ms, 60_000) : 'lowest';
}

/** What the dial asks of `line`; `null`: as little as it allows. */
export function holdBack(dial: Dial | number, line: Line): number | null {
  return typeof dial === 'number' ? dial : HOLD_BACK_MS[dial][line];
}
