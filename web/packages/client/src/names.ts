/** Stream names and the addresses that follow from them. */

export interface StreamName {
  readonly app: string;
  readonly name: string;
}

const PART = /^[A-Za-z0-9_.-]{1,64}$/;
const RESERVED = new Set(['api', 'rooms', 'console', 'metrics', 'healthz', 'readyz', 'assets', 't']);

/** Reads `live/alice`, `/live/alice` or `/live/alice/publish`; `null` if that is not the name of a stream. */
export function parseStream(path: string): StreamName | null {
  const [app, name, ...rest] = path.replace(/^\/+|\/+$/g, '').split('/');
  if (!app || !name || rest.length > 1 || !PART.test(app) || !PART.test(name) || RESERVED.has(app)) return null;
  return { app, name };
}

/** A stream's address as people pass it on: with a token in its path (`/t/{token}/live/alice`) or behind `#token=`, or without one. */
export function parseAddress(address: URL): { readonly stream: StreamName | null; readonly token: string | null } {
  const inPath = /^\/t\/([A-Za-z0-9_.-]+)(\/.*)$/.exec(address.pathname);
  const token = inPath?.[1] ?? new URLSearchParams(address.hash.replace(/^#/, '')).get('token');
  return { stream: parseStream(inPath?.[2] ?? address.pathname), token: token && TOKEN.test(token) ? token : null };
}

const TOKEN = /^[A-Za-z0-9_.-]+$/;

export interface StreamUrls {
  readonly watch: string;
  readonly publish: string;
  readonly whep: string;
  readonly whip: string;
  readonly hls: string;
  readonly status: string;
  readonly events: string;
  /** The WebSocket feed of the stream's room. */
  readonly feed: string;
  /** What the server says of itself, its clock among it. */
  readonly server: string;
}

/** Every address of a stream on the server at `origin` (`https://host[:port]`). A viewer's `token` goes into the paths of what needs one. */
export function streamUrls({ app, name }: StreamName, origin: string, token: string | null = null): StreamUrls {
  const base = origin.replace(/\/+$/, '');
  const stream = `${base}/${app}/${name}`;
  const viewing = token ? `${base}/t/${token}` : base;
  const events = `${viewing}/api/v1/rooms/${app}:${name}/events`;
  return {
    watch: stream,
    publish: `${stream}/publish`,
    whep: `${viewing}/${app}/${name}/whep`,
    whip: `${stream}/whip`,
    hls: `${viewing}/${app}/${name}/index.m3u8`,
    status: `${viewing}/api/v1/streams/${app}/${name}`,
    events,
    feed: events.replace(/^http/, 'ws'),
    server: `${base}/api/v1/server`,
  };
}
