/** `/{app}/{name}/fairness`: what was decided in a room, by which rule, whether latency had a say, and how to check it. */

import { parseAddress, streamUrls } from '@unisono/client';
import { render } from 'preact';
import { Banner, Head } from '../parts/frame';
import '../style/index.css';
import { FairnessPage } from './page';

const { stream, token } = parseAddress(new URL(location.href));

function Page() {
  if (stream) return <FairnessPage stream={stream} token={token} urls={streamUrls(stream, location.origin, token)} />;
  return (
    <>
      <Head />
      <main>
        <Banner tone="bad">This is not the address of a stream: it has two parts, such as /live/alice/fairness.</Banner>
      </main>
    </>
  );
}

if (stream) document.title = `Fairness of ${stream.app}/${stream.name} · Unisono`;
render(<Page />, document.getElementById('page')!);
