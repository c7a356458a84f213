/** Mute, ban, slow mode: asked over HTTP, since they are no events of somebody's own. */

import type { Ack } from '@unisono/client';
import type { Scene } from './use';

/** Spans are microseconds. */
export type Measure =
  | { readonly action: 'mute' | 'ban'; readonly person: string; readonly dur: number }
  | { readonly action: 'unmute' | 'unban'; readonly person: string }
  | { readonly action: 'slow'; readonly every: number };

/** Takes a measure. Answers as a command does, so that it is shown alike. From the server's own pages only: no other origin may ask. */
export async function moderate({ room, server, token }: Scene, measure: Measure): Promise<Ack> {
  return roomRequest({ room, server, token }, 'moderation', 'POST', measure);
}

/** Mutes and bans that stand, by person, with their end on the room's clock; microseconds. */
export interface Discipline {
  readonly muted: Readonly<Record<string, number>>;
  readonly banned: Readonly<Record<string, number>>;
  readonly slow: number;
}

/** What the room says of itself beside its feed; `null` where there is nothing, or this client may not know. */
export async function roomAnswer<T>({ room, server, token }: Scene, what: string): Promise<T | null> {
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  const response = await fetch(`${server}/api/v1/rooms/${room.name}/${what}`, { headers, cache: 'no-store' }).catch(() => null);
  if (response?.status !== 200) return null;
  return (await response.json().catch(() => null)) as T | null;
}

/** One request about the room, other than a command. */
export async function roomRequest({ room, server, token }: Scene, what: string, method: 'POST' | 'PUT' | 'DELETE', body?: unknown): Promise<Ack> {
  const response = await fetch(`${server}/api/v1/rooms/${room.name}/${what}`, {
    method,
    headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...(token && { authorization: `Bearer ${token}` }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  if (response.ok) return { cmd_id: '', status: 'accepted' };
  const problem = (await response.json().catch(() => ({}))) as { detail?: unknown; title?: unknown };
  const words = [problem.detail, problem.title].find((word): word is string => typeof word === 'string' && word !== '');
  return { cmd_id: '', status: 'forbidden', words: words ?? `The server answered ${response.status}` };
}
