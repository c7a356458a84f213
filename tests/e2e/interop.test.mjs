// A browser publishes by WHIP; players of other makers show its pictures in order, with sound. (players.test.mjs does it from RTMP.)
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Browser } from '../lib/chromium.mjs';
import { aiortcWhep, ffmpegHls, gstreamerWhep, nativeHls } from '../lib/players.mjs';
import { Server } from '../lib/server.mjs';
import { until } from '../lib/until.mjs';

const FRAMES = 150;
const SECONDS = 5;
const SILENCE = 500;
/** The counter is a clock of 24 bits of milliseconds. */
const MODULUS = 2 ** 24;

describe('a browser seen by players of other makers', () => {
  let server, browser, source, url;

  before(async () => {
    server = await Server.start();
    [browser, source] = [await Browser.launch(), await Browser.launch()];
    await source.publish(server, 'live/x');
    url = `${server.url}/live/x`;
    // Its first pictures may be smaller, until it knows what the line carries; a busy machine's browser may stay there.
    await until('the picture has its full size', async () => (await size())[0] === 640).catch(() => {});
  });

  /** Of the picture now. */
  async function size() {
    const { width, height } = (await server.stream('live/x')).tracks.find(({ kind }) => kind === 'video');
    return [width, height];
  }

  /** Drawn as 16:9, and not shrunk to nothing. */
  function assertSize([width, height]) {
    assert.ok(width >= 160 && Math.abs(width / height - 16 / 9) < 0.03, `${width}x${height}`);
  }

  after(async () => {
    await browser?.close();
    await source?.close();
    await server?.stop();
  });

  /** Pictures in the order they were drawn, nearly all of them readable, and sound beside them. */
  function assertPlayed(test, { counters, size: seen, samples, rate, peak }, least) {
    assert.ok(counters.length >= least, `${counters.length} pictures`);
    assertSize(seen);
    const read = counters.filter((counter) => counter !== null);
    assert.ok(read.length >= counters.length * 0.9, `${read.length} of ${counters.length} counters can be read`);
    const steps = read.slice(1).map((counter, i) => (counter - read[i] + MODULUS) % MODULUS);
    // A browser sends a picture twice when its page drew none in between; what goes back is another matter.
    assert.ok(steps.every((step) => step < MODULUS / 2), `pictures come in the order they were drawn: ${steps}`);
    assert.ok(samples > rate, `${samples} samples of sound`);
    assert.ok(peak > SILENCE, `the beep is heard: peak ${peak}`);
    const span = steps.reduce((sum, step) => sum + step, 0) / 1000;
    test.diagnostic(`${counters.length} pictures over ${span.toFixed(1)} s of the publisher's clock, ${counters.length - read.length} not readable, longest step ${Math.max(...steps)} ms`);
  }

  it('aiortc plays WHEP', async (test) => assertPlayed(test, await aiortcWhep(`${url}/whep`, FRAMES), FRAMES));

  it('GStreamer webrtcbin plays WHEP', async (test) => assertPlayed(test, await gstreamerWhep(`${url}/whep`, FRAMES), FRAMES));

  // The publisher draws up to 30 pictures a second; a busy machine's browser draws fewer.
  it('ffmpeg plays HLS', async (test) => {
    const play = async (known) => assertPlayed(test, await ffmpegHls(`${url}/index.m3u8`, SECONDS, known), SECONDS * 5);
    const before = await size();
    await play(before).catch(async (error) => {
      // Its rows are cut by a size that is known before: where it has changed meanwhile, once more.
      const now = await size();
      if (now.join() === before.join()) throw error;
      await play(now);
    });
  });

  it("Chromium's own HLS player plays", async (test) => {
    const page = await browser.open(`${server.url}/healthz`);
    const played = await nativeHls(page, `${url}/index.m3u8`, SECONDS);
    test.diagnostic(JSON.stringify(played));
    assert.equal(played.error, null);
    assertSize([played.width, played.height]);
    assert.ok(played.media >= SECONDS && played.frames >= 30, `${played.frames} frames in ${played.media} s`);
    assert.ok(played.audioBytes > 0, 'sound');
    await page.close();
  });
});
