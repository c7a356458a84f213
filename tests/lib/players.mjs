// Players that are not browsers. Each resolves to what it saw: { counters, size, samples, rate, peak } (peak of 16-bit samples).
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const python = (script) => fileURLToPath(new URL(`../python/${script}`, import.meta.url));
const venv = process.env.UNISONO_VENV ?? join(homedir(), '.cache/unisono/venv');

/** Both scripts give up by themselves after two minutes. */
async function viewer(interpreter, script, url, frames) {
  const child = spawn(interpreter, [python(script), url, String(frames)], { stdio: ['ignore', 'pipe', 'pipe'] });
  const [words, errors] = [collect(child.stdout), collect(child.stderr)];
  await once(child, 'close');
  const line = (await words).toString().trim();
  if (!line) throw new Error(`${script}: ${(await errors).toString().slice(-2000)}`);
  const seen = JSON.parse(line);
  if (seen.error) throw new Error(`${script}: ${seen.error}`);
  return seen;
}

export const aiortcWhep = (url, frames) => viewer(join(venv, 'bin/python'), 'whep_aiortc.py', url, frames);

/** The system's Python, which has gi. */
export const gstreamerWhep = (url, frames) => viewer('/usr/bin/python3', 'whep_gstreamer.py', url, frames);

/** ffmpeg plays `seconds` of HLS. `size` must be the picture's. */
export async function ffmpegHls(url, seconds, size = [640, 360]) {
  const [width, height] = size;
  const length = ['-t', String(seconds)];
  // Of each picture one row through the middle of the counter's band.
  const row = `format=gray,crop=${width}:1:0:${Math.floor(height / 20)}`;
  const args = ['-nostdin', '-loglevel', 'warning', '-i', url, '-map', '0:v', ...length, '-vf', row, '-fps_mode', 'passthrough', '-f', 'rawvideo', 'pipe:1'];
  const sound = ['-map', '0:a', ...length, '-ac', '1', '-ar', '48000', '-f', 's16le', 'pipe:3'];
  const child = spawn('ffmpeg', [...args, ...sound], { stdio: ['ignore', 'pipe', 'pipe', 'pipe'] });
  const parts = [child.stdout, child.stdio[3], child.stderr].map(collect);
  const deadline = setTimeout(() => child.kill('SIGKILL'), (60 + 10 * seconds) * 1000);
  const [code] = await once(child, 'close');
  clearTimeout(deadline);
  const [rows, sounds, errors] = await Promise.all(parts);
  if (code !== 0) throw new Error(`ffmpeg ended with ${code}: ${errors.toString().slice(-2000)}`);
  const samples = new Int16Array(sounds.buffer, sounds.byteOffset, sounds.length >> 1);
  const counters = Array.from({ length: Math.floor(rows.length / width) }, (_, i) => counter(rows.subarray(i * width, (i + 1) * width)));
  return { counters, size, samples: samples.length, rate: 48000, peak: samples.reduce((peak, s) => Math.max(peak, Math.abs(s)), 0) };
}

/** Chromium's own HLS player, without hls.js: plays `seconds` in a page of the server's origin. */
export function nativeHls(page, url, seconds) {
  return page.evaluate(
    async ([source, length]) => {
      const video = Object.assign(document.createElement('video'), { src: source, muted: true, playsInline: true });
      document.body.replaceChildren(video);
      const seen = { frames: 0, width: 0, height: 0, media: 0, audioBytes: 0, error: null };
      const count = () => {
        seen.frames += 1;
        video.requestVideoFrameCallback(count);
      };
      video.requestVideoFrameCallback(count);
      await video.play().catch((error) => (seen.error = String(error)));
      const end = performance.now() + 60_000;
      const begun = video.currentTime;
      while (!seen.error && video.currentTime - begun < length && performance.now() < end) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        seen.error = video.error && `${video.error.code} ${video.error.message}`;
      }
      return { ...seen, width: video.videoWidth, height: video.videoHeight, media: video.currentTime - begun, audioBytes: video.webkitAudioDecodedByteCount };
    },
    [url, seconds],
  );
}

async function collect(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** The counter in one row of luma; null where its check says that it was not read well. */
function counter(luma) {
  const bit = (cell) => (luma[Math.floor(((cell + 0.5) * luma.length) / 32)] > 128 ? 1 : 0);
  let [value, check] = [0, 0];
  for (let cell = 0; cell < 24; cell += 1) value = value * 2 + bit(cell);
  for (let cell = 24; cell < 32; cell += 1) check = check * 2 + bit(cell);
  return ((value >> 16) + ((value >> 8) & 255) + (value & 255) + 0x5a) % 256 === check ? value : null;
}
