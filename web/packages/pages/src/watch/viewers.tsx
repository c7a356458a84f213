/** How many watch, by any protocol. */

import type { StreamView } from '../api';
import { Figure } from '../parts/frame';

export function Viewers({ view: { viewers } }: { view: StreamView }) {
  const { webrtc, hls } = viewers;
  const title = `${webrtc} by WebRTC, about ${hls} by HLS (counted by their requests)`;
  return <Figure name="Watching" value={`${hls > 0 ? '≈ ' : ''}${webrtc + hls}`} title={title} />;
}
