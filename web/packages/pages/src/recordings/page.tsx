/** The recordings of one stream. */

import type { StreamName, StreamUrls } from '@unisono/client';
import { useState } from 'preact/hooks';
import { Banner, Head, Pill } from '../parts/frame';
import { usePolled } from '../parts/poll';
import { Player } from './player';
import { base, length, size, when, type RecordingList, type RecordingView } from './recording';

const EVERY_MS = 4000;

export function RecordingsPage({ stream, token, urls }: { stream: StreamName; token: string | null; urls: StreamUrls }) {
  const prefix = token ? `/t/${token}` : '';
  const { data, error } = usePolled<RecordingList>(`${prefix}/api/v1/recordings?stream=${stream.app}/${stream.name}`, EVERY_MS);
  const [shown, setShown] = useState<string | null>(null);
  const all = data?.recordings ?? [];
  const playing = all.find(({ id }) => id === shown) ?? null;
  return (
    <>
      <Head>
        <a href={urls.watch}>Watch live</a>
      </Head>
      <main class="recordings">
        <header>
          <h1>
            <span class="quiet">{stream.app}/</span>
            {stream.name}
          </h1>
          <p class="quiet">Recordings: watch them, load them, cut a clip</p>
        </header>
        {error?.kind === 'unauthorized' && <Banner tone="bad">You may not watch this stream: open this page by an address with a token.</Banner>}
        {error?.kind === 'network' && <Banner tone="bad">{error.message}. Trying again.</Banner>}
        {data && !data.complete && <Banner>The server is still reading what was recorded before it started.</Banner>}
        {data && all.length === 0 && data.complete && <Banner>Nothing of this stream is recorded.</Banner>}
        {playing && <Player key={playing.id} recording={playing} token={token} />}
        {all.map((recording) => (
          <Row key={recording.id} recording={recording} token={token} isShown={recording.id === shown} onShow={() => setShown(recording.id)} />
        ))}
        {data?.next && <p class="quiet">Older ones are listed by the API.</p>}
      </main>
    </>
  );
}

function Row(props: { recording: RecordingView; token: string | null; isShown: boolean; onShow: () => void }) {
  const { recording, token, isShown, onShow } = props;
  const isRunning = recording.state === 'recording';
  const name = when(recording);
  return (
    <section class="panel" aria-label={`Recording of ${name}`}>
      <div class="row">
        <Pill tone={isRunning ? 'live' : 'idle'}>{isRunning ? 'Recording' : 'Finished'}</Pill>
        <span>
          {name} · {length(recording)} · {size(recording.bytes)}
        </span>
      </div>
      {recording.trouble && <Banner tone="bad">Nothing is written at the moment: {recording.trouble.words}</Banner>}
      {recording.lost > 0 && <Banner>{recording.lost} segments could not be kept and are missing.</Banner>}
      {recording.from !== undefined && (
        <div class="row">
          <button type="button" class="main" aria-pressed={isShown} onClick={onShow}>
            Play
          </button>
          <a href={`${base(recording, token)}/recording.mp4`} download>
            Load as MP4
          </a>
          <a href={`${base(recording, token)}/index.m3u8`}>HLS</a>
        </div>
      )}
    </section>
  );
}
