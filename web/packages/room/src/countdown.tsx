/** How long a window is open, counted on the frames this viewer sees. */

import type { WindowState } from '@unisono/client';
import { useCountdown, useScene } from './use';
import { clockWords } from './words';

const HURRY_US = 10_000_000;

export function TimeLeft({ window }: { window: WindowState }) {
  const { room } = useScene();
  const countdown = useCountdown(room, window.id);
  if (window.phase === 'decided') return <span class="time over">Over</span>;
  if (!countdown) return null;
  if (countdown.opensInUs > 0) return <span class="time">opens in {clockWords(countdown.opensInUs)}</span>;
  if (countdown.leftUs === 0) return <span class="time over">{countdown.revealInUs > 0 ? `result in ${clockWords(countdown.revealInUs)}` : 'closed'}</span>;
  return (
    <span class={`time ${countdown.leftUs <= HURRY_US ? 'hurry' : ''}`} title="Counted on the picture you see">
      {clockWords(countdown.leftUs)} left
    </span>
  );
}
