/** Hooks: the room's state, a window's time, a command under way. */

import type { Ack, Countdown, Room, RoomState, RoomStatus } from '@unisono/client';
import { createContext } from 'preact';
import { useContext, useEffect, useReducer, useRef, useState } from 'preact/hooks';
import { refusalWords } from './view';

/** What every part knows. */
export interface Scene {
  readonly room: Room;
  /** Origin of the server, and what opens it; for what does not go over the feed. */
  readonly server: string;
  readonly token: string | null;
}

export const SceneContext = createContext<Scene | null>(null);

export function useScene(): Scene {
  const scene = useContext(SceneContext);
  if (!scene) throw new Error('Parts of a room stand inside a SceneContext.Provider');
  return scene;
}

/** The state at the frame on screen; drawn at most once per frame of the screen, and a few times a second in a hidden tab. */
export function useRoomState(room: Room): RoomState {
  const [, redraw] = useReducer((n: number) => n + 1, 0);
  useEffect(() => {
    let isQueued = false;
    const draw = () => {
      if (!isQueued) return;
      isQueued = false;
      redraw(undefined);
    };
    const stop = room.subscribe(() => {
      if (isQueued) return;
      isQueued = true;
      // Frames of the screen do not come while the page is hidden.
      if (document.hidden) setTimeout(draw, 250);
      else requestAnimationFrame(draw);
    });
    redraw(undefined);
    return () => {
      isQueued = false;
      stop();
    };
  }, [room]);
  return room.state;
}

export interface Joined {
  readonly status: RoomStatus;
  readonly words: string;
  readonly me: { readonly id: string; readonly name: string | null } | null;
  readonly role: string | null;
}

/** Whether there is a connection, and who this client is. */
export function useJoined(room: Room): Joined {
  const read = (words: string): Joined => {
    const { person, role } = room.me;
    return { status: room.status, words, me: person && { id: person.id, name: person.name ?? null }, role };
  };
  const [joined, setJoined] = useState(() => read(''));
  useEffect(() => {
    setJoined(read(''));
    const stops = [
      room.onNotice('status', ({ words }) => setJoined(read(words))),
      room.onNotice('joined', () => setJoined(read(''))),
    ];
    return () => stops.forEach((stop) => stop());
  }, [room]);
  return joined;
}

/** A window's time by the picture, looked at four times a second. */
export function useCountdown(room: Room, id: string): Countdown | null {
  const [countdown, setCountdown] = useState(() => room.countdown(id));
  useEffect(() => {
    const look = () => setCountdown(room.countdown(id));
    look();
    const timer = setInterval(look, 250);
    return () => clearInterval(timer);
  }, [room, id]);
  return countdown;
}

export interface Asking {
  readonly isBusy: boolean;
  /** Why the last one was refused; what it said if it was done, where it says anything. */
  readonly answer: { readonly words: string; readonly isBad: boolean } | null;
  /** Runs a command; true if it was done. `done` is said then. */
  readonly ask: (command: () => Promise<Ack>, done?: string) => Promise<boolean>;
}

export function useAsk(): Asking {
  const [isBusy, setBusy] = useState(false);
  const [answer, setAnswer] = useState<Asking['answer']>(null);
  const isHere = useRef(true);
  useEffect(() => () => void (isHere.current = false), []);
  const ask: Asking['ask'] = async (command, done) => {
    setBusy(true);
    setAnswer(null);
    const refusal = await command().then(refusalWords, (error: Error) => error.message);
    if (isHere.current) {
      setBusy(false);
      setAnswer(refusal === null ? (done ? { words: done, isBad: false } : null) : { words: refusal, isBad: true });
    }
    return refusal === null;
  };
  return { isBusy, answer, ask };
}
