/** The host panel of one stream's room. */

import { joinRoom, type Room, type StreamName, type StreamUrls } from '@unisono/client';
import type { UnisonoPlayer } from '@unisono/player';
import { isAtLeast, SceneContext, useJoined, useRoomState, type Scene } from '@unisono/room/parts';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { hostKey } from '../api';
import { Banner, Head, Pill } from '../parts/frame';
import '../parts/player';
import '../parts/window';
import { SendEvent } from '../watch/send';
import { AskKey } from './ask-key';
import { Open } from './open';
import { Order } from './order';
import { Running } from './running';
import { Switches } from './switches';

export function HostPage({ stream, token, urls }: { stream: StreamName; token: string | null; urls: StreamUrls }) {
  const player = useRef<UnisonoPlayer>(null);
  const [key, setKey] = useState(() => token ?? hostKey.get());
  const [room, setRoom] = useState<Room | null>(null);
  useEffect(() => {
    // An admin key is of this server alone: no other node knows it, nor shall it.
    const ownOnly = key.startsWith('ak_') && { endpoints: [location.origin] };
    // Without a guest's secret: whoever sits at the server's own machine is host there.
    const joined = joinRoom({ url: location.origin, ...ownOnly, room: `${stream.app}/${stream.name}`, guest: false, ...(key && { token: key }), player: player.current! });
    window.unisono = { ...window.unisono, player: player.current!, room: joined };
    setRoom(joined);
    return () => joined.leave();
  }, [key]);
  const useKey = (value: string) => {
    hostKey.set(value);
    setKey(value);
  };
  return (
    <>
      <Head>
        <a href={`${urls.watch}/fairness`}>Fairness</a> <a href={urls.watch}>Watch</a>
      </Head>
      <main class="watch host">
        <section class="stage" aria-label="Stream and room">
          <div class="caption">
            <div class="title">
              <h1>
                <span class="quiet">{stream.app}/</span>
                {stream.name}
              </h1>
              <p class="quiet">Host panel</p>
            </div>
            {room && <WhoIsHere room={room} />}
          </div>
          {room && <Deeds room={room} token={key || null} onKey={useKey} eventsUrl={urls.events} player={player} />}
        </section>
        <aside class="room" aria-label="Room">
          <unisono-player ref={player} class="screen small" src={urls.watch} feed="none" {...(key && !key.startsWith('ak_') ? { token: key } : {})}>
            <unisono-reactions room={room} />
          </unisono-player>
          {room && <unisono-room key={key} room={room} parts="chat questions" src={urls.watch} {...(key ? { token: key } : {})} />}
        </aside>
      </main>
    </>
  );
}

function WhoIsHere({ room }: { room: Room }) {
  const { status, words } = useJoined(room);
  const { presence } = useRoomState(room);
  const tone = status === 'open' ? 'idle' : status === 'failed' ? 'bad' : 'wait';
  return (
    <div class="here">
      <Pill tone={tone}>{status === 'open' ? 'Connected' : status === 'failed' ? 'Refused' : 'Connecting'}</Pill>
      {presence && (
        <span class="quiet">
          {presence.members} in the room
          {presence.viewers !== null && ` · ${presence.viewers} watching`}
        </span>
      )}
      {status === 'failed' && <span class="quiet">{words}</span>}
    </div>
  );
}

interface DeedsProps {
  readonly room: Room;
  readonly token: string | null;
  readonly onKey: (key: string) => void;
  readonly eventsUrl: string;
  readonly player: Parameters<typeof SendEvent>[0]['player'];
}

function Deeds({ room, token, onKey, eventsUrl, player }: DeedsProps) {
  const { role, status, words } = useJoined(room);
  const scene = useMemo<Scene>(() => ({ room, server: location.origin, token }), [room, token]);
  if (status === 'failed') return <AskKey words={words} onKey={onKey} />;
  if (role === null) return <p class="quiet">Connecting …</p>;
  if (!isAtLeast(role, 'host')) return <AskKey words={`You are ${role} here; this page needs a host.`} onKey={onKey} />;
  return (
    <SceneContext.Provider value={scene}>
      {status !== 'open' && <Banner>{words}. What you do now is sent once the connection is back.</Banner>}
      <Running />
      <Open />
      <Order />
      <Switches />
      <details class="panel forhost">
        <summary>Any event, log, API</summary>
        <SendEvent url={eventsUrl} player={player} />
        <p class="quiet">
          The whole log, for <code>unisono verify</code>: <a href={`/api/v1/rooms/${room.name}/log`}>download</a>. The room as it stands:{' '}
          <a href={`/api/v1/rooms/${room.name}/snapshot`}>snapshot</a>. What was decided, and how anybody checks it:{' '}
          <a href={`/${room.name.replace(':', '/')}/fairness`}>fairness</a>.
        </p>
      </details>
    </SceneContext.Provider>
  );
}
