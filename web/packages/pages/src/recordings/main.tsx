/** `/{app}/{name}/recordings`: what was kept of a stream, to watch, to load, to cut a clip from. */

import { parseAddress, streamUrls } from '@unisono/client';
import { render } from 'preact';
import { Banner, Head } from '../parts/frame';
import '../style/index.css';
import { RecordingsPage } from './page';

const { stream, token } = parseAddress(new URL(location.href));

function Page() {
  if (stream) return <RecordingsPage stream={stream} token={token} urls={streamUrls(stream, location.origin, token)} />;
  return (
    <>
      <Head />
      <main>
        <Banner tone="bad">This is not the address of a stream: it has two parts, such as /live/alice/recordings.</Banner>
      </main>
    </>
  );
}

if (stream) document.title = `Recordings of ${stream.app}/${stream.name} · Unisono`;
render(<Page />, document.getElementById('page')!);
