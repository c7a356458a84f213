// Players and encoders of other makers: each shows every picture of the stream in order, with sound.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Browser } from '../lib/chromium.mjs';
import { aiortcWhep, ffmpegHls, gstreamerWhep, nativeHls } from '../lib/players.mjs';
import { ffmpegRtmp, gstreamerRtmp } from '../lib/publishers.mjs';
import { Server } from '../lib/server.mjs';
import { frames, hears, watch } from '../lib/watch.mjs';

const FRAMES = 150;
const SILENCE = 500;

const strict = process.env.E2E_STRICT === '1';

describe('players of other makers', () => {
  let server, browser, encoder, url;

  before(async () => {
    server = await Server.start();
    browser = await Browser.launch();
    encoder = ffmpegRtmp(server.rtmpUrl('live/x'));
    await server.live('live/x');
    url = `${server.url}/live/x`;
  });

  after(async () => {
    await encoder?.stop();
    await browser?.close();
    await server?.stop();
  });

  /** Every picture, each once, in order, and sound beside it. */
  function assertWhole({ counters, samples, rate, peak }, least) {
    assert.ok(counters.length >= least, `${counters.length} pictures`);
    const holes = counters.flatMap((n, i) => (i > 0 && n !== counters[i - 1] + 1 ? [`${counters[i - 1]} -> ${n}`] : []));
    // A player on a busy machine leaves late pictures out, or loses datagrams and decodes nothing until the next keyframe; a stream that does not
    // arrive has holes everywhere.
    assert.ok(holes.length <= (strict ? 0 : Math.max(3, counters.length / 3)), `counters go up by one, but for ${holes}`);
    assert.ok(samples > rate, `${samples} samples of sound`);
    assert.ok(peak > SILENCE, `the beep is heard: peak ${peak}`);
  }

  it('aiortc plays WHEP', async () => assertWhole(await aiortcWhep(`${url}/whep`, FRAMES), FRAMES));

  // Its certificate is RSA, unlike a browser's.
  it('GStreamer webrtcbin plays WHEP', async () => assertWhole(await gstreamerWhep(`${url}/whep`, FRAMES), FRAMES));

  // T may be slewed by 5 %: then fewer lie in the seconds.
  it('ffmpeg plays HLS', async () => assertWhole(await ffmpegHls(`${url}/index.m3u8`, 6), 0.85 * 6 * 30));

  it("Chromium's own HLS player plays", async (test) => {
    const page = await browser.open(`${server.url}/healthz`);
    const played = await nativeHls(page, `${url}/index.m3u8`, 5);
    test.diagnostic(JSON.stringify(played));
    assert.equal(played.error, null);
    assert.deepEqual([played.width, played.height], [640, 360]);
    assert.ok(played.media >= 5 && played.frames >= 30, `${played.frames} frames in ${played.media} s`);
    assert.ok(played.audioBytes > 0, 'sound');
    await page.close();
  });

  it('GStreamer publishes by RTMP, and a browser shows it', async () => {
    const other = gstreamerRtmp(server.rtmpUrl('live/gst'));
    try {
      await server.live('live/gst');
      for (const mode of ['webrtc', 'hls']) {
        const page = await watch(browser, server, 'live/gst', mode);
        await frames(page, 60);
        assert.ok((await hears(page)) > 0.02, `${mode}: sound`);
        await page.close();
      }
    } finally {
      await other.stop();
    }
  });
});
