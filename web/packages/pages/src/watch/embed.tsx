/** How to show this stream in another page. */

import { streamUrls, type StreamName } from '@unisono/client';
import { useState } from 'preact/hooks';
import { Copy } from '../parts/copy';
import { Segments } from '../parts/frame';

type Way = 'element' | 'room' | 'frame';

const WAYS = [
  { value: 'element', label: 'Player element' },
  { value: 'room', label: 'Room' },
  { value: 'frame', label: 'iframe' },
] as const;

export function Share({ stream, needsToken }: { stream: StreamName; needsToken: boolean }) {
  // Without this viewer's own token, which is not for passing on.
  const { watch: watchUrl, hls: hlsUrl } = streamUrls(stream, location.origin);
  const [way, setWay] = useState<Way>('element');
  return (
    <details class="panel share">
      <summary>Share and embed</summary>
      <Copy label="Watch" text={watchUrl} />
      <Copy label="HLS" text={hlsUrl} />
      {needsToken && <p class="quiet">Watching this stream needs a token: each viewer brings their own, behind “#token=” or in the player’s token attribute.</p>}
      <div class="row wrap">
        <h2>In your own page</h2>
        <Segments label="Way to embed" value={way} options={WAYS} onChange={setWay} />
      </div>
      <Copy text={snippet(way, stream, watchUrl)} />
      <p class="quiet">
        Works in a page of any origin. A page on https can embed this server only by https. Events, latency and frames are told to your scripts by the
        element’s events.
      </p>
      <h2>In OBS, as a browser source</h2>
      <Copy text={`${watchUrl}/overlay`} />
      <p class="quiet">The room’s events on a transparent ground: chat, questions, polls, reactions, alerts.</p>
    </details>
  );
}

function snippet(way: Way, stream: StreamName, watchUrl: string): string {
  switch (way) {
    case 'element':
      return elementSnippet(watchUrl);
    case 'room':
      return roomSnippet(watchUrl);
    case 'frame':
      return frameSnippet(stream, watchUrl);
  }
}

/** The player, and what people do together beside it. */
function roomSnippet(watchUrl: string): string {
  const { origin } = new URL(watchUrl);
  return (
    `<script type="module" src="${origin}/player.js"></script>\n<script type="module" src="${origin}/room.js"></script>\n` +
    `<unisono-player src="${watchUrl}" feed="none"><unisono-reactions></unisono-reactions></unisono-player>\n` +
    `<unisono-room src="${watchUrl}" player="unisono-player"></unisono-room>`
  );
}

/** The player as a custom element. */
function elementSnippet(watchUrl: string): string {
  return `<script type="module" src="${new URL(watchUrl).origin}/player.js"></script>\n<unisono-player src="${watchUrl}"></unisono-player>`;
}

/** The same in a frame of its own, for pages that take no foreign scripts. */
function frameSnippet({ app, name }: StreamName, watchUrl: string): string {
  return (
    `<iframe src="${watchUrl}?embed" title="${app}/${name} live" width="640" height="360" style="border:0"\n` +
    `  allow="autoplay; fullscreen; picture-in-picture"></iframe>`
  );
}
