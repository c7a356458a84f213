// Real encoders. Each returns { child, kill, stop }; ffmpeg's picture comes from the server's own test source, with the burnt-in counter.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const binary = process.env.UNISONO_BIN;
const venv = process.env.UNISONO_VENV ?? join(homedir(), '.cache/unisono/venv');

/** Children as one publisher: the last one is the encoder. */
export function running(children) {
  const last = children.at(-1);
  last.words = '';
  last.stderr?.on('data', (chunk) => (last.words = (last.words + chunk).slice(-4000)));
  for (const child of children) child.once('exit', (code, signal) => (last.words += `\n${child.spawnargs[0]} ended with ${code ?? signal}`));
  const signal = async (name) => {
    const alive = children.filter((child) => child.exitCode === null && child.signalCode === null);
    const ends = alive.map((child) => once(child, 'exit'));
    alive.forEach((child) => child.kill(name));
    // One that does not obey would hold up its test for good.
    const late = setTimeout(() => alive.forEach((child) => child.kill('SIGKILL')), 20_000);
    await Promise.all(ends).finally(() => clearTimeout(late));
  };
  return { child: last, kill: () => signal('SIGKILL'), stop: () => signal('SIGTERM') };
}

/** The beep: 1 kHz in the first 100 ms of each second, as the flash of the picture, which comes `ahead` seconds early. */
const beep = (ahead = 0) => `aevalsrc=sin(2*PI*1000*t)*lt(mod(t+${ahead}\\,1)\\,0.1)*0.5:s=48000:c=stereo`;
const ZEROLATENCY = ['-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-g', '60', '-keyint_min', '60', '-sc_threshold', '0', '-b:v', '1500k'];
/** What OBS sends with its defaults. */
const OBS_LIKE = ['-c:v', 'libx264', '-preset', 'veryfast', '-bf', '2', '-g', '250', '-keyint_min', '250', '-sc_threshold', '0', '-b:v', '1500k'];

