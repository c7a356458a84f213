/** Who was late and why, from the log that a host may read. Pure but for the reader. */

export interface LateEntry {
  readonly n: number;
  readonly window: string;
  readonly who: string;
  readonly why: string;
}

/** Terms of a window, with the T_c that counted when it was decided. */
export interface Ends {
  readonly closes: number;
  readonly lastArrival: number;
}

type Item = Readonly<Record<string, unknown>>;

/** More than anybody reads; the log has them all. */
const LATE_MAX = 500;
/** A line of the log is far shorter. */
const LINE_MAX = 1024 * 1024;

/** One line of an exported log, if it is a late entry. */
export function lateOf(line: string, ends: (window: string) => Ends | null): LateEntry | null {
  if (!line.includes('"is_late":true')) return null;
  try {
    const { entry } = JSON.parse(line) as { entry?: { n?: unknown; entry?: Item } };
    const body = ((entry?.entry as Item)?.body ?? {}) as Item;
    const said = (body.hidden ?? body.event ?? body) as Item;
    const rule = (said.rule ?? {}) as Item;
    if (rule.is !== 'entered' || rule.is_late !== true || typeof rule.window !== 'string') return null;
    const person = (said.person ?? said.actor ?? {}) as Item;
    const who = [person.name, person.id].find((word): word is string => typeof word === 'string') ?? 'somebody who was erased';
    return { n: Number(entry?.n ?? 0), window: rule.window, who, why: whyOf(rule, ends(rule.window)) };
  } catch {
    return null;
  }
}

/** In words: what they saw, and when it came. */
function whyOf(rule: Item, ends: Ends | null): string {
  if (!ends) return 'after the end';
  const seen = Number(rule.t_seen);
  const received = Number(((rule.witness ?? {}) as Item).received);
  const claim = rule.is_clamped === true ? ' (their claim was out of its bounds)' : '';
  if (Number.isFinite(received) && received > ends.lastArrival) return `arrived ${seconds(received - ends.lastArrival)} after the slowest viewer’s last click had arrived${claim}`;
  if (Number.isFinite(seen) && seen >= ends.closes) return `saw a picture ${seconds(seen - ends.closes)} past the end when they entered${claim}`;
  return `arrived after everybody’s time was over${claim}`;
}

function seconds(us: number): string {
  return `${(us / 1e6).toFixed(2)} s`;
}

/** Reads a log as it comes, never all of it at once. */
export async function readLate(body: ReadableStream<Uint8Array>, ends: (window: string) => Ends | null): Promise<LateEntry[]> {
  const found: LateEntry[] = [];
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    const lines = (rest + decoder.decode(value, { stream: !done })).split('\n');
    rest = (lines.pop() ?? '').slice(0, LINE_MAX);
    for (const line of lines) {
      const late = lateOf(line, ends);
      if (late) found.push(late);
    }
    if (done || found.length >= LATE_MAX) break;
  }
  await reader.cancel().catch(() => undefined);
  return found.slice(0, LATE_MAX);
}
