/** `/{app}/{name}/publish`: camera, screen or test pattern, to the server by WHIP. */

import { parseStream, streamUrls } from '@unisono/client';
import { render } from 'preact';
import { Banner, Head } from '../parts/frame';
import { Publish } from './publish';
import '../style/index.css';

const stream = parseStream(location.pathname);

function Page() {
  if (stream) return <Publish stream={stream} urls={streamUrls(stream, location.origin)} />;
  return (
    <>
      <Head />
      <main>
        <Banner tone="bad">This is not the address of a stream: it has two parts and “publish”, such as /live/alice/publish.</Banner>
      </main>
    </>
  );
}

if (stream) document.title = `Publish ${stream.app}/${stream.name} · Unisono`;
render(<Page />, document.getElementById('page')!);
