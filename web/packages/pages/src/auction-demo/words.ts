/** What panes tell the page they are in, and how the page reads it. */

import { money } from '@unisono/room/parts';

/** The demo's stream has 30 frames a second. */
export const FRAME_US = 1e6 / 30;

/** A pane has shown an event, or says how it is. */
export type PaneWord =
  | { readonly pane: string; readonly kind: 'told'; readonly type: string; readonly at: number; readonly t: number; readonly latenessUs: number; readonly isBound: boolean }
  | { readonly pane: string; readonly kind: 'state'; readonly phase: string; readonly latencyMs: number | null; readonly stalls: number };

/** Frames between the first one that should show an event and the one that did; 0 is the same frame. */
export function frameError(latenessUs: number): number {
  return Math.max(0, Math.floor(latenessUs / FRAME_US));
}

/** Reads a message of a pane's; anything may send messages to a window. */
export function paneWord(data: unknown): PaneWord | null {
  if (typeof data !== 'object' || data === null) return null;
  const { pane, kind } = data as Record<string, unknown>;
  return typeof pane === 'string' && (kind === 'told' || kind === 'state') ? (data as PaneWord) : null;
}

/** As the room's own panel writes it. */
export const euros = (cents: number): string => money(cents, 'EUR');
