/** The element's inside. Icons are drawn on a 24 × 24 grid. */

import { DIALS } from './dial';

const icon = (paths: string) => `<svg viewBox="0 0 24 24" aria-hidden="true">${paths}</svg>`;
const SPEAKER = '<path d="M4 9.5v5h3.5L12 19V5L7.5 9.5H4Z"/>';

const ICONS = {
  play: icon('<path class="off" d="M8 5.5v13l10.5-6.5L8 5.5Z"/><path class="on" d="M7 5h3.4v14H7zM13.6 5H17v14h-3.4z"/>'),
  sound: icon(`${SPEAKER}<path class="line on" d="M15.5 9a4.2 4.2 0 0 1 0 6m2.6-8.6a8 8 0 0 1 0 11.2"/><path class="line off" d="m16 9.5 5 5m0-5-5 5"/>`),
  muted: icon(`${SPEAKER}<path class="line" d="m16 9.5 5 5m0-5-5 5"/>`),
  dial: icon('<path class="line" d="M4 7h9m5 0h2M4 17h2m5 0h9"/><circle class="line" cx="15.5" cy="7" r="2.2"/><circle class="line" cx="8.5" cy="17" r="2.2"/>'),
  pip: icon('<path class="line" d="M20 11V6.5A1.5 1.5 0 0 0 18.5 5h-13A1.5 1.5 0 0 0 4 6.5v10A1.5 1.5 0 0 0 5.5 18H10"/><rect x="12.5" y="13" width="8.5" height="6.5" rx="1.2"/>'),
  full: icon('<path class="line" d="M9 4H4v5m11-5h5v5M9 20H4v-5m11 5h5v-5"/>'),
  big: icon('<path d="M8 5v14l11.5-7L8 5Z"/>'),
};

const radios = (name: string, legend: string, options: readonly { readonly value: string; readonly label: string }[]) => `
  <fieldset><legend>${legend}</legend><div class="choices">${options
    .map(({ value, label }) => `<label><input type="radio" name="${name}" value="${value}"><span>${label}</span></label>`)
    .join('')}</div></fieldset>`;

const LINES = [
  { value: 'auto', label: 'Auto' },
  { value: 'webrtc', label: 'WebRTC' },
  { value: 'hls', label: 'LL-HLS' },
];

export const MARKUP = `
<video part="video" autoplay muted playsinline disableremoteplayback></video>
<div class="face" part="face" hidden><div class="meter" aria-hidden="true">${'<i></i>'.repeat(9)}</div><b></b><p>Sound only</p></div>
<div class="over"><slot></slot></div>
<div class="state" part="state"><i></i><b></b><p></p></div>
<p class="said" role="status" aria-live="polite"></p>
<button class="big" part="play" type="button" aria-label="Play" hidden>${ICONS.big}</button>
<button class="unmute" part="unmute" type="button" hidden>${ICONS.muted}Tap for sound</button>
<section class="figures" part="figures" aria-label="Statistics" tabindex="0" hidden><dl></dl></section>
<form class="menu" part="menu" aria-label="Playback settings" hidden>
  ${radios('latency', 'Latency', DIALS)}
  <p class="hint"></p>
  ${radios('mode', 'Protocol', LINES)}
  <label class="check"><input type="checkbox" name="figures"><span>Statistics</span><kbd aria-hidden="true">s</kbd></label>
</form>
<div class="bar" part="bar" role="group" aria-label="Player">
  <button class="play" type="button">${ICONS.play}</button>
  <button class="sound" type="button">${ICONS.sound}</button>
  <input class="volume" type="range" min="0" max="1" step="0.05" value="1" aria-label="Volume">
  <em class="nosound" hidden>No sound in this stream</em>
  <span></span>
  <button class="dial" type="button" aria-label="Settings" aria-expanded="false">${ICONS.dial}</button>
  <button class="pip" type="button" aria-label="Picture in picture">${ICONS.pip}</button>
  <button class="full" type="button" aria-label="Full screen">${ICONS.full}</button>
</div>`;
