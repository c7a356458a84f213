/** The chat: what was said, on the frame it was said at, and a line to say something. */

import type { RoomEvent } from '@unisono/client';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { Composer } from './composer';
import { MessageMenu } from './menu';
import { isAtLeast } from './roles';
import { useJoined, useRoomState, useScene } from './use';
import { chatOf, isChat, noteOf, wordsOf } from './view';
import { authorOf } from './words';

/** More within this time than a listener can follow. */
const BUSY_MS = 10_000;
const BUSY_MESSAGES = 4;
/** So near the end the list follows what comes. */
const NEAR_END_PX = 48;

export function Chat() {
  const { room } = useScene();
  const { me, role } = useJoined(room);
  const state = useRoomState(room);
  const lines = chatOf(state);
  const [answering, setAnswering] = useState<RoomEvent | null>(null);
  const { list, isBehind, toEnd } = useFollowing(lines.at(-1)?.id);
  const isBusy = useBusy(lines.at(-1)?.id);
  const byId = new Map(lines.map((event) => [event.id, event]));
  return (
    <div class="chat">
      <div ref={list} class="lines" role="log" aria-label="Chat" aria-live={isBusy ? 'off' : 'polite'} tabIndex={0}>
        <ol>
          {lines.length === 0 && <li class="quiet empty">Nothing said yet.</li>}
          {lines.map((event) => (
            <Line
              key={event.id}
              event={event}
              about={event.subject === undefined ? null : (byId.get(event.subject) ?? null)}
              isMine={me !== null && event.actor?.id === me.id}
              mayAnswer={isAtLeast(role, 'member')}
              onAnswer={() => setAnswering(event)}
            />
          ))}
        </ol>
      </div>
      {isBehind && (
        <button class="behind" onClick={toEnd}>
          Newer messages ↓
        </button>
      )}
      <Composer answering={answering} onDone={() => setAnswering(null)} />
    </div>
  );
}

interface LineProps {
  readonly event: RoomEvent;
  readonly about: RoomEvent | null;
  readonly isMine: boolean;
  readonly mayAnswer: boolean;
  readonly onAnswer: () => void;
}

/** One line. What people wrote is only ever text. */
function Line({ event, about, isMine, mayAnswer, onAnswer }: LineProps) {
  const note = isChat(event) ? null : noteOf(event);
  if (note !== null) return <li class="note">{note}</li>;
  return (
    <li class={isMine ? 'mine' : ''} data-message={event.id}>
      {about && (
        <p class="about">
          <span class="unseen">Answers </span>
          {authorOf(about)}: {wordsOf(about)}
        </p>
      )}
      <p>
        <b style={{ '--hue': hueOf(event.actor?.id ?? '') }}>{authorOf(event)}</b> <bdi>{wordsOf(event)}</bdi>
      </p>
      <MessageMenu event={event} isMine={isMine} onAnswer={mayAnswer ? onAnswer : null} />
    </li>
  );
}

/** The same colour for the same person. */
function hueOf(id: string): string {
  let hash = 7;
  for (const character of id) hash = (hash * 31 + character.charCodeAt(0)) % 360;
  return String(hash);
}

/** Follows the end unless somebody reads farther up. */
function useFollowing(newest: string | undefined) {
  const list = useRef<HTMLDivElement>(null);
  const isAtEnd = useRef(true);
  const [isBehind, setBehind] = useState(false);
  const toEnd = () => {
    const element = list.current;
    if (element) element.scrollTop = element.scrollHeight;
    setBehind(false);
  };
  useEffect(() => {
    const element = list.current!;
    const look = () => {
      isAtEnd.current = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR_END_PX;
      if (isAtEnd.current) setBehind(false);
    };
    element.addEventListener('scroll', look, { passive: true });
    return () => element.removeEventListener('scroll', look);
  }, []);
  useLayoutEffect(() => {
    if (isAtEnd.current) toEnd();
    else setBehind(true);
  }, [newest]);
  return { list, isBehind, toEnd };
}

/** More is said than a screen reader should read out. */
function useBusy(newest: string | undefined): boolean {
  const times = useRef<number[]>([]);
  const [isBusy, setBusy] = useState(false);
  useEffect(() => {
    const look = () => {
      times.current = times.current.filter((time) => performance.now() - time < BUSY_MS);
      setBusy(times.current.length > BUSY_MESSAGES);
    };
    if (newest !== undefined) times.current.push(performance.now());
    look();
    const timer = setTimeout(look, BUSY_MS + 100);
    return () => clearTimeout(timer);
  }, [newest]);
  return isBusy;
}
