// What a viewer costs the server: `unisono bench watch` at several numbers of viewers against a server of its own. One JSON line per number.
// Run by `./dev bench watch [viewers ...]`.
import { execFile } from 'node:child_process';
import { loadavg } from 'node:os';
import { promisify } from 'node:util';
import { Server } from '../lib/server.mjs';

const run = promisify(execFile);
const RUNS = 3;
const numbers = process.argv.slice(2).map(Number);
const seconds = process.env.BENCH_SECONDS ?? '20';

for (const viewers of numbers.length ? numbers : [50, 150]) {
  const results = [];
  for (let attempt = 0; attempt < RUNS; attempt += 1) {
    const server = await Server.start();
    const args = ['bench', 'watch', '--url', `${server.url}/live/bench`, '--viewers', String(viewers), '--seconds', seconds, '--pid', String(server.pid), '--publish', '--key', server.key];
    const { stdout } = await run(process.env.UNISONO_BIN, args, { maxBuffer: 1 << 24 });
    results.push(JSON.parse(stdout.trim().split('\n').at(-1)));
    await server.stop();
  }
  const cost = (result) => result.server.cpu_seconds_per_gigabit;
  results.sort((a, b) => cost(a) - cost(b));
  console.log(JSON.stringify({ bench: 'watch', viewers, runs: RUNS, costs: results.map(cost), median: results[RUNS >> 1], load: loadavg()[0] }));
}
