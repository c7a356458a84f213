// The columns: what plays. Each takes a cell { base, stream, seconds, net, publisher } (base: the server's URL from the network `net`) and tells { codec, size, frames, fps, stalls, sound }, or throws what went wrong.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Browser } from '../lib/chromium.mjs';
import { Firefox } from '../lib/firefox.mjs';
import { recordedOffset } from '../lib/players.mjs';
import { pause } from '../lib/until.mjs';
import { avOffset } from '../lib/watch.mjs';
import { playUrl, watchPlayer } from './page.mjs';

const venv = process.env.UNISONO_VENV ?? join(homedir(), '.cache/unisono/venv');
const python = (script) => fileURLToPath(new URL(`../python/${script}`, import.meta.url));
/** Seconds after which Chromium's sound and picture are where they stay. */
const SETTLED = 30;
const shaka = fileURLToPath(new URL('node_modules/shaka-player/dist/shaka-player.compiled.js', import.meta.url));

/** A browser of its own for each cell: pages of one browser hide each other, and a hidden page draws one picture a second. */
async function inChromium({ base, net }, task) {
  const chromium = await Browser.launch({ executablePath: await net.wrapper('/usr/bin/chromium'), extra: [`--unsafely-treat-insecure-origin-as-secure=${base}`] });
  try {
    return await task(chromium);
  } finally {
    await chromium.close();
  }
}

function watchInChromium(mode, cell) {
  return inChromium(cell, async (chromium) => {
    const page = await chromium.open(watchPage(cell, mode));
    await page.waitForFunction(() => window.unisono?.player);
    const seen = await page.evaluate(watchPlayer, cell.seconds);
    const words = await page.evaluate(() => document.body.innerText.slice(0, 400));
    if (mode === 'webrtc' && seen.frames) {
      // The browser pulls sound and picture together slowly.
      await pause(Math.max(0, SETTLED - cell.seconds) * 1000);
      seen.offset = await avOffset(page).catch(() => null);
    }
    return withWords(seen, words);
  });
}

async function watchInFirefox(mode, cell) {
  const firefox = await Firefox.launch({ prefix: cell.net.command([]) });
  try {
    await firefox.open(watchPage(cell, mode));
    const seen = await firefox.evaluate(watchPlayer, cell.seconds);
    return withWords(seen, await firefox.evaluate(() => document.body.innerText.slice(0, 400)));
  } finally {
    await firefox.close();
  }
}

const watchPage = ({ base, stream }, mode) => `${base}/${stream}?mode=${mode}`;

/** Without a picture, what the page says is the finding. */
function withWords(seen, words) {
  if (!seen.frames) throw new Error(`no picture; the page says: ${words.replace(/\s+/g, ' ')}`);
  return seen;
}

function inPage(by, cell) {
  return inChromium(cell, async (chromium) => {
    const page = await chromium.open(`${cell.base}/healthz`);
    if (by === 'shaka') await page.addScriptTag({ path: shaka });
    return page.evaluate(playUrl, { url: playlist(cell), seconds: cell.seconds, by });
  });
}

const playlist = ({ base, stream }) => `${base}/${stream}/index.m3u8`;
const whep = ({ base, stream }) => `${base}/${stream}/whep`;

