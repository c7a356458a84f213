// Every publisher against every player, with real programs. `./dev matrix --help` says how.
import { writeFileSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { isInside, missing, nodeInside } from '../lib/netns.mjs';
import { Plain, Thin } from '../lib/networks.mjs';
import { Server } from '../lib/server.mjs';
import { pause, until } from '../lib/until.mjs';
import { players } from './players.mjs';
import { publishers } from './publishers.mjs';
import { LIMITS, faults, impossible } from './verdict.mjs';

const { values: options } = parseArgs({
  options: {
    publishers: { type: 'string' },
    players: { type: 'string' },
    seconds: { type: 'string', default: '30' },
    network: { type: 'string', default: 'plain' },
    'at-once': { type: 'string', default: '16' },
    retries: { type: 'string', default: '16' },
    out: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

if (options.help) {
  console.log(`./dev matrix [--publishers a,b] [--players x,y] [--seconds 30] [--network plain|thin] [--at-once N] [--retries N] [--out FILE.json]

One publisher at a time, all players on it at once (--at-once: so many, for a small machine). A cell that fails then is tried once more alone
(--retries: at most so many of a row).
Publishers and players are in network namespaces of their own (root, iproute2 and nftables). thin: players behind NAT, 8 Mbit/s, 2 % loss both ways.
publishers: ${Object.keys(publishers).join(' ')}
players:    ${Object.keys(players).join(' ')}`);
  process.exit(0);
}
if (missing()) {
  console.error(missing());
  process.exit(1);
}
if (!isInside()) process.exit(await nodeInside([fileURLToPath(import.meta.url), ...process.argv.slice(2)]));

const chosen = (all, list) => Object.entries(all).filter(([name]) => !list || list.split(',').includes(name));
const { network } = options;
if (!LIMITS[network]) throw new Error(`no such network: ${network}`);
const [seconds, atOnce] = [Number(options.seconds), Number(options['at-once'])];
const machine = { cpu: cpus()[0].model, cores: cpus().length, kernel: release() };
const result = { date: new Date().toISOString().slice(0, 10), machine, network, seconds, atOnce, rows: [], cells: [] };

const home = new Plain(112);
const away = network === 'thin' ? new Thin(113) : new Plain(113);
for (const [name, publisher] of chosen(publishers, options.publishers)) {
  await row(name, publisher);
  if (options.out) writeFileSync(options.out, JSON.stringify(result, null, 1));
}
await away.remove();
await home.remove();
process.exit(result.cells.every((cell) => cell.verdict !== 'fails') ? 0 : 1);

/** One publisher, all players. */
async function row(name, publisher) {
  const server = await Server.start({ host: '0.0.0.0' });
  const row = { publisher: name, load: [loadavg()[0]] };
  let source;
  try {
    const stream = `live/${name.replace(/\W/g, '-')}`;
    source = await publisher.start(from(home, server), stream);
    const live = await begun(server, stream, publisher, source);
    const codec = publisher.codec ?? live.tracks.find((track) => track.kind === 'video')?.codec;
    console.log(`\n${publisher.title}: ${live.tracks.map((track) => `${track.codec}${track.width ? ` ${track.width}x${track.height}` : ''}`).join(' + ')}`);
    const context = { server, base: from(away, server).url, stream, seconds, net: away, publisher: { ...publisher, codec } };
    const before = away.counted();
    await inGroups(chosen(players, options.players), ([id, player]) => together(name, codec, id, player, context));
    const failed = result.cells.filter((cell) => cell.publisher === name && cell.together.verdict === 'fails');
    for (const cell of failed.slice(0, Number(options.retries))) await alone(cell, context);
    row.packets = since(before, away.counted());
  } catch (error) {
    const words = `${error.message} ${source?.child?.words ?? ''} ${server.stderr.split('\n').slice(-8).join(' ')}`;
    console.log(`${name}: ${words}`);
    result.cells.push({ publisher: name, codec: publisher.codec, player: null, verdict: 'fails', words });
  } finally {
    await source?.stop();
    await server.stop();
    row.load.push(loadavg()[0]);
    // A break of the source's own timeline is seen by every player.
    row.epochs = server.stderr.split('a new epoch begins stream=').length - 1;
    result.rows.push(row);
    console.log(`  load ${row.load.map((load) => load.toFixed(1)).join(' to ')}${row.packets ? `; ${JSON.stringify(row.packets)}` : ''}${row.epochs ? `; the source began ${row.epochs} new epochs` : ''}`);
  }
}

/** The server as it is from a network. */
function from(net, server) {
  return { net, key: server.key, url: `http://${net.host}:${server.http}`, rtmpUrl: (stream) => server.rtmpUrl(stream, server.key, net.host) };
}

async function inGroups(tasks, run) {
  const waiting = [...tasks];
  while (waiting.length) await Promise.all(waiting.splice(0, atOnce).map(run));
}

function since(before, after) {
  return after && Object.fromEntries(Object.entries(after).map(([name, count]) => [name, count - before[name]]));
}

/** The stream with both tracks and, where a browser sends, at its full size. */
async function begun(server, stream, publisher) {
  const [width] = publisher.size ?? [640];
  await server.live(stream);
  const full = () => server.stream(stream).then((live) => (live?.tracks.some((track) => track.width >= Math.min(width, 320)) ? live : null));
  const live = await until('the picture has its size', full, 30);
  // A browser's bandwidth estimation needs a moment, and shaka-player fails on a playlist of fewer than four segments (it probes the open one).
  await pause(8000);
  return live;
}

async function together(name, codec, id, player, context) {
  const cell = { publisher: name, codec, player: id };
  cell.together = await trial(cell, player, context);
  Object.assign(cell, { verdict: cell.together.verdict, words: cell.together.words });
  result.cells.push(cell);
}

/** A failed cell once more, without the others. */
async function alone(cell, context) {
  cell.alone = await trial(cell, players[cell.player], context, 'alone');
  Object.assign(cell, { verdict: cell.alone.verdict, words: cell.alone.words });
}

async function trial({ codec, player: id }, player, context, how = '') {
  const why = impossible(codec, id);
  const got = { load: loadavg()[0] };
  try {
    got.seen = await player.play(context);
    got.source = await sourceRate(context);
    const wrong = faults({ ...context.publisher, fps: got.source }, got.seen, seconds, network);
    Object.assign(got, { verdict: wrong.length ? 'fails' : 'plays', words: wrong.join('; ') });
    if (why && !wrong.length) got.words = `plays though "${why}"`;
  } catch (error) {
    Object.assign(got, { verdict: 'fails', words: error.message.replace(/\s+/g, ' ').slice(0, 400) });
  }
  // A stream that cannot be played must not half play.
  if (why && got.verdict === 'fails') Object.assign(got, { verdict: 'impossible', refusal: got.words, words: why });
  say(id, got, how);
  return got;
}

/** Pictures a second that come in, by the server's count: a loaded machine draws fewer than the source should, and that is no player's fault. */
async function sourceRate({ server, stream, publisher }) {
  const live = await server.stream(stream);
  const source = live?.renditions?.find(({ kind, rendition }) => kind === 'video' && rendition === 'source');
  return Math.min(publisher.fps, source?.fps ?? publisher.fps);
}

function say(id, { verdict, seen, source, words, refusal }, how) {
  const figures = seen ? `${seen.fps?.toFixed(1)} fps of ${source?.toFixed(1)}, ${seen.stalls} stalls, longest ${Math.round(seen.longest)} ms, ${seen.size?.join('x')}${seen.codec ? `, ${seen.codec}` : ''}, sound ${seen.sound}${typeof seen.offset === 'number' ? `, A/V ${seen.offset.toFixed(1)} ms` : ''}` : '';
  console.log(`  ${verdict.padEnd(10)} ${`${id} ${how}`.padEnd(20)} ${figures} ${words ?? ''}${refusal ? ` [${refusal.slice(0, 200)}]` : ''}${seen?.complaints?.length ? ` ${seen.complaints[0]}` : ''}`);
}
