/** The watch page of one stream. */

import type { Applied, StreamName, StreamUrls } from '@unisono/client';
import type { Mode, PlayerState, UnisonoPlayer } from '@unisono/player';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { StreamView } from '../api';
import { Banner, Head, Pill, Segments, type Tone } from '../parts/frame';
import '../parts/player';
import '../parts/window';
import { usePolled } from '../parts/poll';
import { sourceWords, trackWords, viewerWords } from '../parts/words';
import { EventLog } from './log';
import { Live } from './live';
import { SendEvent } from './send';
import { Toasts } from './toasts';

/** Events kept in the list; older ones leave it. */
const LOG_LENGTH = 60;

const LINES = [
  { value: 'webrtc', label: 'WebRTC' },
  { value: 'hls', label: 'LL-HLS' },
] as const;

const TONES: Record<PlayerState['state'], Tone> = {
  connecting: 'wait',
  waiting: 'idle',
  playing: 'live',
  stalled: 'wait',
  reconnecting: 'wait',
  failed: 'bad',
  closed: 'idle',
};

const HEADLINES: Record<PlayerState['state'], string> = {
  connecting: 'Connecting',
  waiting: 'Not live',
  playing: 'Live',
  stalled: 'No new picture',
  reconnecting: 'Reconnecting',
  failed: 'Cannot play',
  closed: 'Closed',
};

function modeOfAddress(): Mode {
  const mode = new URLSearchParams(location.search).get('mode');
  return mode === 'webrtc' || mode === 'hls' ? mode : 'auto';
}

export function Watch({ stream, token, urls }: { stream: StreamName; token: string | null; urls: StreamUrls }) {
  const player = useRef<UnisonoPlayer>(null);
  const [mode, setMode] = useState<Mode>(modeOfAddress);
  const [state, setState] = useState<PlayerState>({ state: 'connecting', words: '', line: mode === 'hls' ? 'hls' : 'webrtc', note: null });
  const [log, setLog] = useState<readonly Applied[]>([]);
  const { data: view, error } = usePolled<StreamView>(urls.status, 3000);

  useEffect(() => {
    const element = player.current!;
    window.unisono = { ...window.unisono, player: element };
    const onState = (event: Event) => setState((event as CustomEvent<PlayerState>).detail);
    element.addEventListener('unisono-state', onState);
    const stop = element.on('event', (applied) => setLog((old) => [applied, ...old].slice(0, LOG_LENGTH)));
    return () => {
      element.removeEventListener('unisono-state', onState);
      stop();
    };
  }, []);

  const choose = (line: 'webrtc' | 'hls') => {
    setMode(line);
    history.replaceState(null, '', `?mode=${line}${location.hash}`);
  };
  // With B-frames the server's note says why it plays as it does; else the player's own reason does. Small print stays small.
  const isReordered = view?.tracks.some(({ reordered }) => reordered) ?? false;
  const pressing = isReordered ? (view?.notes ?? []) : state.note ? [`Plays by LL-HLS: ${state.note}`] : [];
  const smallPrint = isReordered ? [] : (view?.notes ?? []);
  return (
    <>
      <Head>
        <a href={urls.publish}>Publish</a>
      </Head>
      <main class="watch">
        <section class="stage">
          <unisono-player ref={player} class="screen" src={urls.watch} mode={mode} {...(token ? { token } : {})}>
            <Toasts log={log} />
          </unisono-player>
          <div class="caption">
            <div class="title">
              <h1>
                <span class="quiet">{stream.app}/</span>
                {stream.name}
              </h1>
              <p class="quiet">
                {view ? [viewerWords(view), sourceWords(view), ...view.tracks.map(trackWords)].join(' · ') : error?.kind === 'network' ? error.message : ' '}
              </p>
            </div>
            <Segments label="Protocol" value={state.line} options={LINES} onChange={choose} />
          </div>
          <div class="facts">
            <span title={state.words}>
              <Pill tone={TONES[state.state]}>{HEADLINES[state.state]}</Pill>
            </span>
            <Live player={player} />
          </div>
          {pressing.map((note) => (
            <Banner key={note}>{note}</Banner>
          ))}
          {smallPrint.map((note) => (
            <p key={note} class="quiet">
              {note}
            </p>
          ))}
          {state.state === 'failed' && <Banner tone="bad">{state.words}</Banner>}
        </section>
        <aside class="room">
          <EventLog log={log} />
          <SendEvent url={urls.events} player={player} />
        </aside>
      </main>
    </>
  );
}
