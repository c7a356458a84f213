// Lockstep: how far apart viewers with different delays are when the room asks them for one latency. Real Chromium pages, each with a room of
// the SDK in lockstep mode; what is compared is the T on screen at one moment of the machine's clock. Two JSON lines: four WebRTC viewers (spread p95 <= 100 ms),
// two WebRTC and two LL-HLS (<= 250 ms). Run by `./dev bench lockstep`; BENCH_SECONDS per measurement (default 20), BENCH_SETTLE before it (default 30).
import { loadavg } from 'node:os';
import { Browser } from '../lib/chromium.mjs';
import { ffmpegRtmp } from '../lib/publishers.mjs';
import { Server } from '../lib/server.mjs';
import { pause, quantile, until } from '../lib/until.mjs';

const seconds = Number(process.env.BENCH_SECONDS ?? 20);
const settle = Number(process.env.BENCH_SETTLE ?? 30);
const STREAM = 'live/x';
/** Milliseconds that the players hold back by themselves: what different links would make of them. */
const DELAYS = { webrtc: [0, 60, 150, 300], hls: [1800, 2600] };

/** Opens a page with a player that holds back `delay` milliseconds, in lockstep. */
async function viewer(browser, server, mode, delay) {
  const page = await browser.open(`${server.url}/healthz`);
  await page.evaluate(inPage, { origin: server.url, stream: STREAM, mode, delay });
  await until(`${mode} ${delay} plays`, () => page.evaluate(() => window.seen.length > 30), 90);
  return page;
}

/** Runs in the page: keeps (wall, T) of each displayed frame. */
async function inPage({ origin, stream, mode, delay }) {
  await import(`${origin}/player.js`);
  const { joinRoom } = await import(`${origin}/client.js`);
  document.body.innerHTML = `<unisono-player src="${origin}/${stream}" mode="${mode}" latency="${delay}" feed="off"></unisono-player>`;
  const player = document.querySelector('unisono-player');
  window.seen = [];
  window.room = joinRoom({ url: origin, room: stream, guest: `${crypto.randomUUID()}`, player, lockstep: true });
  window.room.onNotice('lockstep', ({ targetUs }) => (window.target = targetUs));
  player.on('frame', (frame) => {
    if (frame.isExact) window.seen.push([performance.timeOrigin + frame.expectedDisplayTime, frame.t]);
    if (window.seen.length > 5000) window.seen.splice(0, 2500);
  });
}

/** T on the screen of a viewer at `wall`; a picture stands until the next one. */
function tAt(frames, wall) {
  let last = null;
  for (const [at, t] of frames) {
    if (at > wall) break;
    last = [at, t];
  }
  return last && wall - last[0] < 200 ? last[1] + (wall - last[0]) * 1000 : null;
}

function spreads(all) {
  const from = Math.max(...all.map((frames) => frames[0][0]));
  const to = Math.min(...all.map((frames) => frames.at(-1)[0]));
  const values = [];
  for (let wall = from; wall < to; wall += 100) {
    const ts = all.map((frames) => tAt(frames, wall));
    if (ts.every((t) => t !== null)) values.push((Math.max(...ts) - Math.min(...ts)) / 1000);
  }
  return values;
}

async function measure(name, budget, modes) {
  const server = await Server.start();
  const browsers = [];
  const encoder = ffmpegRtmp(server.rtmpUrl(STREAM));
  try {
    await server.live(STREAM);
    const left = { webrtc: [...DELAYS.webrtc], hls: [...DELAYS.hls] };
    const pages = [];
    for (const mode of modes) {
      const browser = await Browser.launch();
      browsers.push(browser);
      pages.push(await viewer(browser, server, mode, left[mode].shift()));
    }
    const look = async (length) => {
      for (const page of pages) await page.evaluate(() => (window.seen.length = 0));
      await pause(length * 1000);
      return spreads(await Promise.all(pages.map((page) => page.evaluate(() => window.seen))));
    };
    const before = await look(Math.min(seconds, 10));
    const answer = await fetch(`${server.url}/api/v1/rooms/${STREAM.replace('/', ':')}/lockstep`, { method: 'PUT', headers: { 'content-type': 'application/json' }, body: '{"on":true}' });
    if (!answer.ok) throw new Error(`lockstep: ${answer.status} ${await answer.text()}`);
    await pause(settle * 1000);
    const values = await look(seconds);
    const targets = await Promise.all(pages.map((page) => page.evaluate(() => window.target ?? null)));
    const at = (list, part) => (list.length ? Math.round(quantile(list, part)) : null);
    const p95 = at(values, 0.95);
    console.log(JSON.stringify({ bench: 'lockstep', name, unit: 'ms', p50: at(values, 0.5), p95, budget_p95: budget, verdict: p95 !== null && p95 <= budget ? 'within' : 'over', samples: values.length, before_p95: at(before, 0.95), target_ms: targets.map((t) => (t === null ? null : Math.round(t / 1000))), load: loadavg()[0] }));
  } finally {
    for (const browser of browsers) await browser.close();
    await encoder.stop();
    await server.stop();
  }
}

await measure('four WebRTC viewers', 100, ['webrtc', 'webrtc', 'webrtc', 'webrtc']);
await measure('two WebRTC and two LL-HLS viewers', 250, ['webrtc', 'webrtc', 'hls', 'hls']);
