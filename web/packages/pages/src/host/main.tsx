/** `/{app}/{name}/host`: opens and closes what people do together, sees who is there, keeps order. */

import '@unisono/player';
import '@unisono/room';
import { parseAddress, streamUrls } from '@unisono/client';
import { render } from 'preact';
import { Banner, Head } from '../parts/frame';
import { HostPage } from './host';
import '../style/index.css';

const { stream, token } = parseAddress(new URL(location.href));

function Page() {
  if (stream) return <HostPage stream={stream} token={token} urls={streamUrls(stream, location.origin, token)} />;
  return (
    <>
      <Head />
      <main>
        <Banner tone="bad">This is not the address of a stream: it has two parts, such as /live/alice/host.</Banner>
      </main>
    </>
  );
}

if (stream) document.title = `Host ${stream.app}/${stream.name} · Unisono`;
render(<Page />, document.getElementById('page')!);
