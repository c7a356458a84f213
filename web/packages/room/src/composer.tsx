/** A line to say something; for guests a name first. */

import type { RoomEvent } from '@unisono/client';
import { useContext, useEffect, useRef, useState } from 'preact/hooks';
import { Answer } from './answer';
import { NameContext } from './name';
import { isAtLeast, limitWords } from './roles';
import { useAsk, useJoined, useRoomState, useScene } from './use';
import { slowModeOf } from './view';
import { authorOf, spanWords } from './words';

/** The type's schema has the same limit. */
const TEXT_MAX = 500;
const NAME_MAX = 40;

export function Composer({ answering, onDone }: { answering: RoomEvent | null; onDone: () => void }) {
  const { room } = useScene();
  const { role, me, status } = useJoined(room);
  const naming = useContext(NameContext);
  const [isNaming, setNaming] = useState(false);
  if (role === null) return <p class="quiet composer">{status === 'failed' ? 'Not connected.' : 'Connecting …'}</p>;
  if (!isAtLeast(role, 'member')) return <p class="quiet composer">{limitWords(role) ?? 'This room is read-only for you.'}</p>;
  const isGuest = me?.id.startsWith('g~') ?? false;
  if (naming && isGuest && (isNaming || me?.name === null)) return <AskName start={me?.name ?? ''} onName={(name) => (setNaming(false), naming(name))} />;
  return (
    <>
      <Say answering={answering} onDone={onDone} />
      {naming && isGuest && me?.name != null && (
        <p class="quiet tiny">
          You are {me.name}.{' '}
          <button class="link" onClick={() => setNaming(true)}>
            Change
          </button>
        </p>
      )}
    </>
  );
}

function AskName({ start, onName }: { start: string; onName: (name: string) => void }) {
  const [name, setName] = useState(start);
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        if (name.trim()) onName(name.trim());
      }}
    >
      <label>
        <span>Your name here</span>
        <input name="name" value={name} maxLength={NAME_MAX} required autocomplete="nickname" onInput={(event) => setName(event.currentTarget.value)} />
      </label>
      <button class="main">Join in</button>
    </form>
  );
}

function Say({ answering, onDone }: { answering: RoomEvent | null; onDone: () => void }) {
  const { room } = useScene();
  const { role } = useJoined(room);
  const state = useRoomState(room);
  // Those who keep order are not slowed down.
  const slow = isAtLeast(role, 'moderator') ? 0 : slowModeOf(state);
  const { ask, answer, isBusy } = useAsk();
  const [text, setText] = useState('');
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (answering) input.current?.focus();
  }, [answering]);
  const say = async (event: Event) => {
    event.preventDefault();
    const words = text.trim();
    if (words === '') return;
    const options = answering ? { subject: answering.id } : {};
    if (!(await ask(() => room.send('chat', { text: words }, options)))) return;
    setText('');
    onDone();
    input.current?.focus();
  };
  return (
    <form class="composer" onSubmit={say}>
      {answering && (
        <p class="about">
          To {authorOf(answering)}{' '}
          <button type="button" class="link" onClick={onDone}>
            Not an answer
          </button>
        </p>
      )}
      {slow > 0 && <p class="quiet tiny">Slow mode: one message per {spanWords(slow)}</p>}
      <label>
        <span class="unseen">Say something</span>
        <input ref={input} name="text" value={text} maxLength={TEXT_MAX} placeholder="Say something" autocomplete="off" readOnly={isBusy} onInput={(event) => setText(event.currentTarget.value)} />
      </label>
      <button class="main" disabled={isBusy || text.trim() === ''}>
        Send
      </button>
      <Answer answer={answer} />
    </form>
  );
}
