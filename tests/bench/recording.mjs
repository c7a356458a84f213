// What a recorded stream costs over an unrecorded one that nobody watches: CPU and memory of the server, packaging included. One JSON line.
//   node tests/bench/recording.mjs [--streams 4] [--seconds 20]
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { ffmpegRtmp } from '../lib/publishers.mjs';
import { Server } from '../lib/server.mjs';
import { pause, until } from '../lib/until.mjs';

const { values } = parseArgs({ options: { streams: { type: 'string', default: '4' }, seconds: { type: 'string', default: '20' } } });
const [count, seconds] = [Number(values.streams), Number(values.seconds)];
/** Ticks per second of /proc/{pid}/stat. */
const TICKS = 100;

async function cpuSeconds(pid) {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

async function measure(server) {
  const before = await cpuSeconds(server.pid);
  const begun = performance.now();
  await pause(seconds * 1000);
  return { cores: (await cpuSeconds(server.pid) - before) / ((performance.now() - begun) / 1000), rss: await server.rss() };
}

const names = Array.from({ length: count }, (_, i) => `live/r${i}`);
const server = await Server.start();
const encoders = names.map((name) => ffmpegRtmp(server.rtmpUrl(name)));
try {
  await Promise.all(names.map((name) => server.live(name)));
  await pause(5000);
  const plain = await measure(server);
  for (const name of names) await fetch(`${server.url}/api/v1/streams/${name}/recording`, { method: 'PUT' });
  await until('all are recorded', async () => (await server.metric('unisono_recording_segments_total')) >= count * 4);
  // The packager keeps a window of segments: not before it is full.
  await pause(15_000);
  const recorded = await measure(server);
  const per = (what) => (recorded[what] - plain[what]) / count;
  const bytes = await server.metric('unisono_recording_bytes_total');
  const line = {
    bench: 'recording', streams: count, seconds,
    plain_millicores_per_stream: +((plain.cores / count) * 1000).toFixed(2),
    overhead_millicores_per_stream: +(per('cores') * 1000).toFixed(2),
    overhead_mib_per_stream: +(per('rss') / 2 ** 20).toFixed(2),
    kept_bytes: bytes,
    lost: await server.metric('unisono_recording_lost_total'),
    failures: await server.metric('unisono_recording_failures_total'),
  };
  console.log(JSON.stringify(line));
} finally {
  await Promise.all(encoders.map((encoder) => encoder.stop()));
  await server.stop();
}
