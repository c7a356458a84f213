// Lockstep with real players: the room asks for one latency, two WebRTC viewers and one LL-HLS viewer move towards it and stay, and are let go again.
// Directions and order only; how near they come and how fast is measured by `./dev bench lockstep`.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Browser } from '../lib/chromium.mjs';
import { ffmpegRtmp } from '../lib/publishers.mjs';
import { Server } from '../lib/server.mjs';
import { until } from '../lib/until.mjs';

const STREAM = 'live/x';
const MODES = ['webrtc', 'webrtc', 'hls'];
/** How long a step may take on a busy machine; a deadline, not a measurement. */
const PATIENCE_S = 180;

/** Runs in the page: plays by `mode` in lockstep, and keeps how far behind the room's clock each displayed frame was. */
async function play([mode, stream]) {
  const { joinRoom, watchHls, watchWebRtc } = await import('/client.js');
  const { origin } = location;
  const video = Object.assign(document.createElement('video'), { muted: true, autoplay: true, playsInline: true });
  document.body.replaceChildren(video);
  const player = mode === 'hls' ? await watchHls({ video, url: `${origin}/${stream}/index.m3u8` }) : watchWebRtc({ video, url: `${origin}/${stream}/whep` });
  const room = joinRoom({ url: origin, room: stream, guest: `lockstep-${crypto.randomUUID()}`, player, lockstep: true });
  window.here = { room, player, behind: [], targets: [] };
  room.onNotice('lockstep', ({ targetUs }) => window.here.targets.push(targetUs));
  player.on('frame', ({ t, isExact, expectedDisplayTime }) => {
    const now = room.now();
    if (!isExact || now === null) return;
    window.here.behind.push(now - (performance.now() - expectedDisplayTime) * 1000 - t);
    if (window.here.behind.length > 40) window.here.behind.shift();
  });
}

/** Microseconds behind, the median of the last forty frames; null before there are so many. */
const behind = (page) =>
  page.evaluate(() => {
    const sorted = [...window.here.behind].sort((a, b) => a - b);
    return sorted.length < 40 ? null : sorted[20];
  });
const target = (page) => page.evaluate(() => window.here.targets.at(-1) ?? null);
const forget = (page) => page.evaluate(() => void (window.here.behind.length = 0));

describe('lockstep', () => {
  let server, encoder;
  const browsers = [];
  const pages = [];

  before(async () => {
    server = await Server.start();
    encoder = ffmpegRtmp(server.rtmpUrl(STREAM));
    await server.live(STREAM);
    for (const mode of MODES) {
      browsers.push(await Browser.launch());
      const page = await browsers.at(-1).open(`${server.url}/healthz`);
      await page.evaluate(play, [mode, STREAM]);
      pages.push(page);
    }
    for (const [index, page] of pages.entries()) await until(`viewer ${index} (${MODES[index]}) plays`, async () => (await behind(page)) !== null, PATIENCE_S);
  });

  after(async () => {
    await Promise.all(browsers.map((browser) => browser.close()));
    await encoder?.stop();
    await server?.stop();
  });

  const turn = async (on) => {
    const answer = await fetch(`${server.url}/api/v1/rooms/${STREAM.replace('/', ':')}/lockstep`, { method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ on }) });
    assert.equal(answer.status, 204, await answer.text());
  };

  it('nobody is told a target before the room asks, and WebRTC is ahead of LL-HLS', async () => {
    for (const page of pages) assert.equal(await target(page), null);
    // A player that starts on a busy machine may be behind for a while.
    await until('both WebRTC viewers are ahead', async () => {
      const [one, two, hls] = await Promise.all(pages.map(behind));
      return Math.max(one, two) < hls - 200_000;
    }, PATIENCE_S);
  });

  it('all are told one target, and both WebRTC viewers move to where the LL-HLS viewer can be', async (test) => {
    const from = await Promise.all(pages.map(behind));
    await turn(true);
    for (const page of pages) await until('it is told the target', async () => (await target(page)) !== null);
    const gap = (latency, to) => Math.abs(latency - to);
    // Forty frames of nothing but the new latency; the target moves with what the slowest can hold, so it is read anew each time.
    await until('all three have come nearer to each other by more than half', async () => {
      const [latencies, to] = [await Promise.all(pages.map(behind)), await target(pages[0])];
      if (latencies.includes(null) || to === null) return false;
      const hasMoved = (index) => Math.sign(latencies[index] - from[index]) === Math.sign(to - from[index]) && gap(latencies[index], to) < gap(from[index], to) / 2;
      return [0, 1].every(hasMoved) && Math.max(...latencies) - Math.min(...latencies) < (Math.max(...from) - Math.min(...from)) / 2;
    }, PATIENCE_S);
    const [latencies, targets] = [await Promise.all(pages.map(behind)), await Promise.all(pages.map(target))];
    assert.ok(latencies[0] > from[0] || latencies[1] > from[1], `somebody was held back: ${from} to ${latencies}`);
    test.diagnostic(`behind live, ms: before ${from.map((us) => Math.round(us / 1000))}, in lockstep ${latencies.map((us) => Math.round(us / 1000))}, asked for ${targets.map((us) => Math.round(us / 1000))}`);
  });

  it('let go, the WebRTC viewers come back towards live', async () => {
    const held = await Promise.all(pages.map(behind));
    await turn(false);
    for (const page of pages) {
      await until('it is told the end', () => page.evaluate(() => window.here.targets.at(-1) === null));
      await forget(page);
    }
    for (const index of [0, 1]) {
      await until(`viewer ${index} is nearer to live again`, async () => {
        const now = await behind(pages[index]);
        return now !== null && now < held[index] * 0.8;
      }, PATIENCE_S);
    }
  });
});
