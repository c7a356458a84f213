/** The looks of what lies over the picture on demand: settings and statistics. */

export const MENU_STYLE = `
.menu, .figures { position: absolute; background: rgb(12 15 22 / 0.88); backdrop-filter: blur(14px); border-radius: 12px; font-size: 13.5px; }
.menu { right: 10px; bottom: 56px; width: min(268px, calc(100% - 20px)); max-height: calc(100% - 66px); overflow-y: auto; padding: 12px; display: grid; gap: 8px; box-sizing: border-box; }
fieldset { border: 0; margin: 0; padding: 0; min-width: 0; }
legend { padding: 0 0 5px; font-size: 12px; color: #b6c0d2; }
.choices { display: flex; background: rgb(255 255 255 / 0.09); border-radius: 9px; padding: 2px; }
.choices label { flex: 1; position: relative; cursor: pointer; }
.choices input { position: absolute; inset: 0; opacity: 0; margin: 0; cursor: pointer; width: 100%; height: 100%; }
.choices span { display: block; padding: 6px 4px; border-radius: 7px; text-align: center; color: #d4dae4; }
.choices input:checked + span { background: #fff; color: #10141c; font-weight: 600; }
.choices input:focus-visible + span { outline: 2px solid #86a8ff; outline-offset: 1px; }
.hint { font-size: 12.5px; font-weight: 400; color: #b6c0d2; min-height: 1.4em; }
.check { display: flex; align-items: center; gap: 9px; padding: 4px 0; cursor: pointer; }
.check input { width: 17px; height: 17px; margin: 0; accent-color: #86a8ff; }
.check span { flex: 1; }
kbd { font: 12px ui-monospace, monospace; color: #b6c0d2; border: 1px solid rgb(255 255 255 / 0.22); border-radius: 5px; padding: 0 6px; }
.figures { left: 12px; top: 12px; padding: 10px 13px; max-width: calc(100% - 24px); max-height: calc(100% - 76px); overflow-y: auto; box-sizing: border-box; }
.figures:not([hidden]) ~ .unmute, .unmute:has(~ .figures:not([hidden])) { left: auto; right: 14px; }
.figures dl { margin: 0; display: grid; grid-template-columns: auto auto; gap: 1px 16px; }
.figures dt { color: #b6c0d2; font-weight: 400; }
.figures dd { margin: 0; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
@media (max-width: 640px) {
  .menu { bottom: 50px; max-height: calc(100% - 56px); padding: 9px 10px; gap: 5px; }
  .hint, kbd { display: none; }
  legend { padding-bottom: 3px; }
  .figures { font-size: 12px; line-height: 1.3; max-height: calc(100% - 64px); }
}
`;
