/** Keeping order: slow mode here, mute, ban and delete at each message of the chat. */

import { Answer, moderate, slowModeOf, useAsk, useRoomState, useScene } from '@unisono/room/parts';
import { Segments } from '../parts/frame';

const SLOW = [
  { value: '0', label: 'Off' },
  { value: '5', label: '5 s' },
  { value: '15', label: '15 s' },
  { value: '60', label: '60 s' },
] as const;

export function Order() {
  const scene = useScene();
  const { ask, answer, isBusy } = useAsk();
  const slow = String(slowModeOf(useRoomState(scene.room)) / 1e6);
  const value = SLOW.find((option) => option.value === slow)?.value ?? null;
  return (
    <section class="panel order" aria-label="Order">
      <h2>Order</h2>
      <div class="row wrap">
        <span>Slow mode: one message of each person per</span>
        <Segments label="Slow mode" value={value} options={SLOW} disabled={isBusy} onChange={(seconds) => void ask(() => moderate(scene, { action: 'slow', every: Number(seconds) * 1e6 }))} />
      </div>
      <p class="quiet">Delete, mute and ban: behind ⋯ at each message.</p>
      <Answer answer={answer} />
    </section>
  );
}
