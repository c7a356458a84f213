/** `/{app}/{name}`: the picture, how live it is, and what happens in the room. */

import '@unisono/player';
import '@unisono/room';
import { parseAddress, streamUrls } from '@unisono/client';
import { render } from 'preact';
import { Banner, Head } from '../parts/frame';
import { Embedded } from './embedded';
import { Watch } from './watch';
import '../style/index.css';

const { stream, token } = parseAddress(new URL(location.href));

/** `?embed`: the player alone, for an iframe in somebody's page. */
const isEmbedded = new URLSearchParams(location.search).has('embed');

function Page() {
  if (stream && isEmbedded) return <Embedded stream={stream} token={token} />;
  if (stream) return <Watch stream={stream} token={token} urls={streamUrls(stream, location.origin, token)} />;
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
