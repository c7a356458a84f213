/** The element's own looks; outside, `--unisono-radius` and the parts `video`, `face`, `state`, `bar`, `menu`, `figures`, `unmute`, `play` can be styled. */

import { MENU_STYLE } from './menu-style';

export const STYLE = `
:host {
  display: block; position: relative; overflow: hidden; aspect-ratio: 16 / 9; background: #06080c; color: #fff; color-scheme: dark;
  border-radius: var(--unisono-radius, 0); font: 500 15px/1.4 system-ui, sans-serif; -webkit-tap-highlight-color: transparent;
}
:host(:fullscreen) { border-radius: 0; aspect-ratio: auto; }
[hidden] { display: none !important; }
video { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: contain; }
.over { position: absolute; inset: 0; pointer-events: none; }
.said { position: absolute; width: 1px; height: 1px; margin: 0; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
p { margin: 0; }

.state {
  position: absolute; inset: 0; display: grid; place-content: center; justify-items: center; gap: 8px; padding: 20px 24px; text-align: center;
  background: rgb(6 8 12 / 0.72); transition: opacity 0.25s; text-wrap: balance; overflow-wrap: anywhere;
}
.state b { font-size: clamp(16px, 4.2cqi, 22px); font-weight: 650; letter-spacing: -0.01em; }
.state p { max-width: 36em; font-weight: 400; color: #d4dae4; }
.state i { width: 26px; height: 26px; margin-bottom: 6px; border-radius: 50%; border: 2.5px solid rgb(255 255 255 / 0.22); border-top-color: #fff; animation: turn 0.9s linear infinite; }
:host([data-phase='playing']) .state { opacity: 0; visibility: hidden; transition: opacity 0.25s, visibility 0s 0.25s; }
:host([data-phase='waiting']) .state, :host([data-phase='ended']) .state, :host([data-phase='refused']) .state, :host([data-phase='failed']) .state {
  background: radial-gradient(circle at 50% 38%, #1b2436, #0a0d13 78%);
}
:host([data-phase='waiting']) .state i, :host([data-phase='ended']) .state i { border-color: rgb(255 255 255 / 0.32); animation: breathe 2.4s ease-in-out infinite; }
:host([data-phase='failed']) .state i, :host([data-phase='refused']) .state i { display: none; }
@keyframes turn { to { transform: rotate(1turn); } }
@keyframes breathe { 50% { opacity: 0.35; } }

.face {
  position: absolute; inset: 0; display: grid; place-content: center; justify-items: center; gap: 6px; padding: 24px; text-align: center;
  background: radial-gradient(circle at 50% 40%, #22304f, #0b0f18 75%); overflow-wrap: anywhere;
}
.face b { font-size: 20px; font-weight: 650; }
.face p { color: #b6c0d2; font-weight: 400; }
.meter { display: flex; align-items: center; gap: 6px; height: 72px; margin-bottom: 10px; }
.meter i { width: 6px; height: calc(6px + 66px * var(--level, 0)); border-radius: 3px; background: #86a8ff; transition: height 0.1s linear; }

button { font: inherit; color: inherit; border: 0; background: none; cursor: pointer; padding: 0; }
button:focus-visible, input:focus-visible, .figures:focus-visible { outline: 2px solid #fff; outline-offset: 2px; box-shadow: 0 0 0 4px rgb(6 8 12 / 0.7); }
svg { width: 22px; height: 22px; fill: currentColor; display: block; }
.line { fill: none; stroke: currentColor; stroke-width: 2; stroke-linecap: round; stroke-linejoin: round; }
.big {
  position: absolute; inset: 0; margin: auto; width: 76px; height: 76px; display: grid; place-content: center; border-radius: 50%;
  background: rgb(6 8 12 / 0.68); backdrop-filter: blur(8px);
}
.big svg { width: 36px; height: 36px; }
.unmute {
  position: absolute; left: 14px; top: 14px; display: flex; align-items: center; gap: 8px; min-height: 40px; padding: 6px 16px 6px 12px; border-radius: 99px;
  background: rgb(6 8 12 / 0.72); backdrop-filter: blur(8px); font-size: 14px;
}
.unmute:hover, .big:hover { background: rgb(6 8 12 / 0.9); }
.bar {
  position: absolute; inset: auto 0 0; display: flex; align-items: center; gap: 4px; padding: 32px 10px 8px; opacity: 0; transition: opacity 0.2s;
  background: linear-gradient(transparent, rgb(0 0 0 / 0.62));
}
.bar span { flex: 1; }
.bar button { padding: 7px; border-radius: 9px; }
.bar button:hover, .bar button[aria-expanded='true'] { background: rgb(255 255 255 / 0.18); }
.volume { width: 84px; margin: 0 6px; accent-color: #fff; }
.nosound { font-style: normal; font-size: 13px; font-weight: 400; padding: 0 8px; color: #d4dae4; }
:host(:hover) .bar, :host(:focus-within) .bar, :host([data-paused]) .bar, :host([data-open]) .bar { opacity: 1; }
:host([data-muted]) .sound .on, :host(:not([data-muted])) .sound .off, :host([data-paused]) .play .on, :host(:not([data-paused])) .play .off { display: none; }
:host(:not([data-phase='playing'])) .play, :host(:not([data-phase='playing'])) .pip { display: none; }
:host([controls='none']) :is(.bar, .unmute, .menu) { display: none; }
@media (hover: none) { .volume { display: none; } .bar { opacity: 1; background: linear-gradient(transparent, rgb(0 0 0 / 0.45)); } .bar button { padding: 9px; } }
@media (prefers-reduced-motion: reduce) { .state i, :host([data-phase]) .state i { animation: none; border-color: rgb(255 255 255 / 0.6); } .state, .bar, .meter i { transition: none !important; } }
${MENU_STYLE}`;
