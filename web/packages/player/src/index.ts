/**
 * `<unisono-player src="/live/alice">`: plays a stream by WebRTC, falls to LL-HLS where that cannot be, and hands on events, frames and states
 * as bubbling `CustomEvent`s `unisono-event`, `unisono-frame` and `unisono-state`.
 *
 * Attributes: `src` (stream path or URL), `mode` (`auto`, `webrtc`, `hls`), `latency` (milliseconds of jitter buffer or hold-back; left out, as
 * low as the network allows). Children are laid over the picture, also in full screen.
 */

export { UnisonoPlayer, type Mode, type PlayerState } from './element';

import { UnisonoPlayer } from './element';

if (!customElements.get('unisono-player')) customElements.define('unisono-player', UnisonoPlayer);
