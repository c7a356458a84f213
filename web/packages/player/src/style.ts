/** The element's own looks; outside, `--unisono-radius` and the parts `video`, `state`, `bar`, `unmute` can be styled. */

export const STYLE = `
:host {
  display: block; position: relative; overflow: hidden; aspect-ratio: 16 / 9; background: #06080c; color: #fff;
  border-radius: var(--unisono-radius, 0); font: 500 15px/1.4 system-ui, sans-serif; -webkit-tap-highlight-color: transparent;
}
:host(:fullscreen) { border-radius: 0; aspect-ratio: auto; }
[hidden] { display: none !important; }
video { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: contain; }
.over { position: absolute; inset: 0; pointer-events: none; }
.state {
  position: absolute; inset: 0; display: grid; place-content: center; justify-items: center; gap: 14px; padding: 24px; text-align: center;
  background: rgb(6 8 12 / 0.62); transition: opacity 0.25s; text-wrap: balance;
}
.state p { margin: 0; max-width: 34em; }
.state i { width: 26px; height: 26px; border-radius: 50%; border: 2.5px solid rgb(255 255 255 / 0.22); border-top-color: #fff; animation: turn 0.9s linear infinite; }
:host([data-state='playing']) .state { opacity: 0; visibility: hidden; transition: opacity 0.25s, visibility 0s 0.25s; }
:host([data-state='failed']) .state i { display: none; }
@keyframes turn { to { transform: rotate(1turn); } }
button { font: inherit; color: inherit; border: 0; background: none; cursor: pointer; padding: 0; }
button:focus-visible, input:focus-visible { outline: 2px solid #fff; outline-offset: 2px; }
svg { width: 22px; height: 22px; fill: currentColor; display: block; }
.line { fill: none; stroke: currentColor; stroke-width: 2; stroke-linecap: round; stroke-linejoin: round; }
.unmute {
  position: absolute; left: 14px; top: 14px; display: flex; align-items: center; gap: 8px; padding: 8px 14px 8px 10px; border-radius: 99px;
  background: rgb(6 8 12 / 0.68); backdrop-filter: blur(8px); font-size: 14px;
}
.unmute:hover { background: rgb(6 8 12 / 0.85); }
.bar {
  position: absolute; inset: auto 0 0; display: flex; align-items: center; gap: 10px; padding: 28px 14px 10px; opacity: 0; transition: opacity 0.2s;
  background: linear-gradient(transparent, rgb(0 0 0 / 0.55));
}
.bar span { flex: 1; }
.bar button { padding: 5px; border-radius: 8px; }
.bar button:hover { background: rgb(255 255 255 / 0.16); }
.volume { width: 84px; accent-color: #fff; }
:host(:hover) .bar, :host(:focus-within) .bar { opacity: 1; }
:host([data-muted]) .on, :host(:not([data-muted])) .off { display: none; }
@media (hover: none) { .volume { display: none; } :host .bar { opacity: 1; background: none; } }
@media (prefers-reduced-motion: reduce) { .state i { animation-duration: 3s; } }
`;
