/** Keeping order: slow mode and who may not speak here; mute, ban and delete at each message of the chat. */

import type { RoomState } from '@unisono/client';
import { Answer, moderate, nameOf, roomAnswer, slowModeOf, whileWords, useAsk, useRoomState, useScene, type Discipline } from '@unisono/room/parts';
import { useEffect, useState } from 'preact/hooks';
import { Segments } from '../parts/frame';

const SLOW = [
  { value: '0', label: 'Off' },
  { value: '5', label: '5 s' },
  { value: '15', label: '15 s' },
  { value: '60', label: '60 s' },
] as const;

export function Order() {
  const scene = useScene();
  const state = useRoomState(scene.room);
  const { ask, answer, isBusy } = useAsk();
  const discipline = useDiscipline(state);
  const slow = String((discipline?.slow ?? slowModeOf(state)) / 1e6);
  const value = SLOW.find((option) => option.value === slow)?.value ?? null;
  const people = discipline ? sanctioned(discipline) : [];
  return (
    <section class="panel order" aria-label="Order">
      <h2>Order</h2>
      <div class="row wrap">
        <span>Slow mode: one message of each person per</span>
        <Segments label="Slow mode" value={value} options={SLOW} disabled={isBusy} onChange={(seconds) => void ask(() => moderate(scene, { action: 'slow', every: Number(seconds) * 1e6 }))} />
      </div>
      <p class="quiet">Delete, mute and ban: behind ⋯ at each message.</p>
      {people.length > 0 && (
        <ul class="sanctions" aria-label="Muted and banned">
          {people.map(({ person, action, until }) => (
            <li key={`${action} ${person}`} class="row">
              <span>
                <b>{nameIn(state, person)}</b> <span class="quiet">{sanctionWords(action, until, scene.room.now())}</span>
              </span>
              <button class="small" disabled={isBusy} aria-label={`${action === 'mute' ? 'Unmute' : 'Unban'} ${nameIn(state, person)}`} onClick={() => void ask(() => moderate(scene, { action: action === 'mute' ? 'unmute' : 'unban', person }))}>
                {action === 'mute' ? 'Unmute' : 'Unban'}
              </button>
            </li>
          ))}
        </ul>
      )}
      <Answer answer={answer} />
    </section>
  );
}

/** Asked for when the panel is opened, and each time the room tells a measure. */
function useDiscipline(state: RoomState): Discipline | null {
  const scene = useScene();
  const [discipline, setDiscipline] = useState<Discipline | null>(null);
  const last = state.messages.findLast(({ type }) => type === 'moderation')?.id;
  useEffect(() => {
    let isOld = false;
    void roomAnswer<Discipline>(scene, 'moderation').then((answer) => !isOld && answer && setDiscipline(answer));
    return () => void (isOld = true);
  }, [scene, last]);
  return discipline;
}

/** More would be a list nobody reads. */
const SHOWN_MAX = 100;

function sanctioned({ muted, banned }: Discipline) {
  const list = (people: Readonly<Record<string, number>>, action: 'mute' | 'ban') => Object.entries(people).map(([person, until]) => ({ person, until, action }));
  return [...list(banned, 'ban'), ...list(muted, 'mute')].slice(0, SHOWN_MAX);
}

function sanctionWords(action: 'mute' | 'ban', until: number, now: number | null): string {
  const words = action === 'mute' ? 'muted' : 'banned';
  return now === null || until <= now ? words : `${words} for ${whileWords(until - now)} more`;
}

/** The name they wrote under last, else what stands for them. */
function nameIn({ messages }: RoomState, person: string): string {
  const said = messages.findLast(({ actor }) => actor?.id === person);
  return said ? nameOf(said.actor, said.data) : nameOf({ id: person });
}
