// What a room does in figures: `unisono bench rooms` against a server of its own for each figure, then an event on a real browser's screen.
// One JSON line per figure. Run by `./dev bench rooms [figures ...]`: ack rate fan-out deliveries idle beside screen.
import { execFile } from 'node:child_process';
import { loadavg } from 'node:os';
import { promisify } from 'node:util';
import { Browser } from '../lib/chromium.mjs';
import { ffmpegRtmp } from '../lib/publishers.mjs';
import { Server } from '../lib/server.mjs';
import { pause, quantile, until } from '../lib/until.mjs';
import { watch } from '../lib/watch.mjs';

const run = promisify(execFile);
const RUNS = Number(process.env.BENCH_RUNS ?? 3);
const seconds = process.env.BENCH_SECONDS ?? '15';
const readers = process.env.BENCH_READERS ?? '5000';
const figures = process.argv.slice(2).length ? process.argv.slice(2) : ['ack', 'rate', 'fan-out', 'deliveries', 'idle', 'beside', 'screen'];

/** What the runs of a figure are sorted by; the one in the middle is shown whole. */
const VALUES = {
  ack: (r) => r.ack_ms.p99,
  rate: (r) => r.commands_per_second,
  'fan-out': (r) => r.delivery_ms.p99,
  deliveries: (r) => r.deliveries_per_core,
  idle: (r) => r.bytes_per_reader,
  beside: (r) => r.frame_latency_ms.flooded.p99,
};

for (const figure of figures) {
  if (figure === 'screen') await screen();
  else await ours(figure, VALUES[figure] ?? fail(`no figure called ${figure}: ${Object.keys(VALUES).join(', ')}, screen`));
}

function fail(words) {
  throw new Error(words);
}

async function ours(figure, value) {
  const results = [];
  for (let attempt = 0; attempt < RUNS; attempt += 1) {
    const server = await Server.start();
    const args = ['bench', 'rooms', '--url', server.url, '--figure', figure, '--readers', readers, '--seconds', seconds, '--pid', String(server.pid), '--publish-key', server.key];
    const { stdout } = await run(process.env.UNISONO_BIN, args, { maxBuffer: 1 << 24 });
    results.push(JSON.parse(stdout.trim().split('\n').at(-1)));
    await server.stop();
  }
  results.sort((a, b) => value(a) - value(b));
  console.log(JSON.stringify({ bench: 'rooms', figure, runs: RUNS, values: results.map(value), median: results[RUNS >> 1], load: loadavg()[0] }));
}

/** From a command sent by HTTP to the frame on a WebRTC viewer's screen that shows its event. Budget: p95 <= 150 ms. */
async function screen() {
  const server = await Server.start();
  const browser = await Browser.launch();
  const encoder = ffmpegRtmp(server.rtmpUrl('live/x'));
  try {
    await server.live('live/x');
    const page = await watch(browser, server, 'live/x', 'webrtc');
    await page.evaluate(() => {
      window.shown = [];
      const take = (event, t) => window.shown.push({ id: event.id, at: performance.timeOrigin + performance.now(), t });
      if (window.unisono.room) window.unisono.room.onEvent(({ event, t }) => take(event, t));
      else window.unisono.player.on('event', ({ event, t }) => take(event, t));
    });
    await pause(5000);
    const count = Number(process.env.BENCH_EVENTS ?? 100);
    const sent = new Map();
    for (let index = 0; index < count; index += 1) {
      const at = performance.timeOrigin + performance.now();
      const event = await server.post('live/x', { type: 'bench.mark', data: { index } });
      sent.set(event.id, at);
      await pause(200 + Math.random() * 33);
    }
    await until('all are shown', () => page.evaluate((n) => window.shown.length >= n, count), 60);
    const shown = await page.evaluate(() => window.shown);
    const took = shown.filter(({ id }) => sent.has(id)).map(({ id, at }) => at - sent.get(id));
    const at = (part) => Math.round(quantile(took, part) * 10) / 10;
    const p95 = at(0.95);
    console.log(JSON.stringify({ bench: 'rooms', figure: 'screen', unit: 'ms', p50: at(0.5), p95, p99: at(0.99), samples: took.length, budget_p95: 150, verdict: p95 <= 150 ? 'within' : 'over', load: loadavg()[0] }));
  } finally {
    await encoder.stop();
    await browser.close();
    await server.stop();
  }
}
