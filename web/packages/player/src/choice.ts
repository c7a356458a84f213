/** Which protocol to play by, and when to leave it. */

import type { FailureKind } from '@unisono/client';

export type Mode = 'auto' | 'webrtc' | 'hls';
export type Line = 'webrtc' | 'hls';

export function parseMode(value: string | null): Mode {
  return value === 'webrtc' || value === 'hls' ? value : 'auto';
}

/** Where to begin. */
export function firstLine(mode: Mode): Line {
  return mode === 'hls' ? 'hls' : 'webrtc';
}

/** What another protocol may mend. A key that is missing is missing there too, and one waits for a publisher on either. */
const MENDABLE: ReadonlySet<FailureKind> = new Set(['not-acceptable', 'refused', 'unreachable', 'unsupported']);

/** The line to fall to after `failure` on `line`; `null` to stay and say so. A forced protocol is never left. */
export function fallback(mode: Mode, line: Line, failure: FailureKind): Line | null {
  if (mode !== 'auto' || line === 'hls') return null;
  return MENDABLE.has(failure) ? 'hls' : null;
}

