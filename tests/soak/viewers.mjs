// WebRTC viewers that come and go for half an hour: memory stays flat, every session ends, and every worker goes on sending.
// Run by `./dev soak viewers [viewers] [minutes]`; each viewer stays 5 to 30 s, three of ten leave without a word. One JSON line.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { Server } from '../lib/server.mjs';
import { until } from '../lib/until.mjs';

const [viewers = 100, minutes = 30] = process.argv.slice(2).map(Number);
const GROWTH_MAX = 8 * 1024 * 1024;
const SAMPLE_MS = 15_000;
/** Of the samples, at each end: what memory is at one moment says little. */
const FIFTH = 5;
const LIVE_OBJECTS = ['unisono_webrtc_sessions', 'unisono_webrtc_peers', 'unisono_webrtc_audiences', 'unisono_webrtc_transcoders'];

const server = await Server.start();
const began = Date.now();
const end = began + minutes * 60_000;

/** Datagrams sent so far, by worker. */
async function sent() {
  const page = await (await fetch(`${server.url}/metrics`)).text();
  return new Map([...page.matchAll(/^unisono_webrtc_worker_packets_total\{([^}]*)\} (\d+)/gm)].map(([, worker, count]) => [worker, Number(count)]));
}

const median = (list) => list.toSorted((a, b) => a - b)[list.length >> 1];
const mib = (bytes) => Math.round((bytes / 1024 / 1024) * 10) / 10;
const failures = [];

try {
  const args = ['bench', 'watch', '--url', `${server.url}/live/soak`, '--viewers', String(viewers), '--churn', '5..30s', '--seconds', String(minutes * 60), '--pid', String(server.pid),
    '--publish', '--key', server.key];
  const crowd = spawn(process.env.UNISONO_BIN, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const said = text(crowd.stdout);
  const over = once(crowd, 'exit');
  await until('all have joined', async () => (await server.metric('unisono_webrtc_sessions')) >= viewers, 120);
  const [memory, sessions] = [[], []];
  let before = await sent();
  while (Date.now() < end && crowd.exitCode === null) {
    await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
    memory.push(await server.rss());
    sessions.push(await server.metric('unisono_webrtc_sessions'));
    const now = await sent();
    if (now.size === 0) failures.push('no worker says what it has sent');
    for (const [worker, count] of now) if (count === before.get(worker)) failures.push(`worker ${worker} sent nothing for ${SAMPLE_MS / 1000} s, ${Math.round((Date.now() - began) / 1000)} s into the run`);
    before = now;
  }
  const [code] = await over;
  if (code !== 0) failures.push(`bench watch ended with ${code}`);
  const result = JSON.parse((await said).trim().split('\n').at(-1));
  const left = [];
  for (const name of LIVE_OBJECTS) await until(`${name} is zero`, async () => (await server.metric(name)) === 0, 120).catch(() => left.push(name));
  if (left.length) failures.push(`still there: ${left}`);
  // The first fifth fills what is kept for reuse.
  const fifth = Math.ceil(memory.length / FIFTH);
  const [early, late] = [median(memory.slice(fifth, 2 * fifth)), median(memory.slice(-fifth))];
  if (late - early > GROWTH_MAX) failures.push(`memory grew by ${mib(late - early)} MiB`);
  const { joined, failed, frame_latency_ms, loss_percent, joins } = result;
  if (failed) failures.push(`${failed} joins failed: ${JSON.stringify(joins?.reasons)}`);
  console.log(JSON.stringify({
    soak: 'viewers', viewers, minutes, joined, failed, most_sessions: Math.max(...sessions), rss_second_fifth_mib: mib(early), rss_last_fifth_mib: mib(late), growth_mib: mib(late - early),
    rss_after_mib: mib(await server.rss()), frame_latency_ms, loss_percent, left, failures,
  }));
} finally {
  await server.stop();
}
process.exitCode = failures.length ? 1 : 0;
