// Glass to glass, by the burnt-in clock counter, and the time a joiner takes to be live. One JSON line per figure: the median of three runs,
// the budget, the verdict, the load of the machine. Run by `./dev bench e2e` on a quiet machine; E2E_BENCH_SECONDS per measurement (default 15).
import { loadavg } from 'node:os';
import { Browser } from '../lib/chromium.mjs';
import { ages } from '../lib/latency.mjs';
import { ffmpegRtmp } from '../lib/publishers.mjs';
import { Server } from '../lib/server.mjs';
import { pause, quantile, until } from '../lib/until.mjs';
import { forget, watch } from '../lib/watch.mjs';

const seconds = Number(process.env.E2E_BENCH_SECONDS ?? 15);
const RUNS = 3;

const median = (values) => quantile(values, 0.5);

function report(name, unit, budget, runs, more = {}) {
  const value = median(runs);
  const verdict = value <= budget ? 'within' : 'over';
  console.log(JSON.stringify({ bench: 'e2e', name, unit, value: Math.round(value), budget, verdict, runs: runs.map(Math.round), ...more, load: loadavg()[0] }));
}

/** p50 and p95 of one player's frame ages over the window. */
async function measure(browser, server, stream, mode) {
  const page = await watch(browser, server, stream, mode);
  // A player settles first: jitter buffer, and hls.js catching up with the edge.
  await pause(mode === 'hls' ? 15_000 : 5_000);
  await forget(page);
  await pause(seconds * 1000);
  const all = await ages(page);
  await page.close();
  return { p50: quantile(all, 0.5), p95: quantile(all, 0.95), frames: all.length };
}

async function latency(name, budget, browser, server, stream, mode) {
  const runs = [];
  for (let run = 0; run < RUNS; run += 1) runs.push(await measure(browser, server, stream, mode));
  report(`${name} p95`, 'ms', budget, runs.map((r) => r.p95), { p50: Math.round(median(runs.map((r) => r.p50))), frames: runs.map((r) => r.frames) });
}

/** Joins 1.9 s after a keyframe and tells how long after the connection the displayed picture is less than 300 ms old. */
async function join(browser, server, stream) {
  const page = await browser.open('about:blank');
  await page.goto(`${server.url}/`);
  const took = await page.evaluate(joinInPage, { url: `${server.url}/${stream}/whep` });
  await page.close();
  return took;
}

/** Runs in the page: a bare WHEP client, so that only the server and the browser's own machinery count. */
async function joinInPage({ url }) {
  const peer = new RTCPeerConnection();
  const video = document.createElement('video');
  video.muted = true;
  document.body.append(video);
  peer.addTransceiver('video', { direction: 'recvonly' });
  peer.ontrack = ({ streams, track }) => {
    video.srcObject = streams[0] ?? new MediaStream([track]);
    void video.play();
  };
  await peer.setLocalDescription();
  while (peer.iceGatheringState !== 'complete') await new Promise((resolve) => setTimeout(resolve, 5));
  const canvas = new OffscreenCanvas(640, 18);
  const pen = canvas.getContext('2d', { willReadFrequently: true });
  const age = () => {
    pen.drawImage(video, 0, 0, video.videoWidth, video.videoHeight / 20, 0, 0, 640, 18);
    const { data } = pen.getImageData(0, 9, 640, 1);
    let value = 0;
    for (let cell = 0; cell < 24; cell += 1) value = value * 2 + (data[Math.floor((cell + 0.5) * 20) * 4] > 127 ? 1 : 0);
    return ((Date.now() % 2 ** 24) - value + 2 ** 24) % 2 ** 24;
  };
  const posted = performance.now();
  const answer = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/sdp' }, body: peer.localDescription.sdp });
  const session = new URL(answer.headers.get('location'), url);
  await peer.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
  let first = null;
  const live = await new Promise((resolve) => {
    const frame = () => {
      first ??= performance.now() - posted;
      if (age() < 300) resolve(performance.now() - posted);
      else video.requestVideoFrameCallback(frame);
    };
    video.requestVideoFrameCallback(frame);
    setTimeout(() => resolve(null), 10_000);
  });
  await fetch(session, { method: 'DELETE' });
  peer.close();
  return { live, first };
}

const server = await Server.start();
const [viewer, source] = [await Browser.launch(), await Browser.launch()];
let encoder;
try {
  const page = await source.publish(server, 'live/whip');
  await latency('WHIP to WHEP', 200, viewer, server, 'live/whip', 'webrtc');
  await page.close();
  encoder = ffmpegRtmp(server.rtmpUrl('live/rtmp'), { counter: 'clock' });
  await server.live('live/rtmp');
  await latency('RTMP to WHEP', 350, viewer, server, 'live/rtmp', 'webrtc');
  await latency('RTMP to LL-HLS', 2200, viewer, server, 'live/rtmp', 'hls');
  await joins();
} finally {
  await encoder?.stop();
  await viewer.close();
  await source.close();
  await server.stop();
}

/** Keyframes come every 2 s; which phase a join has is told by a player that is already there. */
async function joins() {
  const probe = await watch(viewer, server, 'live/rtmp', 'webrtc');
  const playlist = async () => (await fetch(`${server.url}/live/rtmp/hls/video.m3u8`)).text();
  const runs = [];
  for (let run = 0; run < 5; run += 1) {
    // The playlist tells when the running segment, and so its keyframe, began.
    const started = await until('a segment begins', async () => {
      const dates = [...(await playlist()).matchAll(/PROGRAM-DATE-TIME:(\S+)/g)];
      return dates.length ? Date.parse(dates.at(-1)[1]) : null;
    });
    const now = await probe.evaluate(() => window.unisono.player.currentT().t / 1000);
    const phase = (now - started) % 2000;
    await pause((1900 - phase + 4000) % 2000);
    runs.push(await join(viewer, server, 'live/rtmp'));
  }
  await probe.close();
  const failed = runs.filter((r) => r.live === null).length;
  report('join 1.9 s after the keyframe until live', 'ms', 300, runs.map((r) => r.live ?? 10_000), { firstFrame: Math.round(median(runs.map((r) => r.first))), failed });
}
