/**
 * `/pane?name=…&mode=webrtc|hls&http=PORT[&media=PORT]`: one screen of the auction: the player and the room's panel, as in anybody's page. It
 * tells the page around it on which frame it showed what.
 */

import '@unisono/player';
import '@unisono/room';
import { joinRoom, uuidV7, type Room } from '@unisono/client';
import type { PlayerState, UnisonoPlayer } from '@unisono/player';
import { render } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import '../parts/player';
import '../parts/window';
import { overSlowLink } from './slow';
import { euros, type PaneWord } from './words';
import '../style/index.css';
import './pane.css';

const STREAM = 'live/demo';
const query = new URLSearchParams(location.search);
const name = query.get('name') ?? 'pane';
const mode = query.get('mode') === 'hls' ? 'hls' : 'webrtc';
const origin = `${location.protocol}//${location.hostname}:${Number(query.get('http'))}`;
const media = Number(query.get('media'));

if (media > 0) overSlowLink(media);

/** Each pane is a guest of its own: bid in one and watch in the others. */
function join(player: UnisonoPlayer): Room {
  return joinRoom({ url: origin, room: STREAM, guest: `${uuidV7()}-${uuidV7()}`, name, player });
}

function tell(word: PaneWord): void {
  parent.postMessage(word, location.origin);
}

function Pane() {
  const player = useRef<UnisonoPlayer>(null);
  const [room, setRoom] = useState<Room | null>(null);
  const [sold, setSold] = useState<string | null>(null);
  useEffect(() => {
    const element = player.current!;
    const joined = join(element);
    setRoom(joined);
    window.unisono = { ...window.unisono, player: element, room: joined };
    const stop = joined.onEvent(({ event, t, frameLatenessUs, bound }) => {
      if (!event.type.startsWith('auction.')) return;
      tell({ pane: name, kind: 'told', type: event.type, at: event.at, t, latenessUs: frameLatenessUs, isBound: bound });
      if (event.rule?.is === 'opened') setSold(null);
      if (event.rule?.is === 'decided' && event.rule.result.by === 'highest') setSold(euros(event.rule.result.amount));
    });
    let phase = '';
    element.addEventListener('unisono-state', (event) => (phase = (event as CustomEvent<PlayerState>).detail.phase));
    const timer = setInterval(() => {
      const stats = element.stats();
      tell({ pane: name, kind: 'state', phase, latencyMs: stats?.latencyMs ?? null, stalls: stats?.stalls ?? 0 });
    }, 500);
    return () => {
      stop();
      clearInterval(timer);
      joined.leave();
    };
  }, []);
  return (
    <main class="pane">
      <unisono-player ref={player} src={`${origin}/${STREAM}`} mode={mode} feed="none">
        {sold && <p class="gavel">SOLD {sold}</p>}
      </unisono-player>
      {room && <unisono-room room={room} parts="live" />}
    </main>
  );
}

render(<Pane />, document.getElementById('page')!);
