// A watch page under observation: every displayed frame with its T and burnt-in counter, every event, every stall.
import { referenceClip } from './publishers.mjs';
import { until } from './until.mjs';

/** Opens `stream` by `mode` ('webrtc' | 'hls') and waits for moving pictures. */
export async function watch(browser, server, stream, mode, hash = '') {
  const page = await browser.open(`${server.url}/${stream}?mode=${mode}${hash}`);
  await page.waitForFunction(() => window.unisono?.player);
  await page.evaluate(observe);
  await until(`${mode} shows ${stream}`, () => page.evaluate(() => window.seen.frames.length > 5)).catch(async (error) => {
    const state = await page.evaluate(() => document.body.innerText.slice(0, 600));
    const asked = await page.evaluate(() => performance.getEntriesByType('resource').slice(-15).map((entry) => `${entry.name.slice(-70)} at ${Math.round(entry.startTime)}, ${Math.round(entry.duration)} ms, ${entry.responseStatus}`));
    const states = await page.evaluate(() => window.seen.states.map(({ words }) => words));
    throw new Error([error.message, state, ...page.words.slice(-10), ...asked, ...states].join('\n'));
  });
  return page;
}

/** Runs in the page. Reads the counter's band only: a few kilobytes per frame. */
function observe() {
  const { player } = window.unisono;
  const seen = { frames: [], events: [], stalls: 0, states: [] };
  window.seen = seen;
  const canvas = new OffscreenCanvas(640, 18);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  const counter = (video) => {
    const { videoWidth, videoHeight } = video;
    if (!videoWidth) return null;
    context.drawImage(video, 0, 0, videoWidth, videoHeight / 20, 0, 0, 640, 18);
    const { data } = context.getImageData(0, 9, 640, 1);
    let bits = 0n;
    for (let cell = 0; cell < 32; cell += 1) bits = (bits << 1n) | (data[Math.floor((cell + 0.5) * 20) * 4] > 127 ? 1n : 0n);
    const [value, check] = [Number(bits >> 8n), Number(bits & 255n)];
    return ((value >> 16) + ((value >> 8) & 255) + (value & 255) + 0x5a) % 256 === check ? value : null;
  };
  let last = null;
  player.on('frame', (frame) => {
    // An estimate bridges a pause and names the frame that comes next; it is not on the screen.
    if (!frame.isExact) return;
    const now = performance.now();
    if (last !== null && now - last > 500) seen.stalls += 1;
    last = now;
    seen.frames.push({ t: frame.t, epoch: frame.epoch, counter: counter(player.video), wall: Date.now(), now, presented: frame.presentedFrames });
    if (seen.frames.length > 20000) seen.frames.splice(0, 10000);
  });
  player.on('event', (event) => {
    const at = seen.frames.at(-1);
    seen.events.push({ id: event.event.id, seq: event.event.seq, at: event.event.at, t: event.t, epoch: event.epoch, via: event.via, shown: event.shown, late: event.isLate, counter: counter(player.video), frames: seen.frames.length, previousT: at?.t ?? null });
  });
  player.on('state', (state) => seen.states.push(state));
}

/** Forgets what was seen so far. */
export const forget = (page) => page.evaluate(() => Object.assign(window.seen, { frames: [], events: [], stalls: 0 }));

/** What was seen. */
export const seen = (page) => page.evaluate(() => window.seen);

/**
 * The frames that were seen, by their counter. The compositor may show the next picture before the canvas reads it, on a busy machine for some
 * pictures in a row: only where both neighbours say the same does a counter belong to its T.
 */
export function byCounter(frames) {
  const isSteady = ({ counter }, i) => counter !== null && frames[i - 1]?.counter === counter - 1 && frames[i + 1]?.counter === counter + 1;
  return new Map(frames.filter(isSteady).map((frame) => [frame.counter, frame]));
}

/** Waits until `count` more frames were displayed. */
export async function frames(page, count) {
  const from = await page.evaluate(() => window.seen.frames.length);
  await until(`${count} more frames`, () => page.evaluate((n) => window.seen.frames.length >= n, from + count), Math.max(60, count));
}

