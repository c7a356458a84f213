// What a second node costs: an origin with the publisher, an edge with the viewers. One JSON line per figure: the median of three runs, the
// budget where there is one, the load of the machine. Run by `./dev bench relay` on a quiet machine; RELAY_BENCH_SECONDS per measurement (15).
//   added latency   when the same picture (by T) is on screen at the edge less at the origin, two viewers on one page; the same of two at the origin
//   200 viewers     `unisono bench watch` at the edge: how often the stream is pulled, frame latency beside the origin's
//   join            POST to the first picture at the edge: with the stream there, and not there yet
//   CPU             of both nodes per gigabit relayed, without viewers' media
import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join as path } from 'node:path';
import { promisify } from 'node:util';
import { Browser } from '../lib/chromium.mjs';
import { closePair, compare, lookAt, openPair } from '../lib/pair.mjs';
import { ffmpegCopy, ffmpegRtmp, ffmpegWhip } from '../lib/publishers.mjs';
import { SdkPage } from '../lib/sdk.mjs';
import { TwoNodes } from '../lib/two-nodes.mjs';
import { pause, quantile, until } from '../lib/until.mjs';

const run = promisify(execFile);
const seconds = Number(process.env.RELAY_BENCH_SECONDS ?? 15);
const RUNS = 3;
const VIEWERS = 200;
/** Of the streams whose relaying is paid for: 8 Mbit/s each. */
const STREAMS = 4;

const round = (value, digits = 1) => Math.round(value * 10 ** digits) / 10 ** digits;

function report(name, unit, runs, budget, more = {}) {
  const value = quantile(runs, 0.5);
  const verdict = budget === undefined ? undefined : value <= budget ? 'within' : 'over';
  console.log(JSON.stringify({ bench: 'relay', name, unit, value: round(value, 3), budget, verdict, runs: runs.map((v) => round(v, 3)), ...more, load: loadavg()[0] }));
}

/** What the second of two nodes adds to each picture, once the viewers' jitter buffers have settled. */
async function added(page, nodes, stream) {
  await openPair(page, nodes, stream);
  await pause(8_000);
  const found = compare(await lookAt(page, seconds));
  await closePair(page);
  return found;
}

async function latency(nodes) {
  const encoder = ffmpegWhip(nodes, 'live/whip', { counter: 'clock' });
  const [sdk, browser] = [await SdkPage.start(), await Browser.launch()];
  try {
    await nodes.origin.live('live/whip');
    const page = await sdk.open(browser);
    const [origin, edge] = [nodes.origin.url, nodes.url];
    const [runs, zeros] = [[], []];
    for (let i = 0; i < RUNS; i += 1) {
      // The two change places, and what the same comparison says of one node alone is its own noise.
      const isTurned = i % 2 === 1;
      const found = await added(page, isTurned ? [edge, origin] : [origin, edge], 'live/whip');
      runs.push(isTurned ? { ...found, shown: found.shown.map((ms) => -ms), arrived: found.arrived.map((ms) => -ms) } : found);
      zeros.push(await added(page, [origin, origin], 'live/whip'));
    }
    const p = (list, what, part) => list.map((run) => round(quantile(run[what], part)));
    report('added latency p95, WHIP at the origin, WHEP at the edge', 'ms', p(runs, 'shown', 0.95), 30, {
      p50: p(runs, 'shown', 0.5),
      // The browser's own: both viewers at the origin.
      noise_p50: p(zeros, 'shown', 0.5), noise_p95: p(zeros, 'shown', 0.95),
      // The last packet's arrival, before jitter buffer, decoder and screen.
      arrived_p50: p(runs, 'arrived', 0.5), arrived_p95: p(runs, 'arrived', 0.95), arrived_noise_p95: p(zeros, 'arrived', 0.95),
      pictures: runs.map((run) => run.pictures), counters: runs.map((run) => `${run.same_counter} of ${run.counters} the same`),
    });
  } finally {
    await browser.close();
    sdk.stop();
    await encoder.stop();
  }
}

/** Frame latency of `VIEWERS` at one node, of a publisher at the origin; what the relay did for them. */
async function crowd(nodes, node) {
  const args = ['bench', 'watch', '--url', `${node.url}/live/bench`, '--viewers', String(VIEWERS), '--ramp', '50', '--seconds', String(seconds), '--pid', String(node.pid),
    '--publish', '--publish-to', `${nodes.origin.url}/live/bench`, '--key', nodes.key];
  const watching = run(process.env.UNISONO_BIN, args, { maxBuffer: 1 << 24 });
  let subscriptions = 0;
  const look = setInterval(async () => (subscriptions = Math.max(subscriptions, await nodes.origin.metric('unisono_relay_subscriptions'))), 1000);
  const { stdout } = await watching.finally(() => clearInterval(look));
  return { ...JSON.parse(stdout.trim().split('\n').at(-1)), subscriptions };
}

async function viewers(nodes) {
  const runs = [];
  for (let i = 0; i < RUNS; i += 1) runs.push([await crowd(nodes, nodes.origin), await crowd(nodes, nodes)]);
  const of = (place, part) => runs.map((pair) => pair[place].frame_latency_ms[part]);
  report(`frame latency p95 of ${VIEWERS} viewers at the edge`, 'ms', of(1, 'p95'), undefined, {
    p50: of(1, 'p50'), origin_p95: of(0, 'p95'), origin_p50: of(0, 'p50'), joined: runs.map((pair) => pair[1].joined), loss_percent: runs.map((pair) => pair[1].loss_percent),
    pulls_at_once: Math.max(...runs.map((pair) => pair[1].subscriptions)),
  });
}

