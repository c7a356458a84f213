/** Who was late and why, for the host: the names are in the log alone. */

import type { FullTerms } from '@unisono/room/parts';
import { titleOf } from '@unisono/room/parts';
import { useState } from 'preact/hooks';
import { hostKey } from '../api';
import type { WindowRecord } from './history';
import { readLate, type Ends, type LateEntry } from './late';

export function LateList({ room, token, windows }: { room: string; token: string | null; windows: readonly WindowRecord[] }) {
  const [found, setFound] = useState<readonly LateEntry[] | null>(null);
  const [words, setWords] = useState('');
  const byId = new Map(windows.map((window) => [window.id, window]));
  const read = async () => {
    setWords('Reading the log …');
    const key = token ?? hostKey.get();
    const response = await fetch(`/api/v1/rooms/${room}/log`, { headers: key ? { authorization: `Bearer ${key}` } : {} }).catch(() => null);
    if (!response?.ok || !response.body) return setWords(refusal(response?.status));
    setFound(await readLate(response.body, (id) => endsOf(byId.get(id))));
    setWords('');
  };
  return (
    <section class="panel">
      <h2>Who was late, and why</h2>
      {found === null ? (
        <div class="row wrap">
          <span class="quiet">{words || 'Names and reasons are in the log, which is the host’s.'}</span>
          <button onClick={() => void read()}>Read the log</button>
        </div>
      ) : found.length === 0 ? (
        <p class="quiet">Nobody was late.</p>
      ) : (
        <ul class="late">
          {found.map(({ n, window, who, why }) => (
            <li key={n}>
              <b>{who}</b> {why}{' '}
              <span class="quiet">
                · {titleOf(byId.get(window)?.data ?? null)}, entry {n}
              </span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function refusal(status: number | undefined): string {
  if (status === 401 || status === 403) return 'Only a host may read it: open the host panel in this tab with your key first.';
  return status === undefined ? 'The server could not be reached.' : `The server answered ${status}.`;
}

function endsOf(window: WindowRecord | undefined): Ends | null {
  if (!window) return null;
  const { l_max: slowest = 6_000_000, uplink = 300_000 } = window.terms as FullTerms;
  return { closes: window.closes, lastArrival: window.closes + slowest + uplink };
}
