/** The room's own report, `GET /api/v1/rooms/{room}/fairness`, which is a host's: what verifying the log as it is now found, and entries and wins by latency. */

export interface Deciles {
  /** The highest latency of each tenth, microseconds. */
  readonly latencyUs: readonly number[];
  readonly entries: readonly number[];
  readonly wins: readonly number[];
  /** `null`: too few wins to tell. */
  readonly chiSquare: number | null;
}

export interface Report {
  /** The first entry of the log that is not as it was written. */
  readonly bad: { readonly n: number; readonly why: string } | null;
  /** The last entry that was checked; `null` where the server does not say. */
  readonly lastN: number | null;
  readonly room: Deciles;
  /** By window id: entries that came too late, and those whose claim was out of bounds. */
  readonly windows: ReadonlyMap<string, { readonly late: number; readonly clamped: number; readonly deciles: Deciles | null }>;
}

type Item = Readonly<Record<string, unknown>>;

/** Over this a flat distribution comes by chance once in a hundred rooms: chi-square with nine degrees of freedom. */
export const CHI_SQUARE_LIMIT = 21.7;

/** Reads it; `null` if it is none. */
export function parseReport(value: unknown): Report | null {
  const { room, windows, bad, last_n: lastN } = (value ?? {}) as Item;
  const deciles = decilesOf(room);
  if (!deciles || !Array.isArray(windows)) return null;
  const known = windows.flatMap((item: Item | null) => {
    const { window, late, clamped } = item ?? {};
    return typeof window === 'string' ? [[window, { late: count(late), clamped: count(clamped), deciles: decilesOf(item?.deciles) }] as const] : [];
  });
  return { bad: badOf(bad), lastN: Number.isSafeInteger(lastN) ? (lastN as number) : null, room: deciles, windows: new Map(known) };
}

function badOf(value: unknown): Report['bad'] {
  const { n, why } = (value ?? {}) as Item;
  return typeof why === 'string' ? { n: count(n), why: why.slice(0, 300) } : null;
}

function decilesOf(value: unknown): Deciles | null {
  const { latency_us: latencyUs, entries, wins, chi_square: chiSquare } = (value ?? {}) as Item;
  if (!isCounts(latencyUs) || !isCounts(entries) || !isCounts(wins)) return null;
  return { latencyUs, entries, wins, chiSquare: typeof chiSquare === 'number' ? chiSquare : null };
}

/** What the figures say, for somebody who never met a chi-square. */
export function verdictOf({ chiSquare, wins, entries }: Deciles): string {
  const won = sum(wins);
  if (sum(entries) === 0) return 'Nobody has entered yet.';
  if (chiSquare === null) return `${won} ${won === 1 ? 'win' : 'wins'} so far: too few to tell whether latency decided anything. That takes 50.`;
  const figure = `chi-square ${chiSquare.toFixed(1)}, nine degrees of freedom`;
  return chiSquare <= CHI_SQUARE_LIMIT
    ? `Winning did not depend on latency: ${figure}; more than ${CHI_SQUARE_LIMIT} would come by chance once in a hundred rooms.`
    : `Wins are spread unevenly over latency: ${figure}; more than ${CHI_SQUARE_LIMIT} comes by chance once in a hundred rooms. Look at who entered when.`;
}

export function sum(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0);
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.length <= 100 && value.every((item) => Number.isFinite(item));
}

function count(value: unknown): number {
  return Number.isSafeInteger(value) ? (value as number) : 0;
}
