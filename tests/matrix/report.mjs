// docs/compat.md from what `run.mjs --out` wrote: node report.mjs RESULTS.json... > ../../docs/compat.md. Later files replace cells of earlier ones.
import { readFileSync } from 'node:fs';
import { players } from './players.mjs';
import { publishers } from './publishers.mjs';
import { LIMITS, OFFSET_MAX, impossible } from './verdict.mjs';

const runs = process.argv.slice(2).map((path) => JSON.parse(readFileSync(path, 'utf8')));
const cells = new Map();
const rows = new Map();
for (const run of runs) {
  for (const cell of run.cells) take(run, cell);
  // A run of single players says nothing of the machine's load under all of them.
  if (run.atOnce > 1) for (const row of run.rows) rows.set(`${run.network} ${row.publisher}`, row);
}

/** A cell that failed with others and is in a later run of single players has been tried alone. */
function take(run, cell) {
  const id = `${run.network} ${cell.publisher} ${cell.player ?? ''}`;
  const before = cells.get(id);
  if (run.atOnce > 1 || before?.together?.verdict !== 'fails' || !cell.player) cells.set(id, cell);
  else cells.set(id, { ...cell, together: before.together, alone: cell.together });
}

const notes = [];
function note(words) {
  const known = notes.indexOf(words);
  return `[${known < 0 ? notes.push(words) : known + 1}]`;
}

/** One cell: a mark, and what a person would want to know about it. */
function mark(network, publisher, player) {
  const row = cells.get(`${network} ${publisher} `);
  if (row) return `✗ ${note(row.words)}`;
  const cell = cells.get(`${network} ${publisher} ${player}`);
  const why = impossible(publishers[publisher].codec, player);
  if (!cell) return why ? `– ${note(why)}` : '?';
  if (cell.verdict === 'impossible') return `– ${note(cell.words)}`;
  const { seen } = cell.alone ?? cell.together;
  const figures = [];
  if (seen?.stalls) figures.push(`${seen.stalls} freeze${seen.stalls > 1 ? 's' : ''}, ${Math.round(seen.longest)} ms`);
  if (typeof seen?.offset === 'number') figures.push(`${Math.round(seen.offset)} ms`);
  const said = figures.length ? ` ${figures.join('; ')}` : '';
  if (cell.verdict === 'plays') return cell.alone ? `✓ᵃ${said} ${note(`with the others: ${cell.together.words}`)}` : `✓${said}`;
  return `✗ ${note(cell.alone ? `with the others: ${cell.together.words}; alone: ${cell.words}` : `with the others: ${cell.words}; not tried alone`)}`;
}

const columns = Object.entries(players);

function table(network) {
  const lines = Object.entries(publishers).map(([id, { title, codec, audio }]) => {
    const row = rows.get(`${network} ${id}`);
    const found = [...cells.values()].find((cell) => cell.publisher === id && cell.codec)?.codec;
    const load = row ? row.load.map((load) => load.toFixed(1)).join(' → ') : '?';
    const lost = row?.packets ? `, ${row.packets.lost} of ${row.packets.forwarded} packets lost` : '';
    const breaks = row?.epochs ? `, new epochs: ${row.epochs}` : '';
    return `| ${title} | ${codec ?? `${found ?? '?'}, its choice`} + ${audio} | ${columns.map(([player]) => mark(network, id, player)).join(' | ')} | ${load}${lost}${breaks} |`;
  });
  return `| publisher | codecs | ${columns.map(([, { title }]) => title).join(' | ')} | load |
| --- | --- | ${columns.map(() => '---').join(' | ')} | --- |
${lines.join('\n')}`;
}

const of = (network) => [...new Set(runs.filter((run) => run.network === network && run.atOnce > 1).map((run) => `${run.date}, ${run.seconds} s a cell, ${run.atOnce < columns.length ? `${run.atOnce} players` : 'all players'} at once`))].join('; ') || 'not run';
const [{ machine }] = runs;
const plain = table('plain');
const thin = table('thin');