/** Loudness of what plays: root mean square of the last moment above silence at some time within a minute. */
export const hears = (page) =>
  page.evaluate(async () => {
    const { video } = window.unisono.player;
    video.muted = false;
    const context = new AudioContext();
    await context.resume();
    const stream = video.srcObject ?? video.captureStream();
    const analyser = context.createAnalyser();
    context.createMediaStreamSource(stream).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    let loudest = 0;
    const end = performance.now() + 60_000;
    while (performance.now() < end && loudest < 0.02) {
      analyser.getFloatTimeDomainData(samples);
      loudest = Math.max(loudest, Math.sqrt(samples.reduce((sum, s) => sum + s * s, 0) / samples.length));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await context.close();
    return loudest;
  });

/** One report of the peer connection's statistics, as an array. */
export const rtcStats = (page) =>
  page.evaluate(async () => [...(await window.unisono.player.session.peerConnection.getStats()).values()]);

/**
 * Milliseconds by which sound runs ahead of the picture. WebRTC: the playout times of both tracks (estimatedPlayoutTimestamp). HLS: flash against
 * beep, less `zero`, which is [`mseZero`]'s. Null where the browser does not tell.
 */
export async function avOffset(page, zero = 0) {
  const isWebRtc = await page.evaluate(() => Boolean(window.unisono.player.session.peerConnection));
  if (isWebRtc) return page.evaluate(playoutOffset);
  const offset = await page.evaluate(flashOffset);
  return offset === null ? null : offset - zero;
}

/**
 * What the same way of measuring says of a clip whose flash and beep are together, with the codecs and the MSE pipeline of the stream: the zero.
 * `audio`: ffmpeg's encoder and the codec's name in MIME.
 */
export async function mseZero(browser, server, [encoder, codec]) {
  const page = await browser.open(`${server.url}/healthz`);
  const clip = referenceClip(encoder).toString('base64');
  await page.evaluate(playClip, [clip, `video/mp4; codecs="avc1.42c01e,${codec}"`]);
  const offset = await page.evaluate(flashOffset);
  await page.close();
  return offset;
}

async function playClip([base64, type]) {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const source = new MediaSource();
  const video = Object.assign(document.createElement('video'), { src: URL.createObjectURL(source), autoplay: true, loop: false });
  document.body.append(video);
  await new Promise((resolve) => source.addEventListener('sourceopen', resolve, { once: true }));
  source.addSourceBuffer(type).appendBuffer(bytes);
  await new Promise((resolve) => video.requestVideoFrameCallback(resolve));
  window.clip = { video };
}

/** Both tracks' newest frame in play, on the sender's clock: equal when in sync. Median of several looks. */
async function playoutOffset() {
  const offsets = [];
  for (let look = 0; look < 20; look += 1) {
    const reports = [...(await window.unisono.player.session.peerConnection.getStats()).values()].filter((r) => r.type === 'inbound-rtp');
    const at = (kind) => reports.find((r) => r.kind === kind)?.estimatedPlayoutTimestamp;
    if (at('audio') && at('video')) offsets.push(at('audio') - at('video'));
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return offsets.length ? offsets.sort((a, b) => a - b)[offsets.length >> 1] : null;
}

/** When the flash's first frame is displayed less when the beep begins, over some seconds. */
async function flashOffset() {
  const { video } = window.clip ?? window.unisono.player;
  const context = new AudioContext();
  await context.resume();
  const analyser = new AnalyserNode(context, { fftSize: 256 });
  context.createMediaStreamSource(video.captureStream()).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const canvas = new OffscreenCanvas(8, 8);
  const pen = canvas.getContext('2d', { willReadFrequently: true });
  const flashes = [];
  const beeps = [];
  let isOn = true;
  let isLoud = true;
  const frame = (now, metadata) => {
    const { videoWidth: w, videoHeight: h } = video;
    pen.drawImage(video, w - h / 4, h - h / 4, h / 4, h / 4, 0, 0, 8, 8);
    const white = pen.getImageData(4, 4, 1, 1).data[0] > 127;
    if (white && !isOn) flashes.push(metadata.expectedDisplayTime);
    isOn = white;
    video.requestVideoFrameCallback(frame);
  };
  video.requestVideoFrameCallback(frame);
  const end = performance.now() + 8000;
  while (performance.now() < end) {
    analyser.getFloatTimeDomainData(samples);
    const loud = samples.some((s) => Math.abs(s) > 0.05);
    if (loud && !isLoud) beeps.push(performance.now());
    isLoud = loud;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  await context.close();
  const offsets = beeps.flatMap((beep) => flashes.map((flash) => flash - beep).filter((d) => Math.abs(d) < 400));
  return offsets.length ? offsets.sort((a, b) => a - b)[offsets.length >> 1] : null;
}
