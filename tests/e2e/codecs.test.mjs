// H.265, AV1 and VP9 with AAC or Opus by Enhanced RTMP (FFmpeg 8), out by LL-HLS: to hls.js where Chromium has the decoder, to ffmpeg and GStreamer.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Browser } from '../lib/chromium.mjs';
import { ffmpegHls, gstreamerHls, probe } from '../lib/players.mjs';
import { ffmpeg8Rtmp } from '../lib/publishers.mjs';
import { Server } from '../lib/server.mjs';
import { until } from '../lib/until.mjs';
import { frames, hears, seen, watch } from '../lib/watch.mjs';

const FPS = 15;
const SECONDS = 6;
const SIZE = [320, 180];

const CASES = [
  { video: 'hevc', audio: 'aac', codecs: 'hvc1.1.6.L60.90,mp4a.40.2', probed: { video: 'hevc 320x180', audio: 'aac 48000' } },
  { video: 'av1', audio: 'opus', codecs: 'av01.0.00M.08,opus', probed: { video: 'av1 320x180', audio: 'opus 48000' }, inBrowser: true },
  { video: 'vp9', audio: 'opus', codecs: 'vp09.00.11.08,opus', probed: { video: 'vp9 320x180', audio: 'opus 48000' }, inBrowser: true },
];

describe('codecs by Enhanced RTMP', () => {
  let server, browser;

  before(async () => {
    server = await Server.start();
    browser = await Browser.launch();
  });

  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  /** Pictures in order, each once, and the tone. T may be slewed by 5 %: then fewer lie in the seconds. */
  function assertWhole({ counters, samples, rate, peak }) {
    assert.ok(counters.length >= 0.85 * SECONDS * FPS, `${counters.length} pictures`);
    const holes = counters.flatMap((n, i) => (i > 0 && n !== counters[i - 1] + 1 ? [`${counters[i - 1]} -> ${n}`] : []));
    assert.ok(holes.length <= (process.env.E2E_STRICT === '1' ? 0 : 3), `counters go up by one, but for ${holes}`);
    assert.ok(samples > (SECONDS - 1) * rate, `${samples} samples of sound`);
    assert.ok(peak > 500, `the tone is heard: peak ${peak}`);
  }

  async function assertShown(mode, stream, test) {
    const page = await watch(browser, server, stream, mode);
    await frames(page, 4 * FPS);
    const { frames: shown, stalls } = await seen(page);
    const read = shown.filter(({ counter }) => counter !== null);
    assert.ok(read.length > shown.length / 2, `${mode}: the counter is read`);
    // A canvas on a busy machine reads the next picture early, and then the same one again.
    const back = read.flatMap((frame, i) => (i > 0 && (frame.counter < read[i - 1].counter || frame.t <= read[i - 1].t) ? [[read[i - 1], frame]] : []));
    assert.deepEqual(back, [], `${mode}: pictures and T go up`);
    assert.ok((await hears(page)) > 0.02, `${mode}: sound`);
    assert.deepEqual(await page.evaluate(() => [window.unisono.player.video.videoWidth, window.unisono.player.video.videoHeight]), SIZE);
    test.diagnostic(`${mode}: ${shown.length} frames, ${stalls} pauses over 0.5 s`);
    await page.close();
  }

  /** This Chromium has no decoder for it: the page says which codecs, instead of staying black. */
  async function assertSaid(mode, stream, codecs) {
    const words = {
      hls: `This browser cannot play the stream's codecs by LL-HLS (${codecs})`,
      webrtc: `the video is H.265 (${codecs.split(',')[0]}), the offer lists`,
    }[mode];
    const page = await browser.open(`${server.url}/${stream}?mode=${mode}`);
    await until(`${mode}: the page says why it stays black`, () => page.evaluate((w) => document.querySelector('unisono-player').shadowRoot.textContent.toLowerCase().includes(w.toLowerCase()), words));
    await page.close();
  }

  for (const { video, audio, codecs, probed, inBrowser } of CASES) {
    it(`${video} and ${audio}`, async (test) => {
      const stream = `live/${video}`;
      const encoder = ffmpeg8Rtmp(server.rtmpUrl(stream), video, audio);
      try {
        await server.live(stream);
        const url = `${server.url}/${stream}/index.m3u8`;
        const playlist = await (await fetch(url)).text();
        assert.equal(/CODECS="([^"]+)"/.exec(playlist)?.[1], codecs);
        assert.match(playlist, /RESOLUTION=320x180/);
        assert.ok(Math.abs(Number(/FRAME-RATE=([0-9.]+)/.exec(playlist)?.[1]) - FPS) < 1, playlist);
        assert.deepEqual(await probe(url), probed);
        assertWhole(await ffmpegHls(url, SECONDS, SIZE));
        // GStreamer 1.22's av1dec fails on the first frame of any live HLS, ffmpeg's as well.
        if (video !== 'av1') await gstreamerHls(url, 'video', 3 * FPS);
        await gstreamerHls(url, 'audio', 100);
        for (const mode of ['hls', 'webrtc']) {
          if (inBrowser) await assertShown(mode, stream, test);
          else await assertSaid(mode, stream, codecs);
        }
      } catch (error) {
        throw new Error(`${error.message}\nencoder: ${encoder.child.words}`, { cause: error });
      } finally {
        await encoder.stop();
      }
    });
  }

  it('H.265 with B-frames: LL-HLS plays, WHEP refuses in words', async () => {
    const encoder = ffmpeg8Rtmp(server.rtmpUrl('live/reordered'), 'hevc-b-frames', 'aac');
    try {
      await server.live('live/reordered');
      const refused = await fetch(`${server.url}/live/reordered/whep`, { method: 'POST', headers: { 'content-type': 'application/sdp' }, body: 'v=0\r\n' });
      assert.equal(refused.status, 406);
      assert.match((await refused.json()).detail, /B-frames/);
      assertWhole(await ffmpegHls(`${server.url}/live/reordered/index.m3u8`, SECONDS, SIZE));
      const view = await until('the stream is described', () => server.stream('live/reordered'));
      assert.equal(view.tracks[0].codec, 'H.265');
      assert.ok(view.notes.some((note) => note.includes('B-frames')) && view.notes.some((note) => note.includes('H.265')), view.notes.join('\n'));
    } finally {
      await encoder.stop();
    }
  });
});
