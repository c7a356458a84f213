// A viewer who comes late, to a publisher that sends keyframes only when it is asked, as browsers do.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Browser } from '../lib/chromium.mjs';
import { Server } from '../lib/server.mjs';
import { pause } from '../lib/until.mjs';
import { frames, seen, watch } from '../lib/watch.mjs';

/** Older than any ring of the server keeps a first keyframe fresh for, and than a segment may be. */
const LATE_MS = 12_000;

describe('a late viewer of a browser', () => {
  let server, browser, source;

  before(async () => {
    server = await Server.start();
    [browser, source] = [await Browser.launch(), await Browser.launch()];
    await source.publish(server, 'live/x');
    await pause(LATE_MS);
  });

  after(async () => {
    await browser?.close();
    await source?.close();
    await server?.stop();
  });

  // LL-HLS first: a WebRTC viewer asks for a keyframe that would serve both.
  for (const mode of ['hls', 'webrtc']) {
    it(`sees moving pictures by ${mode}, alone`, async () => {
      const page = await watch(browser, server, 'live/x', mode);
      await frames(page, 90);
      assert.equal(await page.evaluate(() => window.unisono.player.line), mode);
      const times = (await seen(page)).frames.map((frame) => frame.t);
      assert.ok(times.every((t, i) => i === 0 || t > times[i - 1]), 'T goes up');
      await page.close();
    });
  }
});
