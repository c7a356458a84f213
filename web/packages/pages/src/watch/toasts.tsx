/** The newest events over the picture, for a few seconds. */

import type { Applied } from '@unisono/client';
import { useEffect, useState } from 'preact/hooks';
import { dataWords } from '../parts/words';

const SHOWN_MS = 4000;
const AT_ONCE = 3;

export function Toasts({ log }: { log: readonly Applied[] }) {
  const [expired, setExpired] = useState<ReadonlySet<string>>(new Set());
  const newest = log.filter(({ shown }) => shown).slice(0, AT_ONCE);
  const newestId = newest[0]?.event.id;
  useEffect(() => {
    if (!newestId) return;
    const timer = setTimeout(() => setExpired((old) => new Set([...[...old].slice(-AT_ONCE), newestId])), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [newestId]);
  // Once an event has had its time, so have those before it.
  const end = newest.findIndex(({ event }) => expired.has(event.id));
  return (
    <div class="toasts" aria-live="polite">
      {newest.slice(0, end < 0 ? AT_ONCE : end).map(({ event }) => (
        <div class="toast" key={event.id}>
          <b>{event.type}</b>
          {event.data !== null && <span>{dataWords(event.data)}</span>}
        </div>
      ))}
    </div>
  );
}
