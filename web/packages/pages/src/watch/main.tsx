/** `/{app}/{name}`: the picture, how live it is, and what happens in the room. */

import '@unisono/player';
import { parseStream, streamUrls } from '@unisono/client';
import { render } from 'preact';
import { Banner, Head } from '../parts/frame';
import { Watch } from './watch';
import '../style/index.css';

const stream = parseStream(location.pathname);

function Page() {
  if (stream) return <Watch stream={stream} urls={streamUrls(stream, location.origin)} />;
  return (
    <>
      <Head />
      <main>
        <Banner tone="bad">This is not the address of a stream: it has two parts, such as /live/alice.</Banner>
      </main>
    </>
  );
}

if (stream) document.title = `${stream.app}/${stream.name} · Unisono`;
render(<Page />, document.getElementById('page')!);
