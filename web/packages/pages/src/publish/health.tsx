/** How publishing goes: what this browser sends, and what the server says of it. */

import type { StreamUrls } from '@unisono/client';
import type { StreamView } from '../api';
import { Troubles } from '../parts/diagnosis';
import { Banner, Figure } from '../parts/frame';
import { usePolled } from '../parts/poll';
import { bitrate, trackWords, viewerWords } from '../parts/words';
import type { Studio } from './studio';

const EVERY_MS = 2000;

const LIMITS: Record<string, string> = {
  cpu: 'This computer cannot encode so much: the browser lowers the picture. Choose a smaller size or frame rate.',
  bandwidth: 'The network does not carry so much: the browser lowers the picture. Choose a lower bitrate if it stays so.',
  other: 'The browser lowers the picture.',
};

/** Share of packets lost that is worth a word. */
const LOSS_NOTABLE = 0.03;

export function Health({ studio: { health, state }, urls }: { studio: Studio; urls: StreamUrls }) {
  if (state !== 'live') return null;
  return (
    <>
      {health && (
        <dl class="figures">
          <Figure name="Video" value={bitrate(health.videoBitsPerSecond)} title="Sent in the last second" />
          <Figure name="Audio" value={bitrate(health.audioBitsPerSecond)} title="Sent in the last second" />
          <Figure name="Rate" value={`${Math.round(health.framesPerSecond)} fps`} />
          <Figure name="Picture" value={health.width ? `${health.width}×${health.height}` : '–'} />
          <Figure name="Round trip" value={health.roundTripMs === null ? '–' : `${Math.max(1, Math.round(health.roundTripMs))} ms`} />
          <Figure name="Loss" value={health.loss === null ? '–' : `${(health.loss * 100).toFixed(1)} %`} />
          <Figure name="Codec" value={health.codec ?? '–'} />
        </dl>
      )}
      {health && LIMITS[health.limitedBy] && <Banner>{LIMITS[health.limitedBy]}</Banner>}
      {health && (health.loss ?? 0) > LOSS_NOTABLE && <Banner>Packets get lost on the way to the server: {Math.round(health.loss! * 100)} %.</Banner>}
      <Server url={urls.status} />
    </>
  );
}

/** The other end's view: what arrives, who watches, what is wrong with it. */
function Server({ url }: { url: string }) {
  const { data: view, error } = usePolled<StreamView>(url, EVERY_MS);
  if (!view) return error?.kind === 'network' ? <Banner tone="bad">{error.message}</Banner> : null;
  const tracks = view.tracks.length > 0 ? view.tracks.map(trackWords).join(' and ') : 'nothing yet';
  return (
    <>
      <p class="quiet server">
        The server receives {tracks} · {viewerWords(view)}
      </p>
      <Troubles view={view} />
    </>
  );
}
