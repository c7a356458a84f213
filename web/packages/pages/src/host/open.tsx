/** Opens a poll, a quiz, an auction, a drop, a round, or puts an alert into the queue. */

import { Answer, useAsk, useScene } from '@unisono/room/parts';
import { useState } from 'preact/hooks';
import { Segments } from '../parts/frame';
import { EMPTY, openingOf, type Draft, type Kind } from './forms';

const KINDS = [
  { value: 'poll', label: 'Poll' },
  { value: 'quiz', label: 'Quiz' },
  { value: 'auction', label: 'Auction' },
  { value: 'sealed-bid', label: 'Sealed bids' },
  { value: 'drop', label: 'Drop' },
  { value: 'round', label: 'Round' },
  { value: 'alert', label: 'Alert' },
] as const;

const TITLES: Record<Kind, string> = {
  poll: 'Question',
  quiz: 'Question',
  auction: 'What is sold',
  'sealed-bid': 'What is sold',
  drop: 'What there is',
  round: 'What it is about',
  alert: 'What everybody is told',
};

export function Open() {
  const { room } = useScene();
  const { ask, answer, isBusy } = useAsk();
  const [kind, setKind] = useState<Kind>('poll');
  const [draft, setDraft] = useState<Draft>(EMPTY);
  const submit = async (event: Event) => {
    event.preventDefault();
    const drafted = openingOf(kind, draft);
    const opened = await ask(async () => {
      if ('words' in drafted) return { cmd_id: '', status: 'invalid', words: drafted.words };
      const { type, data, dur, do: verb } = drafted.opening;
      const options = dur === undefined ? {} : { dur };
      return verb === 'open' ? room.open(type, data, options) : room.send(type, data, options);
    }, 'Open: everybody sees it on the same frame');
    if (opened) setDraft((old) => ({ ...old, title: '', choices: '' }));
  };
  const field = (name: keyof Draft) => ({ value: draft[name], onInput: (event: { currentTarget: { value: string } }) => setDraft({ ...draft, [name]: event.currentTarget.value }) });
  const isWindow = kind !== 'drop' && kind !== 'alert';
  return (
    <form class="panel open" onSubmit={submit}>
      <h2>Open</h2>
      <Segments label="What to open" value={kind} options={KINDS} onChange={setKind} />
      <label>
        {TITLES[kind]}
        <input name="title" maxLength={200} autocomplete="off" {...field('title')} />
      </label>
      {(kind === 'poll' || kind === 'quiz' || kind === 'round') && (
        <label>
          Choices, one a line
          <textarea name="choices" rows={3} maxLength={800} {...field('choices')} />
        </label>
      )}
      <div class="fields">
        {kind === 'quiz' && <Field label="Right choice" name="right" mode="numeric" {...field('right')} />}
        {(kind === 'auction' || kind === 'sealed-bid') && (
          <>
            <Field label="First bid" name="start" mode="decimal" {...field('start')} />
            <Field label="Least raise" name="step" mode="decimal" {...field('step')} />
            <Field label="Currency" name="currency" {...field('currency')} />
          </>
        )}
        {kind === 'drop' && <Field label="How many" name="quantity" mode="numeric" {...field('quantity')} />}
        {isWindow && (
          <>
            <Field label="Open, seconds" name="seconds" mode="numeric" {...field('seconds')} />
            <label>
              Who takes part
              <select name="slowest" {...field('slowest')}>
                <option value="6">≤ 6 s behind</option>
                <option value="3">≤ 3 s behind</option>
                <option value="1">≤ 1 s behind</option>
              </select>
            </label>
          </>
        )}
      </div>
      <div class="row wrap">
        <Answer answer={answer} />
        <button class="main" disabled={isBusy}>
          {kind === 'alert' ? 'Show' : 'Open'}
        </button>
      </div>
    </form>
  );
}

interface FieldProps {
  readonly label: string;
  readonly name: string;
  readonly value: string;
  readonly mode?: 'numeric' | 'decimal';
  readonly onInput: (event: { currentTarget: HTMLInputElement }) => void;
}

function Field({ label, name, value, mode, onInput }: FieldProps) {
  return (
    <label>
      {label}
      <input name={name} value={value} maxLength={16} autocomplete="off" {...(mode && { inputMode: mode })} onInput={onInput} />
    </label>
  );
}
