// docs/compat.md from what `run.mjs --out` wrote: node report.mjs RESULTS.json... > ../../docs/compat.md. Later files replace cells of earlier ones.
import { readFileSync } from 'node:fs';
import { players } from './players.mjs';
import { publishers } from './publishers.mjs';
import { impossible } from './verdict.mjs';

const runs = process.argv.slice(2).map((path) => JSON.parse(readFileSync(path, 'utf8')));
const cells = new Map();
for (const run of runs) for (const cell of run.cells) if (cell.player) cells.set(`${cell.publisher} ${cell.player}`, { ...cell, run });

const notes = [];
function mark(publisher, player) {
  const cell = cells.get(`${publisher} ${player}`);
  const why = impossible(publishers[publisher].codec, player);
  if (!cell) return why ? `– ${note(why)}` : '?';
  if (cell.verdict === 'plays') return `✓${typeof cell.seen?.offset === 'number' ? ` ${Math.round(cell.seen.offset)} ms` : ''}`;
  if (cell.verdict === 'impossible') return `– ${note(cell.words)}`;
  return `✗ ${note(cell.words)}`;
}

function note(words) {
  const known = notes.indexOf(words);
  return `[${known < 0 ? notes.push(words) : known + 1}]`;
}

const columns = Object.entries(players);
const rows = Object.entries(publishers).map(([id, { title, codec, audio }]) => {
  const sound = `${codec ?? 'its choice'} + ${audio}`;
  return `| ${title} | ${sound} | ${columns.map(([player]) => mark(id, player)).join(' | ')} |`;
});
const how = runs.map((run) => `${run.date}, ${run.seconds} s each, ${run.serial ? 'players one after another' : 'all players of a row at once'}`);

console.log(`# Who plays what

Made by \`./dev matrix --out FILE\` and \`node tests/matrix/report.mjs FILE\`: real programs on one machine, by loopback. ${[...new Set(how)].join('; ')}.

A ✓ says: the stream's codec, its size, at least 80 % of its frame rate, no gap over 500 ms, sound, no complaint of the decoder; and where sound and
picture could be compared, how far sound is ahead (within 45 ms). ✗: tried, and not so; – : cannot be, and is refused in words; ? : never tried.

| publisher | codecs | ${columns.map(([, { title }]) => title).join(' | ')} |
| --- | --- | ${columns.map(() => '---').join(' | ')} |
${rows.join('\n')}

${notes.map((words, i) => `${i + 1}. ${words}`).join('\n')}

## Never tried

By hand or by machine: OBS itself (ffmpeg with its settings stands in), Safari on Mac and phone, Chrome and Firefox as their makers build them (Debian's have neither H.265 nor,
in Firefox's WebRTC, H.264), hardware encoders, VLC, Android and iOS apps; the matrix through NAT, a narrow line or loss.`);
