/**
 * `<unisono-player src="/live/alice">`: plays a stream by WebRTC, falls to LL-HLS where that cannot be, and hands on events, frames and states
 * as bubbling `CustomEvent`s `unisono-event`, `unisono-frame` and `unisono-state`.
 *
 * Attributes: `src` (stream path or URL), `mode` (`auto`, `webrtc`, `hls`), `latency` (`lowest`, `balanced`, `stable`, or milliseconds held
 * back), `token`, `controls="none"`. Children are laid over the picture, also in full screen. Keys: space or k, m, f, p, s.
 */

export { UnisonoPlayer, type Dial, type Mode, type Phase, type PlayerState } from './element';

import { UnisonoPlayer } from './element';

if (!customElements.get('unisono-player')) customElements.define('unisono-player', UnisonoPlayer);
