/** The player and nothing else. */

import { streamUrls, type StreamName } from '@unisono/client';
import type { UnisonoPlayer } from '@unisono/player';
import { useEffect, useRef } from 'preact/hooks';
import '../parts/player';
import '../parts/window';
import { usePlayerKeys } from './keys';

export function Embedded({ stream, token }: { stream: StreamName; token: string | null }) {
  const player = useRef<UnisonoPlayer>(null);
  usePlayerKeys(player);
  useEffect(() => {
    window.unisono = { ...window.unisono, player: player.current! };
  }, []);
  const query = new URLSearchParams(location.search);
  const { watch } = streamUrls(stream, location.origin);
  return (
    <main class="embedded">
      <h1 class="unseen">{`${stream.app}/${stream.name}`}</h1>
      <unisono-player ref={player} src={watch} mode={query.get('mode') ?? 'auto'} latency={query.get('latency') ?? 'lowest'} {...(token ? { token } : {})} />
    </main>
  );
}
