/** The page of `unisono demo auction`: one sale on four screens, what its bidders were answered, a server to kill, and the proof. */

import { render } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { Head } from '../parts/frame';
import { Screen, usePanes, type ScreenOf } from './screen';
import { Side } from './side';
import { press, useDemo, type DemoState } from './state';
import '../style/index.css';
import './auction.css';

function screens({ server }: DemoState): readonly ScreenOf[] {
  const fast = `http=${server.http_port}`;
  return [
    { name: 'webrtc', title: 'WebRTC', words: 'by UDP', query: `mode=webrtc&${fast}` },
    { name: 'hls', title: 'LL-HLS', words: 'as any CDN carries it', query: `mode=hls&${fast}` },
    { name: 'slow', title: 'WebRTC, bad link', words: server.slow_words, query: `mode=webrtc&http=${server.slow_http_port}&media=${server.slow_webrtc_port}` },
    { name: 'phone', title: 'Phone', words: 'WebRTC, 390 px wide', query: `mode=webrtc&${fast}` },
  ];
}

function Page() {
  const state = useDemo();
  const panes = usePanes();
  const isUp = state !== null;
  // The panes' addresses stay the same across restarts; made once, so that no change of state loads them again.
  const [shown, setShown] = useState<readonly ScreenOf[]>([]);
  useEffect(() => {
    if (state && shown.length === 0) setShown(screens(state));
  }, [isUp]);
  const isReady = shown.length > 0 && shown.every(({ name }) => panes.get(name)?.phase === 'playing');
  useEffect(() => {
    if (isReady) void press('ready');
  }, [isReady]);
  return (
    <>
      <Head>
        {state?.server.pid && <span class="quiet tiny">server process {state.server.pid}</span>}
      </Head>
      <main class="auction" data-phase={state?.phase}>
        <p class="caption-now" role="status" data-caption>
          {state?.caption ?? 'Connecting to the demo …'}
        </p>
        <div class="screens">
          {shown.map((screen) => (
            <Screen key={screen.name} screen={screen} pane={panes.get(screen.name)} hammerAt={state?.lot?.hammer?.at ?? null} />
          ))}
        </div>
        {state && <Side state={state} panes={panes} />}
      </main>
    </>
  );
}

render(<Page />, document.getElementById('page')!);
