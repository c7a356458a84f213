/** Reactions: a row of buttons, and what everybody sends flying up over the picture. */

import type { Room } from '@unisono/client';
import { useEffect, useState } from 'preact/hooks';
import { useScene } from './use';

/** Name for those who hear it, and what is counted. */
export const REACTIONS = [
  ['heart', '❤️'],
  ['applause', '👏'],
  ['laughter', '😂'],
  ['fire', '🔥'],
  ['surprise', '😮'],
] as const;

export function ReactionBar() {
  const { room } = useScene();
  return (
    <div class="reactions" role="group" aria-label="React">
      {REACTIONS.map(([name, emoji]) => (
        <button key={name} aria-label={name} title={name} onClick={() => void room.send('reaction', { emoji }).catch(() => undefined)}>
          {emoji}
        </button>
      ))}
    </div>
  );
}

interface Flyer {
  readonly id: number;
  readonly emoji: string;
  readonly count: number;
  /** Where it rises, percent from the left. */
  readonly x: number;
}

/** At once in the air. */
const FLYING_MAX = 24;
/** One aggregate sends so many up; the rest is its number. */
const PER_COUNT_MAX = 5;
const FLIGHT_MS = 2600;
const EMOJI_MAX = 16;

/** `counts` of one aggregate as flyers: few fly one by one, many fly as one with their number. */
export function flyersOf(counts: Readonly<Record<string, number>>, firstId: number, random: () => number): Flyer[] {
  const flyers: Omit<Flyer, 'id'>[] = [];
  for (const [emoji, count] of Object.entries(counts)) {
    if (count < 1 || emoji.length > EMOJI_MAX) continue;
    const singles = count <= PER_COUNT_MAX ? count : 1;
    for (let index = 0; index < singles; index += 1) flyers.push({ emoji, count: count <= PER_COUNT_MAX ? 1 : count, x: 8 + Math.round(random() * 80) });
  }
  return flyers.slice(0, FLYING_MAX).map((flyer, index) => ({ ...flyer, id: firstId + index }));
}

/** Laid over a picture. Nothing of it is said to screen readers: the row of buttons is theirs. */
export function FlyingReactions({ room }: { room: Room }) {
  const [flyers, setFlyers] = useState<readonly Flyer[]>([]);
  useEffect(() => {
    let id = 0;
    const timers = new Set<ReturnType<typeof setTimeout>>();
    const stop = room.onNotice('counts', ({ name, counts }) => {
      if (name !== 'reaction' || document.hidden) return;
      const more = flyersOf(counts, id, Math.random);
      if (more.length === 0) return;
      id += more.length;
      setFlyers((old) => [...old, ...more].slice(-FLYING_MAX));
      const gone = new Set(more.map((flyer) => flyer.id));
      const timer = setTimeout(() => {
        timers.delete(timer);
        setFlyers((old) => old.filter((flyer) => !gone.has(flyer.id)));
      }, FLIGHT_MS);
      timers.add(timer);
    });
    return () => {
      stop();
      timers.forEach(clearTimeout);
    };
  }, [room]);
  return (
    <div class="sky" aria-hidden="true">
      {flyers.map(({ id, emoji, count, x }) => (
        <span key={id} style={{ left: `${x}%` }}>
          {emoji}
          {count > 1 && <b>×{count}</b>}
        </span>
      ))}
    </div>
  );
}
