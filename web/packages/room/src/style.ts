/** The elements' own looks. A page changes them by `--unisono-accent`, `--unisono-surface`, `--unisono-radius` and the host's font. */

export const ROOM_STYLE = `
:host {
  --ground: var(--unisono-ground, light-dark(#f5f6f8, #0e1116));
  --surface: var(--unisono-surface, light-dark(#fff, #161a21));
  --sunken: light-dark(#eef0f3, #0b0e12);
  --line: light-dark(#e2e5ea, #262c36);
  --text: light-dark(#161a20, #e8ebf0);
  --quiet: light-dark(#5b6472, #98a2b3);
  --accent: var(--unisono-accent, light-dark(#2f5bd8, #86a8ff));
  --on-accent: light-dark(#fff, #0c1426);
  --live: light-dark(#c4212f, #ff6b76);
  --good: light-dark(#12703a, #6ad39a);
  --wait: light-dark(#8f5a00, #f0b64d);
  --radius: var(--unisono-radius, 14px);
  display: block; min-width: 0; color: var(--text); font: 15px/1.45 system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif;
}
:host([hidden]) { display: none; }
* { box-sizing: border-box; }
p, h2, h3, ol, ul { margin: 0; padding: 0; }
ol { list-style: none; }
h2 { font-size: 15px; font-weight: 600; }
h3 { font-size: 16px; line-height: 1.3; font-weight: 600; overflow-wrap: anywhere; }
.quiet { color: var(--quiet); font-size: 13.5px; }
.tiny { font-size: 12.5px; }
.unseen { position: absolute; width: 1px; height: 1px; margin: 0; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }

button, .button {
  font: inherit; font-size: 14px; font-weight: 550; color: var(--text); background: var(--surface); border: 1px solid var(--line); border-radius: 10px;
  padding: 8px 14px; cursor: pointer; text-decoration: none; text-align: center;
}
button:hover:not(:disabled), .button:hover { border-color: var(--quiet); }
button:disabled { cursor: default; color: var(--quiet); }
.main { background: var(--accent); border-color: var(--accent); color: var(--on-accent); }
.main:disabled { background: var(--sunken); border-color: var(--line); color: var(--quiet); }
.small { padding: 3px 10px; font-size: 13px; border-radius: 8px; }
.link { border: 0; background: none; padding: 0; color: var(--accent); font-size: inherit; text-decoration: underline; }
input {
  font: inherit; width: 100%; min-width: 0; color: var(--text); background: var(--ground); border: 1px solid var(--line); border-radius: 9px; padding: 8px 11px;
}
label { display: block; min-width: 0; font-size: 13px; color: var(--quiet); }
label input { font-size: 15px; }
.answer { font-size: 13.5px; color: var(--quiet); overflow-wrap: anywhere; }
.answer:empty { display: none; }
.answer.bad { color: var(--live); }
.answer.good { color: var(--good); font-weight: 600; }

.panel { display: grid; gap: 12px; background: var(--surface); border: 1px solid var(--line); border-radius: var(--radius); padding: 14px; }
.presence { display: flex; align-items: baseline; gap: 10px; }
.lost { margin-left: auto; color: var(--wait); font-size: 13.5px; }

.now { display: grid; gap: 10px; }
.kind { font-size: 12px; font-weight: 600; letter-spacing: 0.03em; text-transform: uppercase; color: var(--accent); }
.value, .alert { background: var(--sunken); border-radius: 10px; padding: 8px 12px; overflow-wrap: anywhere; }
.alert { border-left: 3px solid var(--accent); }
.over { position: relative; }
.over .card > header { padding-right: 34px; }
.away { position: absolute; top: 9px; right: 9px; padding: 1px 8px; }
.card { display: grid; gap: 9px; border: 1px solid var(--line); background: var(--ground); border-radius: 12px; padding: 12px; }
.card > header { display: flex; align-items: baseline; justify-content: space-between; gap: 10px; }
.time { font-size: 13.5px; font-variant-numeric: tabular-nums; color: var(--quiet); white-space: nowrap; }
.time.hurry { color: var(--live); font-weight: 650; }
.ballot { display: grid; gap: 6px; }
.ballot button { display: flex; justify-content: space-between; gap: 10px; text-align: left; font-weight: 500; overflow-wrap: anywhere; min-height: 40px; }
.ballot button[aria-pressed='true'] { border-color: var(--accent); box-shadow: inset 0 0 0 1px var(--accent); color: var(--text); }
.ballot button[aria-pressed='true']::before { content: '✓'; color: var(--accent); }
.ballot .count { margin-left: auto; color: var(--quiet); font-variant-numeric: tabular-nums; }
.bars { display: grid; gap: 6px; }
.bars li { position: relative; display: flex; justify-content: space-between; gap: 10px; padding: 8px 11px; border-radius: 9px; background: var(--sunken); overflow: hidden; overflow-wrap: anywhere; }
.bars i { position: absolute; inset: 0 auto 0 0; background: color-mix(in srgb, var(--accent) 20%, transparent); transition: width 0.5s ease-out; }
.bars .best { font-weight: 600; box-shadow: inset 0 0 0 1.5px var(--accent); }
.bars span { position: relative; }
.bars b { font-weight: 700; }
.bars em { font-style: normal; font-weight: 400; }
.share { white-space: nowrap; font-variant-numeric: tabular-nums; }
.share small { font-weight: 400; }
.price { display: flex; align-items: baseline; gap: 10px; flex-wrap: wrap; }
.price b { font-size: 28px; line-height: 1.1; letter-spacing: -0.02em; font-variant-numeric: tabular-nums; }
.bid { display: flex; gap: 8px; flex-wrap: wrap; align-items: center; }
.bid > .main { flex: 1 0 100%; }
.bid > label { flex: 1 1 84px; }
.bid > .answer { flex-basis: 100%; }
.hammer { font-size: 18px; font-weight: 650; overflow-wrap: anywhere; }
.held { font-weight: 600; }
progress { width: 100%; height: 8px; appearance: none; border: 0; border-radius: 4px; overflow: hidden; background: var(--sunken); }
progress::-webkit-progress-bar { background: var(--sunken); }
progress::-webkit-progress-value { background: var(--accent); transition: width 0.3s; }
progress::-moz-progress-bar { background: var(--accent); }
.disclosed { font-size: 12.5px; color: var(--quiet); }
.disclosed summary { cursor: pointer; }
.disclosed a { color: inherit; }
.disclosed ul { padding: 6px 0 0 18px; display: grid; gap: 3px; }

.reactions { display: flex; gap: 6px; }
.reactions button { font-family: 'Apple Color Emoji', 'Segoe UI Emoji', 'Noto Color Emoji', sans-serif; flex: 1; padding: 5px 0; font-size: 18px; line-height: 1.4; border-radius: 99px; }
.reactions button:active { transform: scale(1.15); }

.tabs { display: flex; gap: 2px; background: var(--sunken); border: 1px solid var(--line); border-radius: 11px; padding: 3px; margin-bottom: 10px; }
.tabs button { flex: 1; border: 0; background: none; padding: 5px 10px; border-radius: 8px; color: var(--quiet); }
.tabs button[aria-selected='true'] { background: light-dark(#fff, #2b323e); color: var(--text); }
.chat, .questions { display: grid; gap: 8px; position: relative; }
.lines ol { display: grid; gap: 1px; }
.lines { height: var(--unisono-room-height, clamp(180px, 38vh, 420px)); overflow-y: auto; overscroll-behavior: contain; margin: 0 -6px; scrollbar-width: thin; }
.lines li { position: relative; padding: 4px 6px; border-radius: 8px; overflow-wrap: anywhere; }
.lines li:hover, .lines li:focus-within { background: var(--sunken); }
.lines b { font-weight: 650; color: light-dark(oklch(0.45 0.13 var(--hue, 260)), oklch(0.8 0.1 var(--hue, 260))); margin-right: 3px; }
.lines .mine b { color: var(--accent); }
.lines .note { color: var(--quiet); font-size: 13px; text-align: center; }
.lines .empty { padding: 10px 6px; }
.lines .done { opacity: 0.75; }
.about { font-size: 13px; color: var(--quiet); border-left: 2px solid var(--line); padding-left: 8px; display: -webkit-box; -webkit-line-clamp: 2; -webkit-box-orient: vertical; overflow: hidden; }
.deeds { display: flex; gap: 4px; flex-wrap: wrap; }
.chat .deeds { position: absolute; top: 1px; right: 2px; opacity: 0; justify-content: flex-end; max-width: 100%; }
.lines li:hover .deeds, .lines li:focus-within .deeds, .deeds:has([aria-expanded='true']) { opacity: 1; }
@media (hover: none) { .chat .deeds { opacity: 1; } .chat .lines li { padding-right: 84px; } }
.deed { padding: 0 8px; font-size: 14px; line-height: 24px; border-radius: 7px; }
.menu { flex-basis: 100%; display: flex; gap: 4px; flex-wrap: wrap; justify-content: flex-end; background: var(--surface); border: 1px solid var(--line); border-radius: 10px; padding: 6px; z-index: 2; }
.menu button { padding: 3px 9px; font-size: 13px; border-radius: 7px; }
.chat .lines li:has(.menu) .deeds { position: static; margin-top: 4px; }
.behind { position: absolute; left: 50%; translate: -50% 0; bottom: 64px; padding: 4px 12px; font-size: 13px; border-radius: 99px; box-shadow: 0 2px 10px rgb(0 0 0 / 0.2); }
.composer { display: flex; gap: 8px; flex-wrap: wrap; align-items: end; }
.composer label { flex: 1 1 140px; }
.composer > p { flex-basis: 100%; }
@media (pointer: coarse) {
  .deed { line-height: 34px; padding: 0 11px; }
  .away { min-width: 36px; min-height: 36px; top: 4px; right: 4px; }
  .disclosed summary { padding-block: 8px; }
  .menu button { min-height: 38px; }
}
@media (prefers-reduced-motion: reduce) { .bars i, progress::-webkit-progress-value { transition: none; } }
`;

/** Reactions over a picture. */
export const SKY_STYLE = `
:host { position: absolute; inset: 0; pointer-events: none; overflow: hidden; }
.sky span { position: absolute; font-family: 'Apple Color Emoji', 'Segoe UI Emoji', 'Noto Color Emoji', sans-serif; bottom: 44px; font-size: clamp(22px, 4cqi, 34px); line-height: 1; animation: rise 2.6s ease-out forwards; filter: drop-shadow(0 2px 6px rgb(0 0 0 / 0.4)); }
.sky b { font: 650 15px system-ui, sans-serif; color: #fff; margin-left: 4px; padding: 1px 7px; border-radius: 99px; background: rgb(9 12 18 / 0.74); vertical-align: middle; }
@keyframes rise { from { transform: translateY(0) scale(0.6); opacity: 0; } 12% { opacity: 1; transform: translateY(-8%) scale(1); } to { transform: translateY(-260px); opacity: 0; } }
@media (prefers-reduced-motion: reduce) { .sky span { animation: none; } }
`;
