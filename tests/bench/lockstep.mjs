// Lockstep: how far apart viewers with different delays are when the room asks them for one latency. Real Chromium pages, each with a room of
// the SDK in lockstep mode; what is compared is the T on screen at one moment of the machine's clock. Two JSON lines: four WebRTC viewers (spread p95 <= 100 ms),
// two WebRTC and two LL-HLS (<= 250 ms). Run by `./dev bench lockstep`; BENCH_SECONDS per measurement (default 20), BENCH_SETTLE before it (default 30).
// `webrtc` or `mixed` measures one of the two only. The picture is small (320x180), so that four browsers and an encoder fit two cores.
import { loadavg } from 'node:os';
import { Browser } from '../lib/chromium.mjs';
import { ffmpegRtmp } from '../lib/publishers.mjs';
import { Server } from '../lib/server.mjs';
import { SlowLink } from '../lib/slow.mjs';
import { pause, quantile, until } from '../lib/until.mjs';

const seconds = Number(process.env.BENCH_SECONDS ?? 20);
const settle = Number(process.env.BENCH_SETTLE ?? 30);
const STREAM = 'live/x';

/** Opens a page whose server is `delay` milliseconds away, in lockstep. */
async function viewer(browser, server, mode, delay, links) {
  const [http, media] = [await SlowLink.start(server.http, delay), await SlowLink.start(server.webrtc, delay)];
  links.push(http, media);
  const page = await browser.open(`http://127.0.0.1:${http.port}/healthz`);
  await page.evaluate(inPage, { stream: STREAM, mode, media: media.port });
  await until(`${mode} at ${delay} ms plays`, () => page.evaluate(() => window.seen.length > 30), 90);
  return page;
}

/** Runs in the page: keeps (wall, T) of each displayed frame. Media goes through the link: of the candidates only those by TCP stay, at its port. */
async function inPage({ stream, mode, media }) {
  const take = RTCPeerConnection.prototype.setRemoteDescription;
  RTCPeerConnection.prototype.setRemoteDescription = function ({ type, sdp }) {
    const lines = sdp.split('\r\n').filter((line) => !/^a=candidate:\S+ \d+ udp /i.test(line));
    return take.call(this, { type, sdp: lines.map((line) => line.replace(/^(a=candidate:\S+ \d+ tcp \d+ \S+) \d+ /i, `$1 ${media} `)).join('\r\n') });
  };
  const { origin } = location;
  const { joinRoom, watchHls, watchWebRtc } = await import(`${origin}/client.js`);
  const video = Object.assign(document.createElement('video'), { muted: true, autoplay: true, playsInline: true });
  document.body.replaceChildren(video);
  const player = mode === 'hls' ? await watchHls({ video, url: `${origin}/${stream}/index.m3u8` }) : watchWebRtc({ video, url: `${origin}/${stream}/whep` });
  window.player = player;
  window.seen = [];
  window.room = joinRoom({ url: origin, room: stream, guest: `${crypto.randomUUID()}`, player, lockstep: true });
  window.room.onNotice('lockstep', ({ targetUs }) => (window.target = targetUs));
  player.on('frame', (frame) => {
    if (frame.isExact) window.seen.push([performance.timeOrigin + frame.expectedDisplayTime, frame.t]);
    if (window.seen.length > 5000) window.seen.splice(0, 2500);
  });
}

/** Runs in the page: how late the newest frame was, what moves it (jitterBufferTarget, or the playback rate), and the room's wish; for BENCH_TRACE=1. */
function standing() {
  const [wall, t] = window.seen.at(-1) ?? [0, 0];
  const lever = window.player.peerConnection?.getReceivers()[0].jitterBufferTarget ?? document.querySelector('video').playbackRate;
  return `${Math.round(wall - t / 1000)}[${lever} of ${Math.round((window.target ?? 0) / 1000)}]`;
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

/** `viewers`: how each watches, and the milliseconds that its link adds each way, to the page's requests and to the media by TCP. */
async function measure(name, budget, viewers) {
  const server = await Server.start();
  const browsers = [];
  const links = [];
  const encoder = ffmpegRtmp(server.rtmpUrl(STREAM), { size: '320x180' });
  try {
    await server.live(STREAM);
    const pages = [];
    for (const [mode, delay] of viewers) {
      const browser = await Browser.launch();
      browsers.push(browser);
      pages.push(await viewer(browser, server, mode, delay, links));
    }
    const look = async (length) => {
      for (const page of pages) await page.evaluate(() => (window.seen.length = 0));
      await pause(length * 1000);
      return spreads(await Promise.all(pages.map((page) => page.evaluate(() => window.seen))));
    };
    const before = await look(Math.min(seconds, 10));
    const answer = await fetch(`${server.url}/api/v1/rooms/${STREAM.replace('/', ':')}/lockstep`, { method: 'PUT', headers: { 'content-type': 'application/json' }, body: '{"on":true}' });
    if (!answer.ok) throw new Error(`lockstep: ${answer.status} ${await answer.text()}`);
    for (let second = 0; second < settle; second += 1) {
      await pause(1000);
      if (process.env.BENCH_TRACE) console.error(second, ...(await Promise.all(pages.map((page) => page.evaluate(standing)))));
    }
    const values = await look(seconds);
    const targets = await Promise.all(pages.map((page) => page.evaluate(() => window.target ?? null)));
    const at = (list, part) => (list.length ? Math.round(quantile(list, part)) : null);
    const p95 = at(values, 0.95);
    console.log(JSON.stringify({ bench: 'lockstep', name, unit: 'ms', p50: at(values, 0.5), p95, budget_p95: budget, verdict: p95 !== null && p95 <= budget ? 'within' : 'over', samples: values.length, before_p95: at(before, 0.95), target_ms: targets.map((t) => (t === null ? null : Math.round(t / 1000))), load: loadavg()[0] }));
  } finally {
    for (const browser of browsers) await browser.close();
    for (const link of links) link.close();
    await encoder.stop();
    await server.stop();
  }
}

if (process.argv[2] !== 'mixed') {
  await measure('four WebRTC viewers', 100, [['webrtc', 0], ['webrtc', 40], ['webrtc', 100], ['webrtc', 200]]);
}
// hls.js asks for one part after the other: a round trip near a part's 500 ms keeps no LL-HLS viewer at the edge, lockstep or not.
if (process.argv[2] !== 'webrtc') {
  await measure('two WebRTC and two LL-HLS viewers', 250, [['webrtc', 0], ['webrtc', 200], ['hls', 40], ['hls', 100]]);
}
