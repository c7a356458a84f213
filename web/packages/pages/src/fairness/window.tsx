/** One window: what came out, under which terms, and what this browser could check of it. */

import { capital, choicesOf, disclosure, money, percents, spanWords, textOf, titleOf } from '@unisono/room/parts';
import { useEffect, useState } from 'preact/hooks';
import { Pill } from '../parts/frame';
import { checksOf, type Check } from './check';
import type { WindowRecord } from './history';

/** What the room's report says of it. */
export interface Figures {
  readonly late: number;
  readonly clamped: number;
}

export function Window({ window, figures }: { window: WindowRecord; figures: Figures | null }) {
  const { data, type, terms, outcome, extensions, isShortened } = window;
  const { short, rule } = disclosure(terms, null);
  const late = figures?.late ?? outcome?.late ?? null;
  const moved = [extensions > 0 && `the end was moved ${extensions === 1 ? 'once' : `${extensions} times`}, by entries in the last seconds`, isShortened && 'the host ended it early'].filter(Boolean);
  return (
    <article class="panel window" data-window={window.id}>
      <header class="row wrap">
        <h3>{titleOf(data)}</h3>
        <span class="quiet">
          {type} · <time dateTime={new Date(terms.opens / 1000).toISOString()}>{new Date(terms.opens / 1000).toLocaleString()}</time>
        </span>
      </header>
      <p class="result">{resultOf(window)}</p>
      <dl class="figures">
        <Fact name="Open for" value={spanWords(window.closes - terms.opens)} />
        <Fact name="In time" value={String(outcome?.entries ?? window.entries.length)} />
        <Fact name="Too late" value={late === null ? '–' : String(late)} />
        {figures && <Fact name="Claims out of bounds" value={String(figures.clamped)} />}
        <Fact name="Result shown" value={`${spanWords(Math.max(window.reveal - window.closes, 0))} after the end`} />
      </dl>
      {moved.length > 0 && <p class="quiet">{capital(moved.join('; '))}.</p>}
      <Checks window={window} />
      <details>
        <summary>{short.replace(/ · e not measured yet$/, '') || 'Terms'}</summary>
        <ul>
          {rule.map((sentence) => (
            <li key={sentence}>{sentence}</li>
          ))}
        </ul>
        <p class="quiet ids">
          Window {window.id}
          {terms.seed_digest && <>, SHA-256 of the seed {terms.seed_digest}</>}
          {outcome && <>, seed {outcome.seed}</>}
        </p>
      </details>
    </article>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div class="figure">
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

const TONES = { good: 'good', bad: 'bad', unknown: 'idle' } as const;
const MARKS = { good: '✓', bad: '✗', unknown: '·' } as const;

function Checks({ window }: { window: WindowRecord }) {
  const [checks, setChecks] = useState<readonly Check[]>([]);
  useEffect(() => {
    let isOld = false;
    void checksOf(window).then((done) => !isOld && setChecks(done));
    return () => void (isOld = true);
  }, [window]);
  if (checks.length === 0) return null;
  return (
    <ul class="checks">
      {checks.map(({ is, words }) => (
        <li key={words} class={TONES[is]}>
          <span aria-hidden="true">{MARKS[is]}</span> {words}
        </li>
      ))}
    </ul>
  );
}

function resultOf({ outcome, data, entries, isWithdrawn, terms }: WindowRecord) {
  if (isWithdrawn) return 'Withdrawn by the host, without a result.';
  if (!outcome) return <Pill tone="wait">Not decided yet</Pill>;
  const { result } = outcome;
  if (result.by === 'highest') {
    if (result.winner_n === null) return 'Nobody entered.';
    const leaders = entries.filter(({ value }) => value === result.amount);
    const buyer = !terms.is_sealed && leaders.length === 1 ? leaders[0]!.name : null;
    const to = buyer ? `Sold to ${buyer} for` : 'Sold for';
    return `${to} ${money(result.amount, textOf(data, 'currency') || null)}, by entry ${result.winner_n} of the log.`;
  }
  const choices = choicesOf(data, result.counts.length);
  const shares = percents(result.counts);
  const counts = choices.map((choice, index) => `${choice} ${result.counts[index]} (${shares[index]} %)`).join(' · ');
  return result.by === 'match' ? `“${choices[result.outcome] ?? result.outcome}” was right. ${counts}` : counts;
}
