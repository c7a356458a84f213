/** The newest events over the picture, for a few seconds. */

import type { Applied, RoomEvent } from '@unisono/client';
import { titleOf } from '@unisono/room/parts';
import { useEffect, useState } from 'preact/hooks';
import { dataWords } from '../parts/words';

const SHOWN_MS = 4000;
const AT_ONCE = 3;

/** Lanes that the panel beside the picture shows. */
const TALK: ReadonlySet<string> = new Set(['chat', 'question', 'moderation', 'reaction']);

/** What is worth saying over the picture: what somebody told everybody, and what begins. */
export function isToast({ lane, rule, cancels, supersedes }: RoomEvent): boolean {
  if (rule) return rule.is === 'opened' || rule.is === 'offered' || rule.is === 'shown';
  return !TALK.has(lane) && cancels === undefined && supersedes === undefined;
}

export function Toasts({ log }: { log: readonly Applied[] }) {
  const [expired, setExpired] = useState<ReadonlySet<string>>(new Set());
  const newest = log.filter(({ event, shown }) => shown && isToast(event)).slice(0, AT_ONCE);
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
          <b>{event.type.replace(/\.opened$|\.offered$/, '')}</b>
          {event.data !== null && <span>{event.rule ? titleOf(event.data) : dataWords(event.data)}</span>}
        </div>
      ))}
    </div>
  );
}
