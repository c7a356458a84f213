// How long viewers are without a picture when their node dies: an origin and two edges, a viewer by WebRTC and one by LL-HLS on one edge, which is
// killed (SIGKILL). The gap is the longest time between two displayed frames; a stall of LL-HLS is a `waiting` of its element. Then the same by drain.
// One JSON line: median of BENCH_RUNS (3). Budget: WebRTC 1,000 ms, no stall of LL-HLS, no stall at all by drain. Run by `./dev bench failover`.
import { loadavg } from 'node:os';
import { Browser } from '../lib/chromium.mjs';
import { drain, endpoints, node, nodes } from '../lib/nodes.mjs';
import { ffmpegRtmp } from '../lib/publishers.mjs';
import { quantile, until } from '../lib/until.mjs';
import { forget, frames, seen, watch } from '../lib/watch.mjs';

const runs = Number(process.env.BENCH_RUNS ?? 3);
const STREAM = 'live/x';

/** A viewer of `server` who knows all nodes and has played for a while. */
async function viewer(browser, server, mode) {
  const page = await watch(browser, server, STREAM, mode);
  await until('the player knows the nodes', () => page.evaluate(() => window.unisono.player.session.nodes.length === 3));
  await page.evaluate(() => {
    window.waits = 0;
    window.unisono.player.video.addEventListener('waiting', () => (window.waits += 1));
  });
  await frames(page, 150);
  await forget(page);
  return page;
}

/** What a viewer saw around `leave`. */
async function around(page, from, leave) {
  await frames(page, 30);
  await leave();
  await until('it has moved', () => page.evaluate((url) => window.unisono.player.endpoint !== url, from));
  await frames(page, 90);
  const { frames: list, stalls } = await seen(page);
  const gaps = list.slice(1).map((frame, i) => frame.now - list[i].now);
  const waits = await page.evaluate(() => window.waits);
  return { gap: Math.round(Math.max(...gaps)), stalls, waits };
}

const cluster = await nodes(2);
const encoder = ffmpegRtmp(cluster.origin.rtmpUrl(STREAM));
await cluster.origin.live(STREAM);
const found = { kill: [], drain: [] };
for (let run = 0; run < runs; run += 1) {
  for (const way of ['kill', 'drain']) {
    const [one, two] = cluster.edges;
    await until('both edges are known', async () => (await endpoints(two)).some(({ url }) => url === one.url));
    const browser = await Browser.launch();
    const pages = [await viewer(browser, one, 'webrtc'), await viewer(browser, one, 'hls')];
    let left = null;
    const leave = () => (left ??= way === 'kill' ? one.kill() : drain(one, 2));
    const [webrtc, hls] = await Promise.all(pages.map((page) => around(page, one.url, leave)));
    found[way].push({ webrtc, hls });
    if (process.env.BENCH_TRACE) console.error(way, JSON.stringify({ webrtc, hls }));
    await browser.close();
    await one.stop();
    cluster.edges[0] = await node(cluster.upstream);
  }
}
await encoder.stop();
await cluster.stop();

const median = (list) => quantile(list, 0.5);
const sum = (list) => list.reduce((total, value) => total + value, 0);
const line = {
  bench: 'failover',
  runs,
  webrtc_gap_ms: median(found.kill.map(({ webrtc }) => webrtc.gap)),
  webrtc_gap_worst_ms: Math.max(...found.kill.map(({ webrtc }) => webrtc.gap)),
  hls_gap_ms: median(found.kill.map(({ hls }) => hls.gap)),
  hls_stalls: sum(found.kill.map(({ hls }) => hls.waits)),
  drain_webrtc_gap_ms: median(found.drain.map(({ webrtc }) => webrtc.gap)),
  drain_hls_gap_ms: median(found.drain.map(({ hls }) => hls.gap)),
  drain_stalls: sum(found.drain.map(({ webrtc, hls }) => webrtc.stalls + hls.waits)),
  load: loadavg()[0],
};
const isWithin = line.webrtc_gap_ms <= 1000 && line.hls_stalls === 0 && line.drain_stalls === 0;
console.log(JSON.stringify({ ...line, verdict: isWithin ? 'ok' : 'over budget' }));
