/** What the overlay's address asks for. */

/** Lanes with a face here; `all` shows every lane. */
export const LANES = ['chat', 'question', 'poll', 'reaction', 'alert', 'round', 'auction', 'caption'] as const;
export type OverlayLane = (typeof LANES)[number];

export interface Options {
  readonly lanes: ReadonlySet<string>;
  /** Messages at once; older ones leave. */
  readonly limit: number;
  /** Size of everything, 1 is 100 %. */
  readonly scale: number;
  /** How long a message stays, milliseconds; 0: until `limit` pushes it out. */
  readonly stayMs: number;
  /** Milliseconds by which the overlay runs behind the server's clock: what the picture under it is behind. Negative: ahead of it. */
  readonly delayMs: number;
  readonly align: 'left' | 'right';
}

/** People write plurals. */
const ALIASES: Record<string, string> = { reactions: 'reaction', questions: 'question', polls: 'poll', alerts: 'alert', rounds: 'round', auctions: 'auction', captions: 'caption' };

export function optionsOf(query: URLSearchParams): Options {
  const wanted = (query.get('lanes') ?? '').split(',').map((lane) => lane.trim().toLowerCase());
  const named = wanted.map((lane) => ALIASES[lane] ?? lane).filter((lane) => (LANES as readonly string[]).includes(lane));
  return {
    lanes: new Set(named.length > 0 ? named : LANES),
    limit: Math.round(number(query.get('limit'), 6, 1, 50)),
    scale: number(query.get('scale'), 1, 0.25, 6),
    stayMs: number(query.get('stay'), 20, 0, 86_400) * 1000,
    delayMs: number(query.get('delay'), 0, -10_000, 60_000),
    align: query.get('align') === 'right' ? 'right' : 'left',
  };
}

/** Within bounds; `usual` for anything that is no number. */
function number(text: string | null, usual: number, least: number, most: number): number {
  const value = text === null || text.trim() === '' ? NaN : Number(text);
  return Number.isFinite(value) ? Math.min(Math.max(value, least), most) : usual;
}