/** A bare WHEP client in the page: POST to the first picture. */
async function firstPicture(browser, node, stream) {
  const page = await browser.open(`${node.url}/healthz`);
  const took = await page.evaluate(async (url) => {
    const peer = new RTCPeerConnection();
    const video = Object.assign(document.createElement('video'), { muted: true });
    document.body.append(video);
    peer.addTransceiver('video', { direction: 'recvonly' });
    peer.ontrack = ({ track }) => {
      video.srcObject = new MediaStream([track]);
      void video.play();
    };
    await peer.setLocalDescription();
    while (peer.iceGatheringState !== 'complete') await new Promise((resolve) => setTimeout(resolve, 5));
    const posted = performance.now();
    const answer = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/sdp' }, body: peer.localDescription.sdp });
    if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
    const session = new URL(answer.headers.get('location'), url);
    await peer.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
    const first = await new Promise((resolve) => video.requestVideoFrameCallback(() => resolve(performance.now() - posted)));
    await fetch(session, { method: 'DELETE' });
    peer.close();
    return first;
  }, `${node.url}/${stream}/whep`);
  await page.close();
  return took;
}

async function joins(nodes) {
  const encoder = ffmpegRtmp(nodes.rtmpUrl('live/join'), { gop: 30 });
  const browser = await Browser.launch();
  try {
    await nodes.origin.live('live/join');
    const [cold, warm, origin] = [[], [], []];
    for (let i = 0; i < RUNS; i += 1) {
      await until('the edge has let the stream go', async () => (await nodes.metric('unisono_relay_pulling')) === 0, 90);
      cold.push(await firstPicture(browser, nodes, 'live/join'));
      warm.push(await firstPicture(browser, nodes, 'live/join'));
      origin.push(await firstPicture(browser, nodes.origin, 'live/join'));
    }
    report('join at the edge, stream not there yet', 'ms', cold, undefined, { with_the_stream_there: warm.map((v) => round(v)), at_the_origin: origin.map((v) => round(v)) });
  } finally {
    await browser.close();
    await encoder.stop();
  }
}

/** CPU seconds of a process so far. */
function cpu(pid) {
  const [user, system] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ').slice(11, 13).map(Number);
  return (user + system) / 100;
}

/** What both nodes use in a window, and gigabits that went over the link meanwhile. */
async function spent(nodes, keepPulled) {
  const look = async () => ({ cpu: [cpu(nodes.origin.pid), cpu(nodes.pid)], bytes: await nodes.origin.metric('unisono_relay_sent_bytes_total') });
  const before = await look();
  const end = Date.now() + seconds * 1000;
  while (Date.now() < end) {
    if (keepPulled) await keepPulled();
    await pause(1000);
  }
  const after = await look();
  return { cpu: after.cpu.map((value, i) => value - before.cpu[i]), gigabits: ((after.bytes - before.bytes) * 8) / 1e9 };
}

async function cost(nodes) {
  const clip = path(tmpdir(), `unisono-relay-${process.pid}.flv`);
  const made = spawnSync('ffmpeg', ['-y', '-nostdin', '-loglevel', 'error', '-f', 'lavfi', '-i', 'testsrc2=size=1280x720:rate=30,noise=alls=20:allf=t', '-f', 'lavfi', '-i', 'sine=sample_rate=48000', '-t', '10',
    '-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-pix_fmt', 'yuv420p', '-g', '60', '-b:v', '8M', '-maxrate', '8M', '-bufsize', '4M', '-c:a', 'aac', '-f', 'flv', clip]);
  if (made.status !== 0) throw new Error(`ffmpeg: ${made.stderr}`);
  const names = Array.from({ length: STREAMS }, (_, i) => `live/cost${i}`);
  const encoders = names.map((name) => ffmpegCopy(clip, nodes.rtmpUrl(name)));
  try {
    for (const name of names) await nodes.origin.live(name);
    const pull = () => Promise.all(names.map((name) => nodes.stream(name)));
    const [origin, edge, gigabits] = [[], [], []];
    for (let i = 0; i < RUNS; i += 1) {
      await until('the edge has let the streams go', async () => (await nodes.metric('unisono_relay_pulling')) === 0, 90);
      const alone = await spent(nodes, null);
      await pull();
      await pause(3000);
      const relayed = await spent(nodes, pull);
      [origin, edge].forEach((values, i) => values.push((relayed.cpu[i] - alone.cpu[i]) / relayed.gigabits));
      gigabits.push(relayed.gigabits);
    }
    report('relaying at the origin', 'CPU-s per Gbit', origin, undefined, { gigabits: gigabits.map((v) => round(v, 3)), streams: STREAMS });
    report('relaying at the edge', 'CPU-s per Gbit', edge);
  } finally {
    for (const encoder of encoders) await encoder.stop();
    await rm(clip, { force: true });
  }
}

const nodes = await TwoNodes.start();
try {
  const all = { latency, viewers, joins, cost };
  const wanted = process.argv.slice(2);
  for (const [name, measure] of Object.entries(all)) if (!wanted.length || wanted.includes(name)) await measure(nodes);
} finally {
  await nodes.stop();
}
