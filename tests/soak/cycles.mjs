// Flat memory: publishers come and go, viewers come and go, and what they took is given back. Run by `./dev soak [publishes] [joins]`.
// After the last cycle every live-object counter is zero, and resident memory is at most 8 MiB above where it was after a fifth of the cycles.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Browser } from '../lib/chromium.mjs';
import { ffmpegRtmp } from '../lib/publishers.mjs';
import { Server } from '../lib/server.mjs';
import { until } from '../lib/until.mjs';

const [publishes = 200, joins = 300] = process.argv.slice(2).map(Number);
const GROWTH_MAX = 8 * 1024 * 1024;
const LIVE_OBJECTS = [
  'unisono_rtmp_connections', 'unisono_rtmp_publishers', 'unisono_webrtc_sessions', 'unisono_webrtc_peers', 'unisono_webrtc_audiences', 'unisono_webrtc_transcoders',
  'unisono_hls_packagers', 'unisono_hls_waiters',
];

const folder = mkdtempSync(join(tmpdir(), 'unisono-soak-'));
const file = join(folder, 'loop.flv');
const made = spawnSync('ffmpeg', ['-loglevel', 'error', '-f', 'lavfi', '-i', 'testsrc2=size=640x360:rate=30', '-f', 'lavfi', '-i', 'sine=1000:sample_rate=48000', '-t', '4', '-c:v', 'libx264', '-preset', 'veryfast', '-tune', 'zerolatency', '-g', '30', '-pix_fmt', 'yuv420p', '-c:a', 'aac', file]);
if (made.status !== 0) throw new Error(`ffmpeg: ${made.stderr}`);

const server = await Server.start();
let failures = 0;

function judge(name, cycles, early, late) {
  const growth = late - early;
  const verdict = growth <= GROWTH_MAX ? 'flat' : 'growing';
  if (verdict !== 'flat') failures += 1;
  const mib = (bytes) => Math.round((bytes / 1024 / 1024) * 10) / 10;
  console.log(JSON.stringify({ soak: name, cycles, rss_after_fifth_mib: mib(early), rss_at_end_mib: mib(late), growth_mib: mib(growth), verdict, allocator: 'system (glibc malloc)' }));
}

async function publishCycle(index) {
  const stream = `live/cycle${index % 8}`;
  const encoder = spawn('ffmpeg', ['-loglevel', 'error', '-re', '-stream_loop', '-1', '-i', file, '-c', 'copy', '-f', 'flv', server.rtmpUrl(stream)], { stdio: 'ignore' });
  await server.live(stream);
  const playlist = await fetch(`${server.url}/${stream}/index.m3u8`);
  if (!playlist.ok && playlist.status !== 503) throw new Error(`playlist: ${playlist.status}`);
  await playlist.text();
  encoder.kill(index % 2 ? 'SIGKILL' : 'SIGTERM');
  await once(encoder, 'exit');
  await until('the publisher is gone', async () => (await server.stream(stream))?.state !== 'live');
}

/** In the page: joins by WHEP with a data channel, waits for a decoded frame, leaves; every third one without a word. */
async function joinCycle({ url, politely }) {
  const peer = new RTCPeerConnection();
  const video = document.createElement('video');
  video.muted = true;
  peer.addTransceiver('video', { direction: 'recvonly' });
  peer.addTransceiver('audio', { direction: 'recvonly' });
  peer.createDataChannel('unisono');
  const shown = new Promise((resolve, reject) => {
    peer.ontrack = ({ track }) => {
      if (track.kind !== 'video') return;
      video.srcObject = new MediaStream([track]);
      void video.play();
      video.requestVideoFrameCallback(resolve);
    };
    setTimeout(() => reject(new Error('no frame within 20 s')), 20_000);
  });
  await peer.setLocalDescription();
  while (peer.iceGatheringState !== 'complete') await new Promise((resolve) => setTimeout(resolve, 5));
  const answer = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/sdp' }, body: peer.localDescription.sdp });
  if (answer.status !== 201) throw new Error(`WHEP: ${answer.status} ${await answer.text()}`);
  const session = new URL(answer.headers.get('location'), url);
  await peer.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
  await shown;
  if (politely) await fetch(session, { method: 'DELETE' });
  peer.close();
}

/** Resident memory once those who left without a word have been noticed (ten seconds of silence). */
async function settledRss() {
  await until('the last viewer is gone', async () => (await server.metric('unisono_webrtc_sessions')) === 0, 60);
  return server.rss();
}

async function run(name, cycles, cycle) {
  let early = 0;
  for (let index = 0; index < cycles; index += 1) {
    await cycle(index);
    if (index + 1 === Math.ceil(cycles / 5)) early = await settledRss();
  }
  judge(name, cycles, early, await settledRss());
}

try {
  await run('publish/unpublish', publishes, publishCycle);
  const encoder = ffmpegRtmp(server.rtmpUrl('live/x'));
  await server.live('live/x');
  const browser = await Browser.launch();
  const page = await browser.open(`${server.url}/`);
  await run('join/leave', joins, (index) => page.evaluate(joinCycle, { url: `${server.url}/live/x/whep`, politely: index % 3 !== 2 }));
  await browser.close();
  await encoder.stop();
  const left = [];
  for (const name of LIVE_OBJECTS) {
    // Idle packagers retire after half a minute, silent peers after ten seconds.
    await until(`${name} is zero`, async () => (await server.metric(name)) === 0, 120).catch((error) => {
      left.push(name);
      console.error(error.message);
    });
  }
  if (left.length) failures += 1;
  console.log(JSON.stringify({ soak: 'live objects', at_zero: left.length === 0, left }));
} finally {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = failures ? 1 : 0;
