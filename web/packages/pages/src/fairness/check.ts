/** Results computed again in this browser, from public events alone. What is hidden until the end stays for `unisono verify`. */

import type { Entry, WindowRecord } from './history';

export interface Check {
  readonly is: 'good' | 'bad' | 'unknown';
  readonly words: string;
}

/** What can be told of a decided window; nothing before. */
export async function checksOf(window: WindowRecord): Promise<Check[]> {
  const { outcome, terms } = window;
  if (!outcome) return [];
  // Browsers have it on https and on the server's own machine only.
  if (!globalThis.crypto?.subtle) return [{ is: 'unknown', words: 'Open this page by https to check seed and result here.' }];
  return [await seedCheck(outcome.seed, terms.seed_digest), await resultCheck(window)];
}

async function seedCheck(seed: string, digest: string | undefined): Promise<Check> {
  const bytes = unhex(seed);
  if (!bytes || digest === undefined) return { is: 'unknown', words: 'The seed is not there to be checked.' };
  const isSame = hex(await sha256(bytes)) === digest.toLowerCase();
  return isSame
    ? { is: 'good', words: 'The seed that splits equal entries was fixed before anybody entered: its SHA-256 is what the opening said.' }
    : { is: 'bad', words: 'The seed told at the end is not the one whose SHA-256 the opening said.' };
}

async function resultCheck({ outcome, terms, entries, isCut }: WindowRecord): Promise<Check> {
  if (terms.is_sealed) return { is: 'unknown', words: 'Entries are sealed: whoever has the log counts them again with unisono verify.' };
  if (outcome?.result.by !== 'highest') return { is: 'unknown', words: 'Counted again by unisono verify.' };
  if (isCut || entries.length !== outcome.entries) return { is: 'unknown', words: 'Not all entries are kept by this server any more; the log has them.' };
  const winner = await winnerOf(entries, outcome.seed);
  const amount = winner?.value ?? 0;
  const who = winner?.name ? ` by ${winner.name}` : '';
  return amount === outcome.result.amount
    ? { is: 'good', words: `Computed again here from ${entries.length} public entries: the same result${who}.` }
    : { is: 'bad', words: `Computed again here, the highest of ${entries.length} public entries is ${amount}, not ${outcome.result.amount}.` };
}

/** The highest amount; of equal ones the least SHA-256(seed, cmd_id). */
export async function winnerOf(entries: readonly Entry[], seed: string): Promise<Entry | null> {
  const most = entries.reduce((highest, { value }) => Math.max(highest, value), 0);
  const equal = entries.filter(({ value }) => value === most);
  if (equal.length <= 1) return equal[0] ?? null;
  const bytes = unhex(seed) ?? new Uint8Array();
  const keyed = await Promise.all(equal.map(async (entry) => ({ entry, key: hex(await sha256(new Uint8Array([...bytes, ...(unhex(entry.cause.replaceAll('-', '')) ?? [])]))) })));
  return keyed.sort((a, b) => (a.key < b.key ? -1 : 1))[0]!.entry;
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
}

function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

function unhex(text: string): Uint8Array<ArrayBuffer> | null {
  if (!/^([0-9a-f]{2})+$/i.test(text)) return null;
  return new Uint8Array(text.match(/../g)!.map((pair) => Number.parseInt(pair, 16)));
}
