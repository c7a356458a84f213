// The rows: what sends. Each starts a real encoder towards `stream` and says what tracks should come of it.
import { spawn } from 'node:child_process';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Browser } from '../lib/chromium.mjs';
import { Firefox } from '../lib/firefox.mjs';
import { gstreamerRtmp, running } from '../lib/publishers.mjs';
import { publishCanvas } from './page.mjs';

const venv = process.env.UNISONO_VENV ?? join(homedir(), '.cache/unisono/venv');
const binary = process.env.UNISONO_BIN;
/** FFmpeg 8, which speaks Enhanced RTMP and WHIP; `./dev matrix` says where. */
const ffmpeg8 = process.env.UNISONO_FFMPEG8 ?? 'ffmpeg';
const SIZE = '640x360';

const X264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-profile:v', 'baseline', '-g', '60', '-keyint_min', '60', '-sc_threshold', '0'];
const X265 = ['-c:v', 'libx265', '-preset', 'ultrafast', '-tune', 'zerolatency', '-x265-params', 'log-level=error:keyint=60:min-keyint=60:scenecut=0:repeat-headers=1'];
const AV1 = ['-c:v', 'libsvtav1', '-preset', '12', '-g', '60', '-svtav1-params', 'pred-struct=1:rc=2:lookahead=0:lp=1'];
const VP9 = ['-c:v', 'libvpx-vp9', '-deadline', 'realtime', '-cpu-used', '8', '-lag-in-frames', '0', '-auto-alt-ref', '0', '-g', '60', '-row-mt', '0'];
const AAC = ['-c:a', 'aac', '-b:a', '96k', '-ar', '48000'];
const OPUS = ['-c:a', 'libopus', '-b:a', '64k', '-application', 'lowdelay'];

/** The server's own test picture, encoded by one of the ffmpegs. */
function ffmpeg({ net }, program, video, audio, output, { fps = 30, bitrate = '800k' } = {}) {
  const source = spawn(binary, ['testsource', '--raw', '--counter-mode', 'frame', '--size', SIZE, '--fps', String(fps)], { stdio: ['ignore', 'pipe', 'ignore'] });
  const atOnce = ['-probesize', '32', '-analyzeduration', '0', '-fflags', 'nobuffer'];
  const picture = [...atOnce, '-f', 'rawvideo', '-pix_fmt', 'yuv420p', '-s', SIZE, '-r', String(fps), '-thread_queue_size', '64', '-i', 'pipe:0'];
  const beep = `aevalsrc=sin(2*PI*1000*t)*lt(mod(t+1/${fps}\\,1)\\,0.1)*0.5:s=48000:c=stereo`;
  const sound = ['-re', '-f', 'lavfi', '-thread_queue_size', '64', '-i', beep];
  const args = ['-hide_banner', '-loglevel', 'warning', ...picture, ...sound, '-map', '0:v', '-map', '1:a', ...video, '-b:v', bitrate, '-pix_fmt', 'yuv420p', ...audio];
  const [command, ...rest] = net.command([program, ...args, ...output]);
  const encoder = spawn(command, rest, { stdio: ['pipe', 'ignore', 'pipe'] });
  source.stdout.pipe(encoder.stdin).on('error', () => source.kill());
  return running([source, encoder]);
}

const rtmp = (url) => ['-flush_packets', '1', '-f', 'flv', url];
const whip = (there, stream) => ['-f', 'whip', '-authorization', there.key, `${there.url}/${stream}/whip`];

async function chromium(there, stream, codec) {
  const { net, url } = there;
  const browser = await Browser.launch({ executablePath: await net.wrapper('/usr/bin/chromium'), extra: [`--unsafely-treat-insecure-origin-as-secure=${url}`] });
  const page = await browser.open(`${url}/healthz`);
  await page.evaluate(publishCanvas, canvasOf(there, stream, codec));
  return { stop: () => browser.close() };
}

async function firefox(there, stream) {
  const browser = await Firefox.launch({ prefix: there.net.command([]) });
  await browser.open(`${there.url}/healthz`);
  await browser.evaluate(publishCanvas, canvasOf(there, stream, null));
  return { stop: () => browser.close() };
}

const canvasOf = ({ url, key }, stream, codec) => ({ url: `${url}/${stream}/whip`, key, codec, width: 640, height: 360, fps: 30, bitrate: 800_000 });

function aiortc({ net, url, key }, stream) {
  const script = fileURLToPath(new URL('../python/whip_aiortc.py', import.meta.url));
  const [program, ...args] = net.command([join(venv, 'bin/python'), script, `${url}/${stream}/whip`, key]);
  return running([spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] })]);
}

/** `start` takes { net, url, key, rtmpUrl } as they are from the publisher's network. `fps`: what a player should see of it. `counted`: the picture carries the counter. `beep`: flash and beep are together, so an offset can be measured. */
export const publishers = {
  'ffmpeg-rtmp': { title: 'FFmpeg 5.1, RTMP', codec: 'H.264', audio: 'AAC', fps: 30, beep: true, start: (s, n) => ffmpeg(s, 'ffmpeg', X264, AAC, rtmp(s.rtmpUrl(n))) },
  'ffmpeg8-hevc': { title: 'FFmpeg 8, E-RTMP', codec: 'H.265', audio: 'AAC', fps: 30, beep: true, start: (s, n) => ffmpeg(s, ffmpeg8, X265, AAC, rtmp(s.rtmpUrl(n))) },
  'ffmpeg8-av1': { title: 'FFmpeg 8, E-RTMP', codec: 'AV1', audio: 'Opus', fps: 30, beep: true, start: (s, n) => ffmpeg(s, ffmpeg8, AV1, OPUS, rtmp(s.rtmpUrl(n))) },
  'ffmpeg8-vp9': { title: 'FFmpeg 8, E-RTMP', codec: 'VP9', audio: 'Opus', fps: 30, beep: true, start: (s, n) => ffmpeg(s, ffmpeg8, VP9, OPUS, rtmp(s.rtmpUrl(n))) },
  'ffmpeg8-whip': { title: 'FFmpeg 8, WHIP', codec: 'H.264', audio: 'Opus', fps: 30, beep: true, start: (s, n) => ffmpeg(s, ffmpeg8, X264, OPUS, whip(s, n)) },
  'gstreamer-rtmp': { title: 'GStreamer 1.22, RTMP', codec: 'H.264', audio: 'AAC', fps: 30, size: [320, 180], start: (s, n) => gstreamerRtmp(s.rtmpUrl(n), s.net.command([])) },
  'chromium-h264': { title: 'Chromium, WHIP', codec: 'H.264', audio: 'Opus', fps: 30, beep: true, start: (s, n) => chromium(s, n, 'H264') },
  'chromium-vp8': { title: 'Chromium, WHIP', codec: 'VP8', audio: 'Opus', fps: 30, beep: true, start: (s, n) => chromium(s, n, 'VP8') },
  'chromium-vp9': { title: 'Chromium, WHIP', codec: 'VP9', audio: 'Opus', fps: 30, beep: true, start: (s, n) => chromium(s, n, 'VP9') },
  'chromium-av1': { title: 'Chromium, WHIP', codec: 'AV1', audio: 'Opus', fps: 30, beep: true, start: (s, n) => chromium(s, n, 'AV1') },
  firefox: { title: 'Firefox ESR, WHIP', codec: null, audio: 'Opus', fps: 30, start: firefox },
  aiortc: { title: 'aiortc, WHIP', codec: null, audio: 'Opus', fps: 30, start: aiortc },
};