console.log(`# Who plays what

Real programs on one machine (${machine.cpu}, ${machine.cores} cores, Linux ${machine.kernel}, shared with other work: the last column is its load
average when the row began and ended). Every mark is by machine; none is by hand.
Made by \`./dev matrix --out FILE\`, \`./dev matrix --network thin --out FILE\` and \`node tests/matrix/report.mjs FILE... > docs/compat.md\`.

* ✓ the stream's codec, its size, at least 80 % of the pictures that came in, sound, no complaint of the decoder, sound at most
  ${OFFSET_MAX.ahead} ms ahead and ${OFFSET_MAX.behind} ms behind the picture (ITU-R BT.1359) where they can be compared (then that figure stands there; minus: sound is late), and no gap between pictures over ${LIMITS.plain.longest} ms.
* ✓ᵃ failed while other players shared the machine, played when tried once more alone; the figures are those of the second try, the note is the first.
* ✗ failed; the note says whether alone as well. – impossible, and refused in words. ? never tried.

In Firefox sound is measured by WebRTC only, and sound against picture in Chromium's WHEP and in ffmpeg only.

## Plain network

${of('plain')}. Publishers and players in network namespaces of their own, nothing between.

${plain}

## Thin line behind NAT

${of('thin')}. Players behind a router that masquerades, passes 8 Mbit/s each way (\`tbf\`) and loses 2 % of all packets each way (\`nft\`), UDP and TCP
alike; the publisher near the server. WebRTC asks for what is lost, HLS has TCP. Here at most ${LIMITS.thin.stalls} gaps over 500 ms are allowed, none over
${LIMITS.thin.longest} ms; all of them are counted in the table.

${thin}

## Notes

${notes.map((words, i) => `${i + 1}. ${words.replaceAll('|', '\\|')}`).join('\n')}

## What to know

* **shaka-player** up to 5.2.12 drops all parts of a segment but its first in low-latency mode, with every server whose media time is ahead of the playlist's (its
  issue 10589, repaired but not released). Set \`manifest.hls.sequenceMode: true\`, as this matrix does, or \`streaming.lowLatencyMode: false\`.
* **Firefox**, as Debian builds it, has no H.264 in WebRTC; LL-HLS works in it with every codec but VP8, H.265 included. VP8, VP9 and
  AV1 play by WebRTC too.
* **FFmpeg 8.0** by WHIP sends ICE checks without PRIORITY, answers none and loses the first ClientHello; Unisono lives with all three ([whip-whep](protocols/whip-whep.md)).
* **GStreamer 1.22 HLS** (\`uridecodebin3\`) guesses a frame rate from each \`moof\` and throws pictures away until the next keyframe when it is another one. Pictures of a browser
  are not evenly spaced: of VP8, VP9 and AV1 by WHIP a third to a half was missing, until each of their pictures got a \`moof\` of its own. H.264 has a parser that steadies the rate.
* **hls.js** that joins a stream of ffmpeg in its first half minute stood still once for 2.7 to 3.3 s, twice also alone; not with older streams, nor those of browsers and
  GStreamer, nor in two tries alone with the machine less busy. The cause is not known yet. Where the last column names a new epoch, the source's lateness (\`ffmpeg -re\` by half a second) made one.
* **Chromium's sound against picture** is its own estimate (\`estimatedPlayoutTimestamp\`); it wanders by more than 100 ms while the machine has more work than cores.
* **GStreamer's webrtcbin** asks for lost packets only if its transceivers are told to (\`do-nack\`), as this matrix does.

## Never tried

By hand or by machine: OBS itself (ffmpeg with its settings stands in), Safari on Mac and phone, Chrome and Firefox as their makers build them (Debian's Chromium has no H.265, its
Firefox no H.264 in WebRTC), hardware encoders, VLC, Android and iOS apps; a publisher on a thin line; lines with delay or jitter.`);
