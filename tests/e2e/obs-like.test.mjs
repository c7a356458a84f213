// What OBS sends by default: B-frames and a keyframe each 250 frames. Refused by WebRTC in words, played by LL-HLS with the reason beside it.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Browser } from '../lib/chromium.mjs';
import { ffmpegRtmp } from '../lib/publishers.mjs';
import { Server } from '../lib/server.mjs';
import { until } from '../lib/until.mjs';
import { forget, frames, hears, seen, watch } from '../lib/watch.mjs';

const seconds = Number(process.env.E2E_SECONDS ?? 10);

describe('a stream with B-frames', () => {
  let server, browser, encoder;

  before(async () => {
    server = await Server.start();
    browser = await Browser.launch();
    encoder = ffmpegRtmp(server.rtmpUrl('live/obs'), { encoder: 'obs' });
    await server.live('live/obs');
  });

  after(async () => {
    await encoder?.stop();
    await browser?.close();
    await server?.stop();
  });

  it('is refused on WHEP, naming the encoder setting', async () => {
    const page = await browser.open(`${server.url}/healthz`);
    const answer = await page.evaluate(async (url) => {
      const peer = new RTCPeerConnection();
      peer.addTransceiver('video', { direction: 'recvonly' });
      await peer.setLocalDescription();
      const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/sdp' }, body: peer.localDescription.sdp });
      peer.close();
      return { status: response.status, type: response.headers.get('content-type'), body: await response.text() };
    }, `${server.url}/live/obs/whep`);
    assert.equal(answer.status, 406, answer.body);
    assert.match(answer.type, /^application\/problem\+json/);
    const { detail } = JSON.parse(answer.body);
    assert.match(detail, /B-frames/);
    assert.match(detail, /bframes ?= ?0|B-frames? (to )?0|zerolatency/i, 'says what to set');
    await page.close();
  });

  it('is told of in the API', async () => {
    const { tracks, notes } = await until('the B-frames are noticed', async () => {
      const stream = await server.stream('live/obs');
      return stream.tracks.some((track) => track.reordered) ? stream : null;
    });
    assert.equal(tracks.find((track) => track.kind === 'video').reordered, true);
    assert.match(notes.join('\n'), /B-frames/);
  });

  it('plays by LL-HLS on the watch page, with a banner', async (test) => {
    const page = await watch(browser, server, 'live/obs', 'auto');
    assert.equal(await page.evaluate(() => window.unisono.player.line), 'hls');
    await page.getByText(/B-frames/).first().waitFor();
    await forget(page);
    await frames(page, seconds * 30);
    const { frames: shown, stalls } = await seen(page);
    const back = shown.findIndex(({ t }, i) => i > 0 && t <= shown[i - 1].t);
    const around = shown.slice(Math.max(back - 2, 0), back + 2).map(({ t, counter, now }) => [t, counter, Math.round(now)]);
    assert.equal(back, -1, `T goes up; [T, counter, ms] around frame ${back} of ${shown.length}: ${JSON.stringify(around)}`);
    const counters = shown.map((frame) => frame.counter).filter((n) => n !== null);
    assert.ok(counters.length > shown.length * 0.9, `${counters.length} of ${shown.length} counters can be read`);
    assert.ok(counters.every((n, i) => i === 0 || n >= counters[i - 1]), 'pictures are in the order they were made');
    assert.ok((await hears(page)) > 0.02, 'sound');
    test.diagnostic(`${shown.length} frames, ${stalls} stalls`);
    await page.close();
  });
});
