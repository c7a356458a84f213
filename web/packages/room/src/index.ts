/**
 * `<unisono-room src="/live/alice" player="#player">`: what happens in a stream's room, and what one can do there. `<unisono-reactions>` inside a
 * `<unisono-player>` lets reactions fly over the picture.
 *
 * Attributes of `<unisono-room>`: `src` (stream path or URL), `player` (CSS selector of a `<unisono-player>`: events are told on its frames),
 * `token`, `parts` (of `presence live reactions chat questions`, all by default), `lockstep`. Property `room` takes one that was joined before.
 */

export { UnisonoReactions, UnisonoRoom } from './element';

import { UnisonoReactions, UnisonoRoom } from './element';

if (!customElements.get('unisono-room')) customElements.define('unisono-room', UnisonoRoom);
if (!customElements.get('unisono-reactions')) customElements.define('unisono-reactions', UnisonoReactions);
