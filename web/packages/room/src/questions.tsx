/** Questions to the host: asked by members, marked as answered by moderators. */

import type { RoomEvent } from '@unisono/client';
import { useState } from 'preact/hooks';
import { Answer } from './answer';
import { isAtLeast, limitWords } from './roles';
import { useAsk, useJoined, useRoomState, useScene } from './use';
import { isAnswered, questionsOf, wordsOf } from './view';
import { authorOf, textOf } from './words';

const TEXT_MAX = 300;

export function Questions() {
  const { room } = useScene();
  const { role, me } = useJoined(room);
  const all = questionsOf(useRoomState(room));
  const waiting = all.filter((event) => !isAnswered(event));
  const answered = all.filter(isAnswered);
  return (
    <div class="questions">
      <div class="lines" role="region" aria-label="Questions asked" tabIndex={0}>
        <ol>
          {all.length === 0 && <li class="quiet empty">No questions yet.</li>}
          {[...waiting, ...answered].map((event) => (
            <Question key={event.id} event={event} mayAnswer={isAtLeast(role, 'moderator')} isMine={me !== null && event.actor?.id === me.id} />
          ))}
        </ol>
      </div>
      {isAtLeast(role, 'member') ? <Ask /> : <p class="quiet composer">{limitWords(role) ?? 'Connecting …'}</p>}
    </div>
  );
}

function Question({ event, mayAnswer, isMine }: { event: RoomEvent; mayAnswer: boolean; isMine: boolean }) {
  const { room } = useScene();
  const { ask, answer, isBusy } = useAsk();
  const isDone = isAnswered(event);
  // Whoever marks it becomes the event's author; who asked stays in its data.
  const author = (isDone && textOf(event.data, 'name')) || authorOf(event);
  const done = () => room.amend('question', event.id, { ...(event.data as object), name: authorOf(event), answered: true });
  return (
    <li class={isDone ? 'done' : ''} data-question={event.id}>
      <p>
        <b>{author}</b> <bdi>{wordsOf(event)}</bdi>
        {isDone && <em class="quiet"> · answered</em>}
      </p>
      {(mayAnswer || isMine) && !isDone && (
        <div class="deeds">
          {mayAnswer && (
            <button class="small" disabled={isBusy} onClick={() => void ask(done)}>
              Answered
            </button>
          )}
          <button class="small" disabled={isBusy} onClick={() => void ask(() => room.cancel('question', event.id))}>
            {mayAnswer ? 'Delete' : 'Take back'}
          </button>
        </div>
      )}
      <Answer answer={answer} />
    </li>
  );
}

function Ask() {
  const { room } = useScene();
  const { ask, answer, isBusy } = useAsk();
  const [text, setText] = useState('');
  const send = async (event: Event) => {
    event.preventDefault();
    const words = text.trim();
    if (words && (await ask(() => room.send('question', { text: words }), 'Asked'))) setText('');
  };
  return (
    <form class="composer" onSubmit={send}>
      <label>
        <span class="unseen">Your question</span>
        <input name="question" value={text} maxLength={TEXT_MAX} placeholder="Ask the host" autocomplete="off" readOnly={isBusy} onInput={(event) => setText(event.currentTarget.value)} />
      </label>
      <button class="main" disabled={isBusy || text.trim() === ''}>
        Ask
      </button>
      <Answer answer={answer} />
    </form>
  );
}
