// LL-HLS at the moment it matters: N clients hold a blocking playlist request each, a part appears, and all are answered. How far is the last
// behind the first, and what does it cost the server? One JSON line per number. Run by `./dev bench blocked [clients ...]`.
//
// The clients are plain sockets in this one process, so that reading the answers on the same cores is in the figure.
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { loadavg } from 'node:os';
import { Server } from '../lib/server.mjs';
import { quantile, until } from '../lib/until.mjs';

const ROUNDS = 20;
const RUNS = 3;
const STREAM = 'live/demo';
/** A release that takes longer than this is felt: a part is 500 ms long. */
const BUDGET_MS = 100;

const numbers = process.argv.slice(2).map(Number);
for (const clients of numbers.length ? numbers : [200, 2000]) {
  const runs = [];
  for (let attempt = 0; attempt < RUNS; attempt += 1) runs.push(await run(clients));
  runs.sort((a, b) => a.p99_ms - b.p99_ms);
  const median = runs[RUNS >> 1];
  const verdict = median.p99_ms <= BUDGET_MS ? 'within' : 'over';
  console.log(JSON.stringify({ bench: 'blocked', clients, rounds: ROUNDS, p99s_ms: runs.map((r) => r.p99_ms), median, budget_ms: BUDGET_MS, verdict, load: loadavg()[0] }));
}

async function run(clients) {
  const server = await Server.start({ command: 'demo' });
  await server.live(STREAM);
  const playlist = `/${STREAM}/hls/video.m3u8`;
  await until('the playlist has parts', async () => (await (await fetch(server.url + playlist)).text()).includes('#EXT-X-PRELOAD-HINT'));
  const sockets = await Promise.all(Array.from({ length: clients }, () => opened(server.http)));
  const spreads = [];
  const before = await cpuSeconds(server.pid);
  const begun = performance.now();
  for (let round = 0; round < ROUNDS; round += 1) {
    const next = await nextPart(server.url + playlist);
    const request = `GET ${playlist}?_HLS_msn=${next.msn}&_HLS_part=${next.part} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`;
    const times = await Promise.all(sockets.map((socket) => answered(socket, request)));
    const first = Math.min(...times);
    spreads.push(...times.map((time) => time - first));
  }
  const cpu = (await cpuSeconds(server.pid)) - before;
  const seconds = (performance.now() - begun) / 1000;
  sockets.forEach((socket) => socket.destroy());
  await server.stop();
  const round = (ms) => Math.round(ms * 10) / 10;
  return { p50_ms: round(quantile(spreads, 0.5)), p99_ms: round(quantile(spreads, 0.99)), max_ms: round(Math.max(...spreads)), server_cpu_percent: round((100 * cpu) / seconds) };
}

async function opened(port) {
  const socket = connect(port, '127.0.0.1').setNoDelay(true);
  await once(socket, 'connect');
  return socket;
}

/** The part after the one that the playlist hints at, so that every request is there before it is answered. */
async function nextPart(url) {
  const text = await (await fetch(url)).text();
  const [, msn, part] = /PRELOAD-HINT:TYPE=PART,URI="[^"]*?(\d+)\.(\d+)\.m4s"/.exec(text) ?? [];
  if (msn === undefined) throw new Error(`no hint in\n${text}`);
  // The last part of a segment has no next one with a number known beforehand; the server takes the one after it as the next segment's first.
  return { msn: Number(msn), part: Number(part) + 1 };
}

/** When the first bytes of the answer to `request` came. */
function answered(socket, request) {
  return new Promise((resolve, reject) => {
    let head = null;
    let rest = 0;
    let at = 0;
    const data = (chunk) => {
      if (head === null) {
        at = performance.now();
        const text = chunk.toString('latin1');
        if (!text.startsWith('HTTP/1.1 200')) return done(new Error(text.slice(0, 300)));
        const end = text.indexOf('\r\n\r\n');
        head = Number(/content-length: (\d+)/i.exec(text)?.[1]);
        rest = head - (chunk.length - end - 4);
      } else rest -= chunk.length;
      if (rest <= 0) done(null);
    };
    const closed = () => done(new Error('the server closed a connection'));
    const done = (error) => {
      socket.off('data', data).off('close', closed);
      if (error) reject(error);
      else resolve(at);
    };
    socket.on('data', data).on('close', closed);
    socket.write(request);
  });
}

/** User and system time of a process, seconds. */
async function cpuSeconds(pid) {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
