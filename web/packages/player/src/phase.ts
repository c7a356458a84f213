/** What playback looks like to a person: the SDK's states, and what they mean at this moment. */

import type { FailureKind, State } from '@unisono/client';

export type Phase =
  /** This device has no network. */
  | 'offline'
  /** Nobody publishes yet; asking again. */
  | 'waiting'
  | 'connecting'
  | 'playing'
  /** Connected, but no new picture. */
  | 'stalled'
  | 'reconnecting'
  /** Was live here, and is not any more; it goes on by itself if it comes back. */
  | 'ended'
  /** A token is missing, wrong, or over. */
  | 'refused'
  /** It cannot be played here. */
  | 'failed';

/** What the phase follows from. */
export interface Situation {
  readonly state: State;
  /** A picture or sound of this stream has been played before. */
  readonly hasPlayed: boolean;
  /** `navigator.onLine`. */
  readonly isOnline: boolean;
  /** Why it failed, if it did. */
  readonly failure: FailureKind | null;
}

export function phaseOf({ state, hasPlayed, isOnline, failure }: Situation): Phase {
  switch (state) {
    case 'failed':
      return failure === 'unauthorized' ? 'refused' : 'failed';
    case 'playing':
      return 'playing';
    case 'waiting':
      if (!isOnline) return 'offline';
      return hasPlayed ? 'ended' : 'waiting';
    case 'connecting':
    case 'reconnecting':
    case 'stalled':
      return isOnline ? state : 'offline';
    case 'closed':
      return 'connecting';
  }
}

export const HEADLINES: Record<Phase, string> = {
  offline: 'You are offline',
  waiting: 'Not live yet',
  connecting: 'Connecting',
  playing: 'Live',
  stalled: 'Waiting for the next picture',
  reconnecting: 'Reconnecting',
  ended: 'The stream has ended',
  refused: 'You cannot watch this',
  failed: 'This cannot be played here',
};

/** The second line: what the server said, or what happens next. */
export function explanation(phase: Phase, words: string): string {
  switch (phase) {
    case 'offline':
      return 'It goes on as soon as this device has a network again.';
    case 'waiting':
      return `${sentence(words)} It starts here by itself.`.trim();
    case 'ended':
      return 'If it comes back, it goes on here by itself.';
    case 'refused':
    case 'failed':
      return sentence(words);
    case 'reconnecting':
      return /coming back/i.test(words) ? '' : sentence(words);
    default:
      return '';
  }
}

/** With a capital letter and a full stop. */
function sentence(words: string): string {
  const trimmed = words.trim();
  if (!trimmed) return '';
  return `${trimmed.charAt(0).toUpperCase()}${trimmed.slice(1)}${/[.!?…]$/.test(trimmed) ? '' : '.'}`;
}
