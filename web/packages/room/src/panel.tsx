/** Everything of a room in one column: what is open now, then chat and questions. */

import type { RoomState } from '@unisono/client';
import { useEffect, useRef, useState } from 'preact/hooks';
import { Announcer, titleOf } from './announce';
import { Auction } from './auction';
import { Chat } from './chat';
import { Choice } from './choice';
import { Drop } from './drop';
import { Questions } from './questions';
import { ReactionBar } from './reactions';
import { useJoined, useRoomState, useScene } from './use';
import { liveOf, questionsOf, isAnswered } from './view';
import { textOf } from './words';

/** Parts that a page can choose among. */
export const PARTS = ['presence', 'live', 'reactions', 'chat', 'questions'] as const;
export type Part = (typeof PARTS)[number];

export function Panel({ parts }: { parts: ReadonlySet<Part> }) {
  const { room } = useScene();
  const state = useRoomState(room);
  return (
    <div class="panel">
      {parts.has('presence') && <Presence state={state} />}
      {parts.has('live') && <Now state={state} />}
      {parts.has('reactions') && <ReactionBar />}
      <Talk parts={parts} state={state} />
      <Said state={state} />
    </div>
  );
}

function Presence({ state }: { state: RoomState }) {
  const { room } = useScene();
  const { status, words } = useJoined(room);
  const here = state.presence;
  return (
    <div class="presence">
      <h2>Room</h2>
      <span class="quiet" title={here ? `${here.members} people in the room${here.viewers === null ? '' : `, ${here.viewers} watch the stream`}` : ''}>
        {here ? `${here.members} here` : ''}
      </span>
      {status !== 'open' && (
        <span class="lost" role="status">
          {status === 'connecting' ? 'Connecting …' : status === 'reconnecting' ? 'Reconnecting …' : words || 'Not connected'}
        </span>
      )}
    </div>
  );
}

/** Windows, offers, values and turns: whatever is going on. */
function Now({ state }: { state: RoomState }) {
  const [dismissed, setDismissed] = useState<ReadonlySet<string>>(new Set());
  const { open, over, offers } = liveOf(state, dismissed);
  const alerts = [...state.showing.values()];
  const values = [...state.latest];
  if (open.length + over.length + offers.length + alerts.length + values.length === 0) return null;
  return (
    <div class="now">
      {values.map(([key, { type, data }]) => (
        <p key={key} class="value">
          <span class="kind">{type}</span> <b>{valueWords(data)}</b>
        </p>
      ))}
      {alerts.map(({ event }) => (
        <p key={event.id} class="alert">
          <span class="kind">{event.type}</span> {titleOf(event.data)}
        </p>
      ))}
      {open.map((window) => (window.terms.decide.by === 'highest' ? <Auction key={window.id} window={window} /> : <Choice key={window.id} window={window} />))}
      {offers.map((offer) => (
        <Drop key={offer.id} offer={offer} />
      ))}
      {over.map((window) => (
        <div key={window.id} class="over">
          {window.terms.decide.by === 'highest' ? <Auction window={window} /> : <Choice window={window} />}
          <button class="small away" aria-label={`Put away ${titleOf(window.data)}`} onClick={() => setDismissed((old) => new Set([...old, window.id].slice(-64)))}>
            ✕
          </button>
        </div>
      ))}
    </div>
  );
}

/** A score or a pinned thing in a few words. */
function valueWords(data: unknown): string {
  if (typeof data !== 'object' || data === null) return String(data ?? '');
  const text = textOf(data, 'text', 'title');
  if (text) return text;
  const simple = Object.entries(data).filter(([, value]) => typeof value === 'string' || typeof value === 'number');
  return simple.map(([name, value]) => `${name} ${String(value)}`).join(' · ').slice(0, 200);
}

function Talk({ parts, state }: { parts: ReadonlySet<Part>; state: RoomState }) {
  const [chosen, setChosen] = useState<'chat' | 'questions'>('chat');
  const [hasChat, hasQuestions] = [parts.has('chat'), parts.has('questions')];
  if (!hasChat && !hasQuestions) return null;
  if (!hasChat || !hasQuestions) return hasChat ? <Chat /> : <Questions />;
  const waiting = questionsOf(state).filter((event) => !isAnswered(event)).length;
  const tab = (value: 'chat' | 'questions', words: string) => (
    <button role="tab" id={`tab-${value}`} aria-controls="talk" aria-selected={chosen === value} tabIndex={chosen === value ? 0 : -1} onClick={() => setChosen(value)}>
      {words}
    </button>
  );
  const onKey = (event: KeyboardEvent) => {
    if (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight') return;
    event.preventDefault();
    const next = chosen === 'chat' ? 'questions' : 'chat';
    setChosen(next);
    (event.currentTarget as HTMLElement).querySelector<HTMLElement>(`#tab-${next}`)?.focus();
  };
  return (
    <div class="talk">
      <div class="tabs" role="tablist" aria-label="Chat and questions" onKeyDown={onKey}>
        {tab('chat', 'Chat')}
        {tab('questions', waiting > 0 ? `Questions (${waiting})` : 'Questions')}
      </div>
      <div id="talk" role="tabpanel" aria-labelledby={`tab-${chosen}`}>
        {chosen === 'chat' ? <Chat /> : <Questions />}
      </div>
    </div>
  );
}

const SAID_FOR_MS = 6000;

/** What begins and ends, for those who do not see it. */
function Said({ state }: { state: RoomState }) {
  const { room } = useScene();
  const announcer = useRef<Announcer | null>(null);
  const [words, setWords] = useState('');
  useEffect(() => {
    announcer.current ??= new Announcer();
    const news = announcer.current.look(state, room.me.person?.id ?? null, performance.now());
    if (news.length > 0) setWords(news.join(' '));
  }, [room, state]);
  useEffect(() => {
    const timer = setTimeout(() => setWords(''), SAID_FOR_MS);
    return () => clearTimeout(timer);
  }, [words]);
  return (
    <p class="unseen said" role="status">
      {words}
    </p>
  );
}
