/** Polls, quizzes, rounds: a window with choices. */

import type { WindowState } from '@unisono/client';
import { titleOf } from './announce';
import { Answer } from './answer';
import { TimeLeft } from './countdown';
import { Disclosed } from './disclosed';
import { isAtLeast, limitWords } from './roles';
import { useAsk, useCountdown, useJoined, useScene } from './use';
import { choicesOf, percents } from './words';

export function Choice({ window }: { window: WindowState }) {
  const { decide } = window.terms;
  if (decide.by === 'highest') return null;
  const choices = choicesOf(window.data, decide.choices);
  return (
    <section class="card" aria-label={titleOf(window.data)} data-window={window.id} data-phase={window.phase}>
      <header>
        <span class="kind">{window.type}</span>
        <TimeLeft window={window} />
      </header>
      <h3>{titleOf(window.data)}</h3>
      {window.result && window.result.by !== 'highest' ? <Result window={window} choices={choices} /> : <Ballot window={window} choices={choices} />}
      <Disclosed terms={window.terms} />
    </section>
  );
}

function Ballot({ window, choices }: { window: WindowState; choices: readonly string[] }) {
  const { room } = useScene();
  const { role } = useJoined(room);
  const countdown = useCountdown(room, window.id);
  const { ask, answer, isBusy } = useAsk();
  const mine = choiceOf(window);
  const isOpen = countdown?.isOpen ?? window.phase === 'open';
  const isFixed = mine !== null && !window.terms.changes;
  const mayEnter = isAtLeast(role, window.type === 'round' ? 'bidder' : 'member');
  return (
    <>
      <div class="ballot" role="group" aria-label="Choices">
        {choices.map((choice, index) => (
          <button
            key={index}
            type="button"
            aria-pressed={mine === index}
            disabled={!isOpen || isBusy || isFixed || !mayEnter}
            onClick={() => mine !== index && void ask(() => room.enter(window.type, window.id, { choice: index }))}
          >
            {choice}
            {!window.terms.is_sealed && <span class="count">{window.standing.counts[index] ?? 0}</span>}
          </button>
        ))}
      </div>
      <p class="quiet">{ballotWords(window, isOpen, mine, mayEnter ? null : (limitWords(role) ?? 'This needs a token that grants it.'))}</p>
      <Answer answer={answer} />
    </>
  );
}

function ballotWords({ terms }: WindowState, isOpen: boolean, mine: number | null, limit: string | null): string {
  if (!isOpen) return mine === null ? 'Closed. The result follows.' : 'Closed; yours is in. The result follows.';
  if (limit) return limit;
  if (mine === null) return 'Choose one.';
  return terms.changes ? 'Yours is in. You may change it until it closes.' : 'Yours is in.';
}

function Result({ window, choices }: { window: WindowState; choices: readonly string[] }) {
  const { result } = window;
  if (!result || result.by === 'highest') return null;
  const mine = choiceOf(window);
  const shares = percents(result.counts);
  const all = result.counts.reduce((sum, count) => sum + count, 0);
  const most = Math.max(...result.counts);
  const outcome = result.by === 'match' ? result.outcome : null;
  const isBest = (index: number) => (outcome === null ? most > 0 && result.counts[index] === most : index === outcome);
  return (
    <>
      <ol class="bars" aria-label="Result">
        {choices.map((choice, index) => (
          <li key={index} class={isBest(index) ? 'best' : ''}>
            <i style={{ width: `${shares[index]}%` }} aria-hidden="true" />
            <span>
              {choice}
              {index === outcome && <b> ✓ right</b>}
              {index === mine && <em> (yours)</em>}
            </span>
            <span class="share">
              {shares[index]} % <small>{result.counts[index]}</small>
            </span>
          </li>
        ))}
      </ol>
      <p class="quiet">
        {all === 1 ? '1 entry' : `${all} entries`}
        {outcome !== null && mine !== null && (mine === outcome ? ' · You were right' : ' · Not this time')}
      </p>
    </>
  );
}

function choiceOf({ mine }: WindowState): number | null {
  const choice = (mine as { choice?: unknown } | null)?.choice;
  return typeof choice === 'number' ? choice : null;
}
