// From a real encoder and a real browser to real players: pictures move, sound is heard, nothing stalls.
// E2E_SECONDS sets how long each player is watched (60 by hand before a release), E2E_STRICT=1 also judges rate and A/V offset,
// which a loaded machine cannot promise.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Browser } from '../lib/chromium.mjs';
import { recordedOffset } from '../lib/players.mjs';
import { ffmpegRtmp } from '../lib/publishers.mjs';
import { Server } from '../lib/server.mjs';
import { avOffset, forget, frames, hears, mseZero, rtcStats, seen, watch } from '../lib/watch.mjs';

const seconds = Number(process.env.E2E_SECONDS ?? 10);
const strict = process.env.E2E_STRICT === '1';
const FPS = 30;

describe('playback', () => {
  let server, viewer, source;
  const pages = {};

  before(async () => {
    server = await Server.start();
    viewer = await Browser.launch();
  });

  after(async () => {
    await source?.stop();
    await viewer?.close();
    await server?.stop();
  });

  // One after the other: two encoders and two players are more than a small machine does in real time.
  const sources = {
    'live/rtmp': () => ffmpegRtmp(server.rtmpUrl('live/rtmp')),
    'live/whip': async () => {
      const browser = await Browser.launch();
      await browser.publish(server, 'live/whip');
      return { stop: () => browser.close() };
    },
  };

  const audio = { 'live/rtmp': ['aac', 'mp4a.40.2'], 'live/whip': ['libopus', 'opus'] };

  for (const [stream, start] of Object.entries(sources)) {
    it(`${stream}: WebRTC and LL-HLS side by side`, async (test) => {
      source = await start();
      await server.live(stream);
      for (const mode of ['webrtc', 'hls']) pages[mode] = await watch(viewer, server, stream, mode);
      for (const page of Object.values(pages)) await forget(page);
      const started = Date.now();
      await Promise.all(Object.values(pages).map((page) => frames(page, seconds * FPS)));
      const took = (Date.now() - started) / 1000;
      for (const [mode, page] of Object.entries(pages)) {
        const { frames: shown, stalls } = await seen(page);
        const span = (shown.at(-1).t - shown[0].t) / 1e6;
        const rate = (shown.at(-1).presented - shown[0].presented) / span;
        test.diagnostic(`${mode}: ${shown.length} frames, ${rate.toFixed(2)} fps, ${stalls} stalls in ${took.toFixed(0)} s`);
        const back = shown.findIndex(({ t }, i) => i > 0 && t <= shown[i - 1].t);
        assert.ok(back < 0, `${mode}: T goes up: ${JSON.stringify(shown.slice(Math.max(0, back - 3), back + 3))}`);
        assert.ok(shown.every((frame) => Number.isInteger(frame.epoch)), `${mode}: every frame has its epoch`);
        if (strict) {
          assert.equal(stalls, 0, `${mode}: stalls`);
          assert.ok(rate >= 29, `${mode}: ${rate} fps`);
        }
        const loudness = await hears(page);
        assert.ok(loudness > 0.02, `${mode}: sound, rms ${loudness}`);
        const zero = mode === 'hls' ? await mseZero(viewer, server, audio[stream]) : 0;
        const offset = await avOffset(page, zero);
        test.diagnostic(`${mode}: A/V offset ${offset === null ? 'not measurable' : `${offset.toFixed(1)} ms`} (zero ${zero?.toFixed(1)})`);
        // In MSE it is only told: from one start of playback to the next, Chromium's sound without a device wanders by 50 ms.
        if (strict && mode === 'webrtc') assert.ok(offset !== null && Math.abs(offset) < 40, `${mode}: A/V offset ${offset}`);
        if (mode === 'webrtc') {
          const transport = (await rtcStats(page)).find((report) => report.type === 'transport');
          assert.match(transport.srtpCipher, /^(SRTP_)?AEAD_AES_(128|256)_GCM$/);
        }
        await page.close();
      }
      const recorded = await recordedOffset(`${server.url}/${stream}/index.m3u8`, 10);
      test.diagnostic(`recorded from HLS: A/V offset ${recorded?.toFixed(1)} ms`);
      if (strict) assert.ok(recorded !== null && Math.abs(recorded) < 40, `recorded A/V offset ${recorded}`);
      await source.stop();
    });
  }
});
