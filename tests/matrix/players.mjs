// The columns: what plays. Each takes a live stream for some seconds and tells { codec, size, frames, fps, stalls, sound }, or throws what went wrong.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Browser } from '../lib/chromium.mjs';
import { Firefox } from '../lib/firefox.mjs';
import { recordedOffset } from '../lib/players.mjs';
import { avOffset } from '../lib/watch.mjs';
import { playUrl, watchPlayer } from './page.mjs';

const venv = process.env.UNISONO_VENV ?? join(homedir(), '.cache/unisono/venv');
const python = (script) => fileURLToPath(new URL(`../python/${script}`, import.meta.url));
const shaka = fileURLToPath(new URL('node_modules/shaka-player/dist/shaka-player.compiled.js', import.meta.url));

const watchPage = (server, stream, mode) => `${server.url}/${stream}?mode=${mode}`;

/** A watch page in Chromium; `where` is a browser, which stays. */
async function watchInChromium(mode, { server, stream, seconds, chromium }) {
  const page = await chromium.open(watchPage(server, stream, mode));
  try {
    await page.waitForFunction(() => window.unisono?.player);
    const seen = await page.evaluate(watchPlayer, seconds);
    const played = await page.evaluate(() => document.querySelector('unisono-player')?.player?.protocol ?? window.unisono.player.protocol ?? null);
    if (mode === 'webrtc') seen.offset = await avOffset(page).catch(() => null);
    return withWords({ ...seen, played }, await page.evaluate(() => document.body.innerText.slice(0, 400)));
  } finally {
    await page.close();
  }
}

async function watchInFirefox({ server, stream, seconds }) {
  const firefox = await Firefox.launch();
  try {
    await firefox.open(watchPage(server, stream, 'webrtc'));
    const seen = await firefox.evaluate(watchPlayer, seconds);
    return withWords(seen, await firefox.evaluate(() => document.body.innerText.slice(0, 400)));
  } finally {
    await firefox.close();
  }
}

/** Without a picture, what the page says is the finding. */
function withWords(seen, words) {
  if (!seen.frames) throw new Error(`no picture; the page says: ${words.replace(/\s+/g, ' ')}`);
  return seen;
}

async function inPage(by, { server, stream, seconds, chromium }) {
  const page = await chromium.open(`${server.url}/healthz`);
  try {
    if (by === 'shaka') await page.addScriptTag({ path: shaka });
    return await page.evaluate(playUrl, { url: `${server.url}/${stream}/index.m3u8`, seconds, by });
  } finally {
    await page.close();
  }
}

async function script(interpreter, name, args, seconds) {
  const child = spawn(interpreter, [python(name), ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
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
async function ffmpegHls({ server, stream, seconds, publisher }) {
  const url = `${server.url}/${stream}/index.m3u8`;
  const lines = await new Promise((resolve, reject) => {
    const args = ['-nostdin', '-hide_banner', '-loglevel', 'verbose', '-i', url, '-t', String(seconds), '-map', '0:v', '-map', '0:a', '-af', 'volumedetect', '-vf', 'showinfo', '-f', 'null', '-'];
    execFile('ffmpeg', args, { maxBuffer: 1 << 28, timeout: (60 + 3 * seconds) * 1000 }, (error, _, words) => (error ? reject(new Error(words.trim().split('\n').slice(-2).join(' '))) : resolve(words)));
  });
  const shown = [...lines.matchAll(/showinfo.*pts_time:\s*([0-9.]+).* s:(\d+)x(\d+)/g)];
  const times = shown.map(([, at]) => Number(at));
  const gaps = times.slice(1).map((at, i) => at - times[i]);
  const faults = [...lines.matchAll(/^\[(?!info|verbose).*(error|corrupt|missing|invalid).*$/gim)].map(([line]) => line);
  const loudest = Number(/max_volume: (-?[0-9.]+) dB/.exec(lines)?.[1] ?? -91);
  const seen = {
    codec: /Video: (\w+)/.exec(lines)?.[1] ?? null,
    audioCodec: /Audio: (\w+)/.exec(lines)?.[1] ?? null,
    size: shown.length ? [Number(shown[0][2]), Number(shown[0][3])] : null,
    frames: times.length,
    fps: times.length > 1 ? (times.length - 1) / (times.at(-1) - times[0]) : 0,
    stalls: gaps.filter((gap) => gap > 0.5).length,
    longest: Math.max(0, ...gaps) * 1000,
    sound: loudest > -40,
    faults: faults.length,
  };
  if (publisher.beep) seen.offset = await recordedOffset(url, 8).catch(() => null);
  return seen;
}

async function collect(stream) {
  let text = '';
  for await (const chunk of stream) text += chunk;
  return text;
}

export const players = {
  'chromium-whep': { title: 'Chromium WHEP', door: 'whep', play: (cell) => watchInChromium('webrtc', cell) },
  'firefox-whep': { title: 'Firefox WHEP', door: 'whep', play: watchInFirefox },
  aiortc: { title: 'aiortc WHEP', door: 'whep', play: ({ server, stream, seconds }) => script(join(venv, 'bin/python'), 'whep_aiortc.py', [`${server.url}/${stream}/whep`, `${seconds}s`], seconds) },
  webrtcbin: { title: 'webrtcbin WHEP', door: 'whep', play: ({ server, stream, seconds, publisher }) => script('/usr/bin/python3', 'whep_gstreamer.py', [`${server.url}/${stream}/whep`, `${seconds}s`, publisher.codec ?? 'VP8'], seconds) },
  'hls.js': { title: 'hls.js', door: 'hls', play: (cell) => watchInChromium('hls', cell) },
  shaka: { title: 'shaka', door: 'hls', play: (cell) => inPage('shaka', cell) },
  'chromium-hls': { title: 'Chromium native HLS', door: 'hls', play: (cell) => inPage('browser', cell) },
  ffmpeg: { title: 'ffmpeg HLS', door: 'hls', play: ffmpegHls },
  gstreamer: { title: 'GStreamer HLS', door: 'hls', play: ({ server, stream, seconds }) => script('/usr/bin/python3', 'hls_gstreamer.py', [`${server.url}/${stream}/index.m3u8`, String(seconds)], seconds) },
};

export const launchChromium = () => Browser.launch();
