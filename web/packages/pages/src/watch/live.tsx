/** The figures under the picture, a few times a second. */

import type { Stats } from '@unisono/client';
import type { UnisonoPlayer } from '@unisono/player';
import type { ComponentChildren, RefObject } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { Figure } from '../parts/frame';
import { milliseconds } from '../parts/words';

const EVERY_MS = 400;

/** `children`: figures that come from elsewhere. */
export function Live({ player, children }: { player: RefObject<UnisonoPlayer | null>; children?: ComponentChildren }) {
  const stats = useStats(player);
  const isPlaying = stats?.state === 'playing';
  const latency = isPlaying && stats.latencyMs !== null ? milliseconds(Math.max(stats.latencyMs, 0)) : '–';
  return (
    <dl class="figures">
      <Figure name="Latency" value={stats && isPlaying && !stats.isExact && latency !== '–' ? `≈ ${latency}` : latency} title={latencyTitle(stats)} />
      <Figure name="Rate" value={isPlaying && stats.width > 0 ? `${stats.framesPerSecond} fps` : '–'} title="Frames shown in the last second" />
      <Figure name="Picture" value={stats?.width ? `${stats.width}×${stats.height}` : '–'} />
      {children}
      <Figure name="Stalls" value={String(stats?.stalls ?? 0)} title="Times playback stood still for more than half a second" />
    </dl>
  );
}

function latencyTitle(stats: Stats | null): string {
  const words = 'From the frame’s arrival at the server to your screen';
  return stats?.latencyErrorMs === null || stats === null ? words : `${words}, ± ${Math.ceil(stats.latencyErrorMs)} ms`;
}

/** The median of the last few latencies: one frame's luck is not news. */
function useStats(player: RefObject<UnisonoPlayer | null>): Stats | null {
  const [stats, setStats] = useState<Stats | null>(null);
  useEffect(() => {
    let recent: number[] = [];
    const stop = player.current?.on('frame', () => {
      const latency = player.current?.stats()?.latencyMs;
      if (latency !== null && latency !== undefined) recent = [...recent.slice(-14), latency];
    });
    const timer = setInterval(() => {
      const now = player.current?.stats() ?? null;
      if (now?.state !== 'playing') recent = [];
      const middle = recent.toSorted((a, b) => a - b)[recent.length >> 1];
      setStats(now && { ...now, latencyMs: middle ?? now.latencyMs });
    }, EVERY_MS);
    return () => {
      stop?.();
      clearInterval(timer);
    };
  }, [player]);
  return stats;
}