async function script(interpreter, name, args, { net, seconds }) {
  const [program, ...rest] = net.command([interpreter, python(name), ...args]);
  const child = spawn(program, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
  const deadline = setTimeout(() => child.kill('SIGKILL'), (90 + 2 * seconds) * 1000);
  const [out, errors] = [collect(child.stdout), collect(child.stderr)];
  await once(child, 'close');
  clearTimeout(deadline);
  const line = (await out).trim().split('\n').at(-1);
  if (!line) throw new Error((await errors).trim().split('\n').at(-1) || 'ended without a word');
  const seen = JSON.parse(line);
  if (seen.error) throw new Error(seen.error);
  return seen;
}

/** ffmpeg reads `seconds` of the playlist; what its decoder complains about is a fault. */
async function ffmpegHls(cell) {
  const { net, seconds, publisher } = cell;
  const url = playlist(cell);
  const filters = ['-map', '0:v', '-map', '0:a', '-af', 'volumedetect', '-vf', 'showinfo', '-fps_mode', 'passthrough'];
  const args = ['-nostdin', '-hide_banner', '-loglevel', 'verbose', '-i', url, '-t', String(seconds), ...filters, '-f', 'null', '-'];
  const [program, ...rest] = net.command(['ffmpeg', ...args]);
  const lines = await new Promise((resolve, reject) => {
    execFile(program, rest, { maxBuffer: 1 << 28, timeout: (60 + 3 * seconds) * 1000 }, (error, _, words) => (error ? reject(new Error(words.trim().split('\n').slice(-2).join(' '))) : resolve(words)));
  });
  const seen = heard(lines);
  if (publisher.beep) seen.offset = await recordedOffset(url, 8, net.command([])).catch(() => null);
  return seen;
}

/** What ffmpeg's words say of picture and sound. */
function heard(lines) {
  const shown = [...lines.matchAll(/showinfo.*pts_time:\s*([0-9.]+).* s:(\d+)x(\d+)/g)];
  const times = shown.map(([, at]) => Number(at));
  const gaps = times.slice(1).map((at, i) => at - times[i]);
  const faults = [...lines.matchAll(/^\[(?!info|verbose|Parsed_|null).*(error|corrupt|missing|invalid|concealing).*$/gim)].map(([line]) => line);
  const loudest = Number(/max_volume: (-?[0-9.]+) dB/.exec(lines)?.[1] ?? -91);
  return {
    codec: /Video: (\w+)/.exec(lines)?.[1] ?? null,
    audioCodec: /Audio: (\w+)/.exec(lines)?.[1] ?? null,
    size: shown.length ? [Number(shown[0][2]), Number(shown[0][3])] : null,
    frames: times.length,
    fps: times.length > 1 ? (times.length - 1) / (times.at(-1) - times[0]) : 0,
    stalls: gaps.filter((gap) => gap > 0.5).length,
    longest: Math.max(0, ...gaps) * 1000,
    sound: loudest > -40,
    faults: faults.length,
    complaints: faults.slice(0, 5),
  };
}

async function collect(stream) {
  let text = '';
  for await (const chunk of stream) text += chunk;
  return text;
}

const venvPython = join(venv, 'bin/python');

export const players = {
  'chromium-whep': { title: 'Chromium WHEP', door: 'whep', play: (cell) => watchInChromium('webrtc', cell) },
  'firefox-whep': { title: 'Firefox WHEP', door: 'whep', play: (cell) => watchInFirefox('webrtc', cell) },
  aiortc: { title: 'aiortc WHEP', door: 'whep', play: (cell) => script(venvPython, 'whep_aiortc.py', [whep(cell), `${cell.seconds}s`], cell) },
  webrtcbin: { title: 'webrtcbin WHEP', door: 'whep', play: (cell) => script('/usr/bin/python3', 'whep_gstreamer.py', [whep(cell), `${cell.seconds}s`, cell.publisher.codec ?? 'VP8', 'nack'], cell) },
  'hls.js': { title: 'hls.js in Chromium', door: 'hls', play: (cell) => watchInChromium('hls', cell) },
  'firefox-hls': { title: 'hls.js in Firefox', door: 'hls', play: (cell) => watchInFirefox('hls', cell) },
  shaka: { title: 'shaka', door: 'hls', play: (cell) => inPage('shaka', cell) },
  'chromium-hls': { title: 'Chromium native HLS', door: 'hls', play: (cell) => inPage('browser', cell) },
  ffmpeg: { title: 'ffmpeg HLS', door: 'hls', play: ffmpegHls },
  gstreamer: { title: 'GStreamer HLS', door: 'hls', play: (cell) => script('/usr/bin/python3', 'hls_gstreamer.py', [playlist(cell), String(cell.seconds)], cell) },
};
