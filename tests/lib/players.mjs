// Players that are not browsers. Each resolves to what it saw: { counters, size, samples, rate, peak } (peak of 16-bit samples).
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const python = (script) => fileURLToPath(new URL(`../python/${script}`, import.meta.url));
const venv = process.env.UNISONO_VENV ?? join(homedir(), '.cache/unisono/venv');

/** As a last resort: what hangs would hold up its test for good. */
const PATIENCE_MS = 180_000;

/** Both scripts give up by themselves after two minutes of playing. */
async function viewer(interpreter, script, url, frames) {
  const child = spawn(interpreter, [python(script), url, String(frames)], { stdio: ['ignore', 'pipe', 'pipe'] });
  const [words, errors] = [collect(child.stdout), collect(child.stderr)];
  const deadline = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
  const [code, signal] = await once(child, 'close').finally(() => clearTimeout(deadline));
  const line = (await words).toString().trim();
  if (!line) throw new Error(`${script} ended with ${code ?? signal}: ${(await errors).toString().slice(-2000)}`);
  const seen = JSON.parse(line);
  if (seen.error) throw new Error(`${script}: ${seen.error}`);
  return seen;
}

export const aiortcWhep = (url, frames) => viewer(join(venv, 'bin/python'), 'whep_aiortc.py', url, frames);

/** The system's Python, which has gi. */
export const gstreamerWhep = (url, frames) => viewer('/usr/bin/python3', 'whep_gstreamer.py', url, frames);

/**
 * Milliseconds by which sound runs ahead of the picture in what a URL serves: presentation time of the flash's first frame less that of the
 * beep's first sample, median over `seconds`. `prefix`: a command that runs ffmpeg elsewhere.
 */
export function recordedOffset(url, seconds, prefix = []) {
  const flash = 'crop=ih/5:ih/5:iw-ih*9/40:ih-ih*9/40,signalstats,metadata=print:key=lavfi.signalstats.YAVG:file=-';
  const filters = ['-filter_complex', `[0:v]${flash}[v];[0:a]silencedetect=n=-30dB:d=0.3[a]`, '-map', '[v]', '-map', '[a]'];
  return new Promise((resolve, reject) => {
    const [program, ...args] = [...prefix, 'ffmpeg', '-nostdin', '-hide_banner', '-i', url, ...filters, '-t', String(seconds), '-f', 'null', '-'];
    const child = execFile(program, args, { maxBuffer: 1 << 26, timeout: PATIENCE_MS, killSignal: 'SIGKILL' }, (error, pictures, words) => {
      if (error) return reject(error);
      const beeps = [...words.matchAll(/silence_end: ([0-9.]+)/g)].map(([, at]) => Number(at));
      const lights = [...pictures.matchAll(/pts_time:([0-9.]+)\s+lavfi\.signalstats\.YAVG=([0-9.]+)/g)].map(([, at, luma]) => [Number(at), luma > 127]);
      const flashes = lights.filter(([, on], i) => on && i > 0 && !lights[i - 1][1]).map(([at]) => at);
      const offsets = beeps.flatMap((beep) => flashes.map((flash) => (flash - beep) * 1000).filter((d) => Math.abs(d) < 400));
      resolve(offsets.length ? offsets.sort((a, b) => a - b)[offsets.length >> 1] : null);
    });
    child.stdin?.end();
  });
}

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

/** What ffprobe says of a URL's streams: { video: 'av1 320x180', audio: 'opus 48000' }, one that is not there left out. */
export async function probe(url) {
  const child = spawn('ffprobe', ['-v', 'error', '-of', 'json', '-show_streams', url], { stdio: ['ignore', 'pipe', 'pipe'] });
  const [words, errors] = [collect(child.stdout), collect(child.stderr)];
  const deadline = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
  const [code, signal] = await once(child, 'close').finally(() => clearTimeout(deadline));
  if (code !== 0) throw new Error(`ffprobe ended with ${code ?? signal}: ${(await errors).toString().slice(-2000)}`);
  const seen = {};
  for (const stream of JSON.parse((await words).toString()).streams) {
    const { codec_type: kind, codec_name: name, width, height, sample_rate: rate } = stream;
    seen[kind] = kind === 'video' ? `${name} ${width}x${height}` : `${name} ${rate}`;
  }
  return seen;
}

/** GStreamer plays HLS until `buffers` of `kind` ('video' | 'audio') came out of its decoder; throws in its words, or after three minutes. */
export async function gstreamerHls(url, kind, buffers) {
  const convert = { video: 'videoconvert', audio: 'audioconvert' }[kind];
  const caps = { video: 'video/x-raw', audio: 'audio/x-raw' }[kind];
  const pipeline = ['uridecodebin3', `uri=${url}`, 'name=source', 'source.', '!', caps, '!', 'queue', '!', convert, '!', 'fakesink', `num-buffers=${buffers}`, 'sync=false'];
  const child = spawn('gst-launch-1.0', ['-q', ...pipeline], { stdio: ['ignore', 'ignore', 'pipe'] });
  const errors = collect(child.stderr);
  const deadline = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
  const [code, signal] = await once(child, 'close');
  clearTimeout(deadline);
  if (code !== 0) throw new Error(`gst-launch-1.0 ended with ${code ?? signal}: ${(await errors).toString().slice(-2000)}`);
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
