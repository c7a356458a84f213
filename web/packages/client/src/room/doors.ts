/** Where a room is: addresses that are tried in turn, and the token that opens them. */

import { errorFromResponse, UnisonoError } from '../errors';
import { Endpoints, type EndpointChange } from '../net/endpoints';
import { within } from '../net/signals';

/** A token, or whoever gives a fresh one: asked before each connection. */
export type TokenSource = string | (() => string | Promise<string>);

/** What a feed's address says: where to resume, who it is. */
export type FeedQuery = Readonly<Record<string, string | number | null | undefined>>;

const TOKEN = /^[A-Za-z0-9_.-]+$/;
const ROOM = /^([A-Za-z0-9_.-]{1,64})[:/]([A-Za-z0-9_.-]{1,64})$/;
const PROBE_MS = 10_000;
/** With other servers at hand. */
const PROBE_OF_SEVERAL_MS = 2000;

/** Reads `live:alice`, or the stream's own `live/alice`. */
export function roomName(room: string): string {
  const parts = ROOM.exec(room.trim().replace(/^\/+/, ''));
  if (!parts) throw new UnisonoError('refused', `“${room}” is not the name of a room (app:name) or stream (app/name)`);
  return `${parts[1]}:${parts[2]}`;
}

/** A server's origin, `https://host[:port]`; whatever stands behind it is left out. */
export function origin(endpoint: string): string {
  try {
    const url = new URL(endpoint);
    const protocol = url.protocol.replace(/^ws/, 'http');
    if (protocol === 'http:' || protocol === 'https:') return `${protocol}//${url.host}`;
  } catch {
    // Said below.
  }
  throw new UnisonoError('refused', `“${endpoint}” is not the address of a server (https://host)`);
}

/** The servers of a room, one after the other, from the one that worked last. */
export class Doors {
  #endpoints: Endpoints;

  /** `url`: one server, which is asked for the others; `endpoints`: all there are; `beginAt`: the one in use at first. */
  constructor(
    { url, endpoints, beginAt }: { readonly url?: string | undefined; readonly endpoints?: readonly string[] | undefined; readonly beginAt?: string | undefined },
    private readonly room: string,
  ) {
    const given = (endpoints ?? (url === undefined ? [] : [url])).map(origin);
    const [home] = given;
    if (home === undefined) throw new UnisonoError('refused', 'No address of a server was given');
    this.#endpoints = new Endpoints({ home, given: endpoints && given, beginAt });
  }

  get count(): number {
    return this.#endpoints.all.length;
  }

  /** The server of the moment. */
  get origin(): string {
    return this.#endpoints.current;
  }

  /** That one did not work. True if the next one was not tried lately, and is worth it at once. */
  next(): boolean {
    const endpoints = this.#endpoints;
    endpoints.failed(endpoints.current);
    const fresh = endpoints.alternative();
    const to = fresh ?? endpoints.soonest();
    if (to !== null) endpoints.moveTo(to, 'lost');
    return fresh !== null;
  }

  /** It refused us. True if its word is final; else the first one is asked again. */
  refused(): boolean {
    return this.#endpoints.refused(this.origin);
  }

  /** It works. */
  worked(): void {
    this.#endpoints.worked(this.origin);
  }

  /** The server of the moment asks to be left for one of these, or of those known. False where there is none. */
  leave(): boolean {
    const endpoints = this.#endpoints;
    endpoints.drained(endpoints.current);
    const to = endpoints.alternative();
    if (to !== null) endpoints.moveTo(to, 'draining');
    return to !== null;
  }

  /** Servers that somebody told of. */
  learn(nodes: readonly string[]): void {
    this.#endpoints.learn(nodes);
  }

  /** Asks for the others, now and then. */
  keep(signal: AbortSignal): Promise<void> {
    return this.#endpoints.keep(this.room.replace(':', '/'), signal);
  }

  onChange(listener: (change: EndpointChange) => void): () => void {
    return this.#endpoints.onChange(listener);
  }

  /** Address of the feed, `ws(s)://`. A browser's WebSocket has no headers: the token travels in the path. */
  feed(token: string | null, query: FeedQuery): string {
    return this.#events(token, query).replace(/^http/, 'ws');
  }

  /** Where commands are posted. */
  get commands(): string {
    return this.#at(null, 'commands');
  }

  /** Where a feed without WebSocket is read. */
  stream(token: string | null, query: FeedQuery): string {
    return this.#events(token, query);
  }

  /** Where those post their commands who have no WebSocket; a guest says who they are each time. */
  posting({ guest, name }: FeedQuery): string {
    return `${this.commands}${queryOf({ guest, name })}`;
  }

  /** Says its time. */
  get server(): string {
    return `${this.origin}/api/v1/server`;
  }

  /**
   * Why the feed was refused, which a WebSocket does not tell: the same is asked for as server-sent events. `welcome` if a reader would be let in,
   * `silent` if nobody answers.
   */
  async look(token: string | null, query: FeedQuery): Promise<UnisonoError | 'welcome' | 'silent'> {
    const enough = new AbortController();
    const patienceMs = this.count > 1 ? PROBE_OF_SEVERAL_MS : PROBE_MS;
    const signal = within(patienceMs, enough.signal);
    try {
      const response = await fetch(this.#events(token, query), { signal, cache: 'no-store', headers: { accept: 'text/event-stream' } });
      if (!response.ok) return await errorFromResponse(response);
      // What stands between may answer in the server's place.
      return response.headers.get('content-type')?.startsWith('text/event-stream') ? 'welcome' : 'silent';
    } catch {
      return 'silent';
    } finally {
      enough.abort();
    }
  }

  #events(token: string | null, query: FeedQuery): string {
    return `${this.#at(token, 'events')}${queryOf(query)}`;
  }

  #at(token: string | null, what: 'events' | 'commands'): string {
    const base = token === null ? this.origin : `${this.origin}/t/${token}`;
    return `${base}/api/v1/rooms/${this.room}/${what}`;
  }
}

/** `?name=value…` of what is said; empty for nothing. */
function queryOf(query: FeedQuery): string {
  const said = Object.entries(query).filter(([, value]) => value !== null && value !== undefined);
  const text = new URLSearchParams(said.map(([name, value]) => [name, String(value)])).toString();
  return text && `?${text}`;
}

/** The token to use now. */
export async function tokenOf(source: TokenSource | undefined): Promise<string | null> {
  const token = typeof source === 'function' ? await source() : source;
  if (token === undefined || token === '') return null;
  if (!TOKEN.test(token)) throw new UnisonoError('unauthorized', 'The token has characters that no token has');
  return token;
}
