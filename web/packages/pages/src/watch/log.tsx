/** Events as they were applied, newest first. */

import type { Applied } from '@unisono/client';
import { dataWords, milliseconds, timeOfDay } from '../parts/words';

const NEGLIGIBLE_US = 70_000;

const WIRES = { datachannel: 'data channel', emsg: 'emsg', feed: 'feed' } as const;

/** `joinedAt`: T of the first frame shown here. */
export function EventLog({ log, joinedAt }: { log: readonly Applied[]; joinedAt: number | null }) {
  return (
    <section class="panel log">
      <h2>Events</h2>
      {log.length === 0 ? (
        <p class="quiet">Each event appears on the frame it belongs to, on every protocol. Send one below.</p>
      ) : (
        <ol tabIndex={0} aria-label="Events, newest first">
          {log.map((applied) => (
            <Entry key={applied.event.id} applied={applied} isHistory={joinedAt !== null && applied.event.at < joinedAt} />
          ))}
        </ol>
      )}
    </section>
  );
}

function Entry({ applied, isHistory }: { applied: Applied; isHistory: boolean }) {
  const { event, t, frameLatenessUs, isLate, shown, via } = applied;
  // Less than two frames late is what "now" means: the event came while its frame was on screen.
  const isTooLate = isLate && !isHistory && frameLatenessUs > NEGLIGIBLE_US;
  const late = `${milliseconds(frameLatenessUs / 1000)} late`;
  const onTime = `+${(frameLatenessUs / 1000).toFixed(1)} ms`;
  return (
    <li class={shown ? '' : 'unshown'}>
      <div class="row">
        <b class="type">{event.type}</b>
        <span class={isTooLate ? 'lateness late' : 'lateness'} title={`Shown on the frame with T = ${t}; the event is bound to ${event.at}`}>
          {isHistory ? 'before you joined' : isTooLate ? late : onTime}
        </span>
      </div>
      {event.data !== null && <p class="data">{dataWords(event.data)}</p>}
      <p class="quiet tiny">
        {timeOfDay(event.at)} · #{event.seq} · {WIRES[via]}
        {shown ? '' : ' · not shown'}
      </p>
    </li>
  );
}
