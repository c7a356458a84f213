/** The watch page of one stream. */

import { streamUrls, type Applied, type Room, type StreamName, type StreamUrls } from '@unisono/client';
import type { Mode, Phase, PlayerState, UnisonoPlayer } from '@unisono/player';
import type { UnisonoReactions, UnisonoRoom } from '@unisono/room';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { StreamView } from '../api';
import { Troubles } from '../parts/diagnosis';
import { Banner, Head, Pill, Segments, type Tone } from '../parts/frame';
import '../parts/player';
import '../parts/window';
import { usePolled } from '../parts/poll';
import { sourceWords, trackWords } from '../parts/words';
import { Share } from './embed';
import { usePlayerKeys } from './keys';
import { ForHost, mayHost } from './for-host';
import { Live } from './live';
import { Viewers } from './viewers';
import { Toasts } from './toasts';
import { AskToken } from './token';

/** Events kept in the list; older ones leave it. */
const LOG_LENGTH = 60;

const LINES = [
  { value: 'webrtc', label: 'WebRTC' },
  { value: 'hls', label: 'LL-HLS' },
] as const;

const TONES: Record<Phase, Tone> = {
  offline: 'bad',
  connecting: 'wait',
  waiting: 'idle',
  playing: 'live',
  stalled: 'wait',
  reconnecting: 'wait',
  ended: 'idle',
  refused: 'bad',
  failed: 'bad',
};

const HEADLINES: Record<Phase, string> = {
  offline: 'Offline',
  connecting: 'Connecting',
  waiting: 'Not live',
  playing: 'Live',
  stalled: 'No new picture',
  reconnecting: 'Reconnecting',
  ended: 'Ended',
  refused: 'Refused',
  failed: 'Cannot play',
};

/** `?mode=webrtc|hls` forces a protocol, `?latency=lowest|balanced|stable` turns the dial. */
function choicesOfAddress(): { mode: Mode; latency: string } {
  const query = new URLSearchParams(location.search);
  const mode = query.get('mode');
  return { mode: mode === 'webrtc' || mode === 'hls' ? mode : 'auto', latency: query.get('latency') ?? 'lowest' };
}

export function Watch({ stream, token, urls }: { stream: StreamName; token: string | null; urls: StreamUrls }) {
  const player = useRef<UnisonoPlayer>(null);
  // The player's own menu changes them later.
  const [{ mode, latency }] = useState(choicesOfAddress);
  const [state, setState] = useState<PlayerState>({ state: 'connecting', phase: 'connecting', words: '', line: mode === 'hls' ? 'hls' : 'webrtc', note: null, moved: null });
  const [log, setLog] = useState<readonly Applied[]>([]);
  // What the stream is, the node in use knows.
  const origin = player.current?.endpoint ?? location.origin;
  const { data: view, error, refresh } = usePolled<StreamView>(streamUrls(stream, origin, token).status, 3000);
  /** T of the first frame shown here: what belongs to a time before it is history. */
  const [joinedAt, setJoinedAt] = useState<number | null>(null);
  // We are a viewer now, or not any more.
  useEffect(refresh, [state.phase]);

  usePlayerKeys(player);
  useEffect(() => {
    const element = player.current!;
    window.unisono = { ...window.unisono, player: element };
    const onState = (event: Event) => setState((event as CustomEvent<PlayerState>).detail);
    element.addEventListener('unisono-state', onState);
    const stopJoining = element.on('frame', ({ t }) => {
      setJoinedAt(t);
      stopJoining();
    });
    return () => {
      element.removeEventListener('unisono-state', onState);
      stopJoining();
    };
  }, []);

  const panel = useRef<UnisonoRoom>(null);
  const reactions = useRef<UnisonoReactions>(null);
  useEffect(() => {
    let stop = () => {};
    const onRoom = (event: Event) => {
      const room = (event as CustomEvent<Room>).detail;
      stop();
      // Under another name one joins again, and what was told is told again.
      setLog([]);
      stop = room.onEvent((told) => setLog((old) => [told, ...old].slice(0, LOG_LENGTH)));
      window.unisono = { ...window.unisono, room };
      reactions.current!.room = room;
    };
    const element = panel.current!;
    element.addEventListener('unisono-room', onRoom);
    if (element.room) onRoom(new CustomEvent('unisono-room', { detail: element.room }));
    return () => {
      element.removeEventListener('unisono-room', onRoom);
      stop();
    };
  }, []);

  const choose = (line: 'webrtc' | 'hls') => {
    player.current!.mode = line;
    history.replaceState(null, '', `?mode=${line}${location.hash}`);
  };
  // With B-frames the server's note says why it plays as it does; else the player's own reason does.
  const isReordered = view?.tracks.some(({ reordered }) => reordered) ?? false;
  return (
    <>
      <Head>
        <a href={urls.publish}>Publish</a>
      </Head>
      <main class="watch">
        <section class="stage" aria-label="Stream">
          <unisono-player ref={player} class="screen" src={urls.watch} mode={mode} latency={latency} feed="none" {...(token ? { token } : {})}>
            <unisono-reactions ref={reactions} />
            <Toasts log={log.filter(({ event }) => joinedAt !== null && event.at >= joinedAt)} />
          </unisono-player>
          <div class="caption">
            <div class="title">
              <h1>
                <span class="quiet">{stream.app}/</span>
                {stream.name}
              </h1>
              <p class="quiet">
                {view ? [sourceWords(view), ...view.tracks.map(trackWords)].join(' · ') : error?.kind === 'network' ? error.message : ' '}
              </p>
            </div>
            <Segments label="Protocol" value={state.line} options={LINES} onChange={choose} />
          </div>
          <div class="facts">
            <span title={state.words}>
              <Pill tone={TONES[state.phase]}>{HEADLINES[state.phase]}</Pill>
            </span>
            <Live player={player}>{view && <Viewers view={view} />}</Live>
          </div>
          {state.phase === 'refused' && <AskToken />}
          <p class="quiet" role="status">
            {state.moved}
          </p>
          {state.note && !isReordered && <Banner>Plays by LL-HLS: {state.note}</Banner>}
          <Troubles view={view} />
        </section>
        <aside class="room" aria-label="Room">
          <unisono-room ref={panel} src={urls.watch} player="unisono-player" lockstep {...(token ? { token } : {})} />
          {mayHost() && <ForHost urls={urls} log={log} joinedAt={joinedAt} player={player} />}
        </aside>
        <div class="below">
          <Share stream={stream} needsToken={token !== null} />
        </div>
      </main>
    </>
  );
}
