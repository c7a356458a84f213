// What many streams with a few viewers each cost the server: `unisono bench streams` against a server of its own, three times. One JSON line.
// Run by `./dev bench streams [RTMP streams] [WHIP streams] [viewers of each]`. UNISONO_BENCH_BIN: another binary to measure with.
import { execFile } from 'node:child_process';
import { loadavg } from 'node:os';
import { promisify } from 'node:util';
import { Server } from '../lib/server.mjs';

const run = promisify(execFile);
const RUNS = Number(process.env.BENCH_RUNS ?? 3);
const seconds = process.env.BENCH_SECONDS ?? '15';
const [rtmp = '50', whip = '50', viewers = '3'] = process.argv.slice(2);
const binary = process.env.UNISONO_BENCH_BIN ?? process.env.UNISONO_BIN;

const results = [];
for (let attempt = 0; attempt < RUNS; attempt += 1) {
  const server = await Server.start();
  const counts = ['--rtmp-streams', rtmp, '--whip-streams', whip, '--viewers', viewers, '--seconds', seconds];
  const args = ['bench', 'streams', '--url', server.url, '--rtmp', `127.0.0.1:${server.rtmp}`, '--key', server.key, '--pid', String(server.pid), ...counts];
  try {
    const { stdout } = await run(binary, args, { maxBuffer: 1 << 24 });
    results.push(JSON.parse(stdout.trim().split('\n').at(-1)));
  } finally {
    await server.stop();
  }
}
/** CPU of the last step, when everything is there. */
const cost = (result) => result.steps.at(-1).server_cpu_percent;
results.sort((a, b) => cost(a) - cost(b));
console.log(JSON.stringify({ bench: 'streams', runs: RUNS, server_cpu_percents: results.map(cost), median: results[RUNS >> 1], load: loadavg()[0] }));
