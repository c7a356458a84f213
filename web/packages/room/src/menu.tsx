/** What can be done with a message: answer it, take one's own back; for moderators delete, mute, ban. */

import type { RoomEvent } from '@unisono/client';
import { useEffect, useRef, useState } from 'preact/hooks';
import { Answer } from './answer';
import { moderate } from './moderation';
import { isAtLeast } from './roles';
import { useAsk, useJoined, useScene } from './use';
import { authorOf } from './words';

const MUTE_US = 600e6;
const BAN_US = 24 * 3600e6;

export function MessageMenu({ event, isMine, onAnswer }: { event: RoomEvent; isMine: boolean; onAnswer: (() => void) | null }) {
  const { room } = useScene();
  const { role } = useJoined(room);
  const isModerator = isAtLeast(role, 'moderator');
  if (!isModerator && !onAnswer) return null;
  return (
    <div class="deeds">
      {onAnswer && (
        <button class="deed" aria-label={`Answer ${authorOf(event)}`} title="Answer" onClick={onAnswer}>
          ↩
        </button>
      )}
      {(isModerator || isMine) && <Deeds event={event} isMine={isMine} isModerator={isModerator} />}
    </div>
  );
}

function Deeds({ event, isMine, isModerator }: { event: RoomEvent; isMine: boolean; isModerator: boolean }) {
  const scene = useScene();
  const { ask, answer, isBusy } = useAsk();
  const [isOpen, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const opener = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (!isOpen) return;
    box.current?.querySelector('button')?.focus();
  }, [isOpen]);
  const close = () => {
    setOpen(false);
    opener.current?.focus();
  };
  const person = event.actor?.id;
  const deed = (words: string, run: Parameters<typeof ask>[0], done: string) => (
    <button disabled={isBusy} onClick={() => void ask(run, done)}>
      {words}
    </button>
  );
  return (
    <>
      <button ref={opener} class="deed" aria-expanded={isOpen} aria-label={`More about ${authorOf(event)}’s message`} title="More" onClick={() => setOpen(!isOpen)}>
        ⋯
      </button>
      {isOpen && (
        <div ref={box} class="menu" role="group" aria-label="Moderation" onKeyDown={(key) => key.key === 'Escape' && (key.stopPropagation(), close())}>
          {deed('Delete', () => scene.room.cancel(event.type, event.id), 'Deleted')}
          {isModerator && !isMine && person !== undefined && (
            <>
              {deed('Mute 10 min', () => moderate(scene, { action: 'mute', person, dur: MUTE_US }), 'Muted')}
              {deed('Unmute', () => moderate(scene, { action: 'unmute', person }), 'May speak again')}
              {deed('Ban a day', () => moderate(scene, { action: 'ban', person, dur: BAN_US }), 'Banned')}
            </>
          )}
          <button onClick={close}>Close</button>
          <Answer answer={answer} />
        </div>
      )}
    </>
  );
}
