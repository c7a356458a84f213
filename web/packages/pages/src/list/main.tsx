/** `/`: who is live, or how to be. */

import { render } from 'preact';
import { useState } from 'preact/hooks';
import { adminKey, type StreamView } from '../api';
import { Banner, Head, Pill } from '../parts/frame';
import { usePolled } from '../parts/poll';
import { sourceWords, trackWords, viewerWords } from '../parts/words';
import { Ways } from './ways';
import '../style/index.css';

function List() {
  const { data, error, refresh } = usePolled<{ streams: StreamView[] }>('/api/v1/streams', 2000);
  const streams = data?.streams ?? [];
  return (
    <>
      <Head />
      <main class="list">
        {error?.kind === 'unauthorized' && <AskKey onKey={refresh} />}
        {error?.kind === 'network' && <Banner tone="bad">{error.message}. Trying again.</Banner>}
        {streams.length > 0 && (
          <section>
            <h1>Live now</h1>
            <div class="cards">{streams.map((stream) => <Card key={stream.name} stream={stream} />)}</div>
          </section>
        )}
        {data && streams.length === 0 && (
          <section class="empty">
            <h1>Nobody is live yet</h1>
            <p>Publish a stream in one of these ways. It appears here by itself.</p>
          </section>
        )}
        {(data || error) && <Ways folded={streams.length > 0} />}
      </main>
    </>
  );
}

function Card({ stream }: { stream: StreamView }) {
  const isLive = stream.state === 'live';
  const isPressing = stream.tracks.some(({ reordered }) => reordered);
  const [app, name] = stream.name.split('/');
  return (
    <a class="card" href={`/${stream.name}`}>
      <div class="row">
        <Pill tone={isLive ? 'live' : 'wait'}>{isLive ? 'Live' : 'Publisher lost'}</Pill>
        <span class="quiet">{viewerWords(stream)}</span>
      </div>
      <h2>
        <span class="quiet">{app}/</span>
        {name}
      </h2>
      <p class="quiet">{[sourceWords(stream), ...stream.tracks.map(trackWords)].join(' · ')}</p>
      {stream.notes.map((note) => (
        <p class={isPressing ? 'aside pressing' : 'aside'} key={note}>
          {note}
        </p>
      ))}
    </a>
  );
}

function AskKey({ onKey }: { onKey: () => void }) {
  const [key, setKey] = useState(adminKey.get());
  const submit = (event: Event) => {
    event.preventDefault();
    adminKey.set(key.trim());
    onKey();
  };
  return (
    <form class="ask" onSubmit={submit}>
      <h1>Streams</h1>
      <p>The list of streams is for administrators. A stream itself opens by its address, such as {location.origin}/live/alice.</p>
      <div class="row">
        <input type="password" aria-label="Admin key" placeholder="Admin key, ak_…" autocomplete="off" value={key} onInput={(e) => setKey(e.currentTarget.value)} />
        <button class="main">Show the list</button>
      </div>
    </form>
  );
}

render(<List />, document.getElementById('page')!);
