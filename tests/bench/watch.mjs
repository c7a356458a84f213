// What a viewer costs the server: `unisono bench watch` at several numbers of viewers against a server of its own, with a bare sender of the
// same packets in the same run. One JSON line per number, the median of the runs by cost.
// Run by `./dev bench watch [viewers ...]`; BENCH_SECONDS, BENCH_RUNS and BENCH_ARGS (further arguments of `bench watch`) change it. BENCH_BESIDE
// names the binary of another server, as one from an older commit, which is measured in turns with this one by the same generator. BENCH_CORES
// lets the server run on so many of the machine's cores only.
import { execFile } from 'node:child_process';
import { loadavg } from 'node:os';
import { promisify } from 'node:util';
import { Server } from '../lib/server.mjs';

const run = promisify(execFile);
const RUNS = Number(process.env.BENCH_RUNS ?? 3);
const CURVE = [50, 150, 300, 600, 1000];
// At 1,000 viewers a ramp of 20 joins per second would take longer than the window.
const RAMP = 50;
const seconds = process.env.BENCH_SECONDS ?? '20';
const further = (process.env.BENCH_ARGS ?? '--baseline').split(' ').filter(Boolean);
const through = process.env.BENCH_CORES ? ['taskset', '--cpu-list', `0-${Number(process.env.BENCH_CORES) - 1}`] : [];
const beside = process.env.BENCH_BESIDE;
const numbers = process.argv.slice(2).map(Number);
if (numbers.some((viewers) => !Number.isInteger(viewers) || viewers < 1)) {
  console.error('usage: ./dev bench watch [viewers ...]');
  process.exit(2);
}

async function measure(viewers, binary) {
  const server = await Server.start({ binary, through });
  try {
    const args = ['bench', 'watch', '--url', `${server.url}/live/bench`, '--viewers', String(viewers), '--ramp', String(RAMP), '--seconds', seconds,
      '--pid', String(server.pid), '--publish', '--key', server.key, ...further];
    const { stdout } = await run(process.env.UNISONO_BIN, args, { maxBuffer: 1 << 24 });
    return JSON.parse(stdout.trim().split('\n').at(-1));
  } finally {
    await server.stop();
  }
}

const failures = [];
for (const viewers of numbers.length ? numbers : CURVE) {
  const [results, others] = [[], []];
  for (let attempt = 0; attempt < RUNS; attempt += 1) {
    results.push(await measure(viewers));
    if (beside) others.push(await measure(viewers, beside));
  }
  const cost = (result) => result.server.cpu_seconds_per_gigabit;
  [results, others].forEach((list) => list.sort((a, b) => cost(a) - cost(b)));
  const median = results[RUNS >> 1];
  const other = others[RUNS >> 1];
  const compared = other && { costs: others.map(cost), cost: cost(other), ratio: cost(median) / cost(other), frame_latency_ms: other.frame_latency_ms, loss_percent: other.loss_percent };
  const { ratio_to_gso, ratio_to_sendto } = median.baseline ?? {};
  console.log(JSON.stringify({
    bench: 'watch', viewers, runs: RUNS, costs: results.map(cost), cost: cost(median), ratio_to_gso, ratio_to_sendto,
    frame_latency_ms: median.frame_latency_ms, loss_percent: median.loss_percent, beside: compared, median, load: loadavg()[0],
  }));
  for (const { joined, failed, joins } of results) {
    if (failed) failures.push(`${viewers} viewers: ${joined} joined, ${failed} failed: ${JSON.stringify(joins.reasons)}`);
  }
}
// A curve of which half the viewers never played says nothing.
failures.forEach((failure) => console.error(failure));
process.exitCode = failures.length ? 1 : 0;
