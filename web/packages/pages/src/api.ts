/** The control API, as far as the pages use it. */

import { UnisonoError } from '@unisono/client';

export interface TrackView {
  readonly kind: 'video' | 'audio';
  readonly codec: string;
  readonly width?: number;
  readonly height?: number;
  readonly reordered?: boolean;
}

export interface StreamView {
  /** `app/name` */
  readonly name: string;
  readonly state: 'live' | 'lost';
  readonly protocol?: string;
  readonly epoch?: number;
  readonly viewers: { readonly webrtc: number; readonly hls: number };
  readonly tracks: readonly TrackView[];
  readonly notes: readonly string[];
  /** What is wrong with it; from servers that say so. */
  readonly diagnosis?: readonly Diagnosis[];
}

export interface Diagnosis {
  readonly code: string;
  /** `info`, `warning` or `error`. */
  readonly severity: string;
  /** For a person: what it is and what helps. */
  readonly words: string;
}

const ADMIN_KEY = 'unisono-admin-key';

/** The admin key of this tab. From the server's own machine none is needed. */
export const adminKey = {
  get: () => sessionStorage.getItem(ADMIN_KEY) ?? '',
  set: (key: string) => (key ? sessionStorage.setItem(ADMIN_KEY, key) : sessionStorage.removeItem(ADMIN_KEY)),
};

const HOST_KEY = 'unisono-host-key';

/** What opens the host panel in this tab: the admin key, or a token that grants `host`. */
export const hostKey = {
  get: () => sessionStorage.getItem(HOST_KEY) ?? adminKey.get(),
  set: (key: string) => {
    sessionStorage.setItem(HOST_KEY, key);
    if (key.startsWith('ak_')) adminKey.set(key);
  },
};

/** GET of a JSON document. The admin key goes to this page's own server only: another node's address came from a list. Throws {@link UnisonoError}. */
export async function getJson<T>(path: string, signal: AbortSignal): Promise<T> {
  const key = new URL(path, location.href).origin === location.origin ? adminKey.get() : '';
  let response: Response;
  try {
    response = await fetch(path, { signal, cache: 'no-store', headers: key ? { authorization: `Bearer ${key}` } : {} });
  } catch {
    throw new UnisonoError('network', 'The server could not be reached');
  }
  if (response.status === 401 || response.status === 403) throw new UnisonoError('unauthorized', 'This needs the admin key.', response.status);
  if (response.status === 404) throw new UnisonoError('absent', 'Not there', 404);
  if (!response.ok) throw new UnisonoError('network', `The server answered ${response.status}`, response.status);
  return (await response.json()) as T;
}
