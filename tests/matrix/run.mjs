// Every publisher against every player, with real programs. `./dev matrix --help` says how.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Server } from '../lib/server.mjs';
import { pause, until } from '../lib/until.mjs';
import { launchChromium, players } from './players.mjs';
import { publishers } from './publishers.mjs';
import { faults, impossible } from './verdict.mjs';

const { values: options } = parseArgs({
  options: {
    publishers: { type: 'string' },
    players: { type: 'string' },
    seconds: { type: 'string', default: '30' },
    serial: { type: 'boolean', default: false },
    out: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

if (options.help) {
  console.log(`./dev matrix [--publishers a,b] [--players x,y] [--seconds 30] [--serial] [--out FILE.json]

One publisher at a time, all players on it at once (--serial: one after another, for a small machine).
publishers: ${Object.keys(publishers).join(' ')}
players:    ${Object.keys(players).join(' ')}`);
  process.exit(0);
}

const chosen = (all, list) => Object.entries(all).filter(([name]) => !list || list.split(',').includes(name));
const seconds = Number(options.seconds);
const cells = [];
let isGood = true;

for (const [name, publisher] of chosen(publishers, options.publishers)) {
  const server = await Server.start();
  const chromium = await launchChromium();
  let source;
  try {
    const stream = `live/${name.replace(/\W/g, '-')}`;
    source = await publisher.start(server, stream);
    const live = await begun(server, stream, source);
    const codec = publisher.codec ?? live.tracks.find((track) => track.kind === 'video')?.codec;
    console.log(`\n${publisher.title}: ${live.tracks.map((track) => `${track.codec}${track.width ? ` ${track.width}x${track.height}` : ''}`).join(' + ')}`);
    const context = { server, stream, seconds, chromium, publisher: { ...publisher, codec } };
    const tasks = chosen(players, options.players).map(([id, player]) => () => cell(name, codec, id, player, context));
    if (options.serial) for (const task of tasks) await task();
    else await Promise.all(tasks.map((task) => task()));
  } catch (error) {
    isGood = false;
    console.log(`${name}: ${error.message}\n${source?.child?.words ?? ''}`);
    cells.push({ publisher: name, codec: publisher.codec, player: null, verdict: 'fails', words: error.message });
  } finally {
    await source?.stop();
    await chromium.close();
    await server.stop();
  }
}

if (options.out) writeFileSync(options.out, JSON.stringify({ date: new Date().toISOString().slice(0, 10), seconds, serial: options.serial, cells }, null, 1));
process.exit(isGood ? 0 : 1);

/** The stream with both tracks and, where a browser sends, at its full size. */
async function begun(server, stream, source) {
  const [width] = source.size ?? [640];
  await server.live(stream).catch((error) => {
    throw new Error(`${error.message}; the server says: ${server.stderr.split('\n').slice(-8).join('\n')}`);
  });
  const full = () => server.stream(stream).then((live) => (live?.tracks.some((track) => track.width >= Math.min(width, 320)) ? live : null));
  const live = await until('the picture has its size', full, 30);
  // A browser's bandwidth estimation needs a moment, and shaka-player fails on a playlist of fewer than four segments (it probes the open one).
  await pause(8000);
  return live;
}

async function cell(name, codec, id, player, context) {
  const why = impossible(codec, id);
  const result = { publisher: name, codec, player: id };
  try {
    const seen = await player.play(context);
    const wrong = faults(context.publisher, seen, context.seconds);
    Object.assign(result, { verdict: wrong.length ? 'fails' : 'plays', words: wrong.join('; '), seen });
    if (why && !wrong.length) result.words = `plays though "${why}"`;
  } catch (error) {
    const words = error.message.replace(/\s+/g, ' ').slice(0, 400);
    Object.assign(result, why ? { verdict: 'impossible', words: why, refusal: words } : { verdict: 'fails', words });
  }
  // A stream that cannot be played must not half play.
  if (why && result.verdict === 'fails') Object.assign(result, { verdict: 'impossible', refusal: result.words, words: why });
  isGood &&= result.verdict !== 'fails';
  cells.push(result);
  const { seen } = result;
  const figures = seen ? `${seen.fps?.toFixed(1)} fps, ${seen.stalls} stalls, ${seen.size?.join('x')}${seen.codec ? `, ${seen.codec}` : ''}, sound ${seen.sound}${typeof seen.offset === 'number' ? `, A/V ${seen.offset.toFixed(1)} ms` : ''}` : '';
  console.log(`  ${result.verdict.padEnd(10)} ${id.padEnd(14)} ${figures} ${result.words ?? ''}${result.refusal ? ` [${result.refusal.slice(0, 200)}]` : ''}`);
}