/** ffmpeg by RTMP: H.264 and AAC. `encoder`: 'zerolatency' or 'obs'; `counter`: 'frame' or 'clock'. */
export function ffmpegRtmp(url, { encoder = 'zerolatency', counter = 'frame', size = '640x360', fps = 30, gop, audio: hasSound = true } = {}) {
  const source = spawn(binary, ['testsource', '--raw', '--counter-mode', counter, '--size', size, '--fps', String(fps)], { stdio: ['ignore', 'pipe', 'ignore'] });
  const video = encoder === 'obs' ? OBS_LIKE : ZEROLATENCY;
  const keyframes = gop === undefined ? [] : ['-g', String(gop), '-keyint_min', String(gop)];
  // Without these ffmpeg reads half a second of pictures before it starts, and stays that much behind.
  const atOnce = ['-probesize', '32', '-analyzeduration', '0', '-fflags', 'nobuffer'];
  const raw = [...atOnce, '-f', 'rawvideo', '-pix_fmt', 'yuv420p', '-s', size, '-r', String(fps), '-thread_queue_size', '64', '-i', 'pipe:0'];
  // ffmpeg probes the first picture away, so that the second one has time 0.
  const sound = ['-re', '-f', 'lavfi', '-thread_queue_size', '64', '-i', beep(1 / fps)];
  const audio = ['-c:a', 'aac', '-b:a', '96k', '-ar', '48000'];
  const [in1, out1] = hasSound ? [[...sound], ['-map', '0:v', '-map', '1:a', ...audio]] : [[], []];
  const ffmpeg = spawn('ffmpeg', ['-hide_banner', '-loglevel', 'warning', ...raw, ...in1, ...video, ...keyframes, '-pix_fmt', 'yuv420p', ...out1, '-flush_packets', '1', '-f', 'flv', url], {
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  source.stdout.pipe(ffmpeg.stdin).on('error', () => source.kill());
  return running([source, ffmpeg]);
}

/** FFmpeg 8 by WHIP: H.264 and Opus, the burnt-in counter. `counter`: 'frame' or 'clock'. */
export function ffmpegWhip(server, stream, { counter = 'frame', size = '640x360', fps = 30 } = {}) {
  const source = spawn(binary, ['testsource', '--raw', '--counter-mode', counter, '--size', size, '--fps', String(fps)], { stdio: ['ignore', 'pipe', 'ignore'] });
  const raw = ['-probesize', '32', '-analyzeduration', '0', '-fflags', 'nobuffer', '-f', 'rawvideo', '-pix_fmt', 'yuv420p', '-s', size, '-r', String(fps), '-thread_queue_size', '64', '-i', 'pipe:0'];
  const sound = ['-re', '-f', 'lavfi', '-thread_queue_size', '64', '-i', beep(1 / fps), '-c:a', 'libopus', '-ar', '48000', '-b:a', '64k'];
  const whip = ['-f', 'whip', '-authorization', server.key, `${server.publishUrl ?? server.url}/${stream}/whip`];
  const args = ['-hide_banner', '-loglevel', 'warning', ...raw, ...sound, '-map', '0:v', '-map', '1:a', ...ZEROLATENCY, '-profile:v', 'baseline', '-pix_fmt', 'yuv420p', ...whip];
  const ffmpeg = spawn(process.env.UNISONO_FFMPEG8 ?? 'ffmpeg', args, { stdio: ['pipe', 'ignore', 'pipe'] });
  source.stdout.pipe(ffmpeg.stdin).on('error', () => source.kill());
  return running([source, ffmpeg]);
}

/** ffmpeg by RTMP, a file as it is, over and over, at its own pace. */
export function ffmpegCopy(file, url) {
  const args = ['-nostdin', '-hide_banner', '-loglevel', 'warning', '-re', '-stream_loop', '-1', '-i', file, '-c', 'copy', '-flush_packets', '1', '-f', 'flv', url];
  return running([spawn('ffmpeg', args, { stdio: ['ignore', 'ignore', 'pipe'] })]);
}

/**
 * FFmpeg 8 (PyAV) by Enhanced RTMP: `video` and `audio` as tests/python/publish_rtmp.py names them. A small picture at 15 a second, since this
 * machine's encoders for the newer codecs are slow; a keyframe each second; the burnt-in counter.
 */
export function ffmpeg8Rtmp(url, video, audio, { size = '320x180', fps = 15 } = {}) {
  const source = spawn(binary, ['testsource', '--raw', '--counter-mode', 'frame', '--size', size, '--fps', String(fps)], { stdio: ['ignore', 'pipe', 'ignore'] });
  const script = fileURLToPath(new URL('../python/publish_rtmp.py', import.meta.url));
  const args = [script, url, video, audio, '--size', size, '--fps', String(fps), '--keyframes', String(fps), '--stdin'];
  const python = spawn(join(venv, 'bin/python'), args, { stdio: ['pipe', 'ignore', 'pipe'], env: { ...process.env, SVT_LOG: '0' } });
  source.stdout.pipe(python.stdin).on('error', () => source.kill());
  return running([source, python]);
}

/** Twelve seconds of fragmented MP4 whose flash (the last quarter of the height, lower right) and beep begin together, each second. */
export function referenceClip(audioEncoder) {
  const flash = "color=black:s=640x360:r=30,drawbox=x=iw-ih/4:y=ih-ih/4:w=ih/4:h=ih/4:color=white:t=fill:enable='lt(mod(t,1),0.1)'";
  const inputs = ['-f', 'lavfi', '-i', flash, '-f', 'lavfi', '-i', beep(), '-t', '12'];
  const video = ['-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-profile:v', 'baseline', '-pix_fmt', 'yuv420p', '-g', '30'];
  const mp4 = ['-movflags', '+frag_keyframe+empty_moov+default_base_moof', '-f', 'mp4', 'pipe:1'];
  const done = spawnSync('ffmpeg', ['-nostdin', '-loglevel', 'error', ...inputs, ...video, '-c:a', audioEncoder, '-ar', '48000', ...mp4], { maxBuffer: 1 << 26 });
  if (done.status !== 0) throw new Error(`ffmpeg: ${done.stderr}`);
  return done.stdout;
}

/** GStreamer by RTMP, its own test picture. `prefix`: a command that runs it elsewhere. */
export function gstreamerRtmp(url, prefix = []) {
  const pipeline = [
    'flvmux', 'name=mux', 'streamable=true', '!', 'rtmp2sink', `location=${url}`,
    'videotestsrc', 'is-live=true', '!', 'video/x-raw,format=I420,width=320,height=180,framerate=30/1', '!', 'x264enc', 'tune=zerolatency', 'key-int-max=60', 'bitrate=500', '!', 'h264parse', '!', 'mux.',
    'audiotestsrc', 'is-live=true', '!', 'audio/x-raw,rate=48000,channels=2', '!', 'avenc_aac', '!', 'aacparse', '!', 'mux.',
  ];
  const [program, ...args] = [...prefix, 'gst-launch-1.0', '-q', ...pipeline];
  return running([spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] })]);
}

/** ffmpeg by RTMP with sound alone, picture alone, or both; nothing is measured in it. */
export function ffmpegPart(url, { video = true, audio = true } = {}) {
  const inputs = [
    ...(video ? ['-re', '-f', 'lavfi', '-i', 'testsrc2=size=320x180:rate=30'] : []),
    ...(audio ? ['-re', '-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000'] : []),
  ];
  const codecs = [...(video ? [...ZEROLATENCY, '-b:v', '400k', '-pix_fmt', 'yuv420p'] : []), ...(audio ? ['-c:a', 'aac', '-ac', '2', '-b:a', '96k'] : [])];
  const ffmpeg = spawn('ffmpeg', ['-nostdin', '-hide_banner', '-loglevel', 'warning', ...inputs, ...codecs, '-flush_packets', '1', '-f', 'flv', url], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  return running([ffmpeg]);
}
