// The picture's parameters (SPS, resolution) change while it is live. WebRTC goes on; LL-HLS goes on with a new initialisation segment.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { Browser } from '../lib/chromium.mjs';
import { join, record } from '../lib/flv.mjs';
import { ffmpegRtmp, running } from '../lib/publishers.mjs';
import { Server } from '../lib/server.mjs';
import { until } from '../lib/until.mjs';
import { frames, seen, watch } from '../lib/watch.mjs';

describe('parameters change mid-stream', () => {
  let server, browser, source;

  before(async () => {
    server = await Server.start();
    [browser, source] = [await Browser.launch(), await Browser.launch()];
  });

  after(async () => {
    await browser?.close();
    await source?.close();
    await server?.stop();
  });

  const open = async (stream) => {
    const pages = [await watch(browser, server, stream, 'webrtc'), await watch(browser, server, stream, 'hls')];
    for (const page of pages) await page.evaluate(() => (window.sameDocument = true));
    return pages;
  };

  const width = (page) => page.evaluate(() => window.unisono.player.video.videoWidth);

  /** Every page shows the new size and goes on, without a reload and without going back. */
  async function assertSurvived(pages, isNew) {
    for (const page of pages) {
      await until('the new size is shown', async () => isNew(await width(page)), 180);
      await frames(page, 60);
      assert.ok(await page.evaluate(() => window.sameDocument), 'no reload');
      const { frames: shown } = await seen(page);
      const back = shown.flatMap((frame, i) => (i > 0 && frame.t <= shown[i - 1].t ? [shown[i - 1], frame] : []));
      assert.deepEqual(back, [], `${page.url()}: T goes up (${shown.length} frames)`);
    }
  }

  it('RTMP: a new sequence header in the same connection', async (test) => {
    const [first, second] = [await record('640x360', 30), await record('480x270', 30, 'main')];
    // Two viewers have to come while the first is on: three times over, with the same sequence header, which changes nothing.
    const file = join([first, first, first, second]);
    const encoder = running([spawn('ffmpeg', ['-loglevel', 'error', '-re', '-f', 'flv', '-i', 'pipe:0', '-c', 'copy', '-f', 'flv', server.rtmpUrl('live/rtmp')], { stdio: ['pipe', 'ignore', 'pipe'] })]);
    encoder.child.stdin.on('error', () => {});
    encoder.child.stdin.end(file);
    try {
      await server.live('live/rtmp');
      const pages = await open('live/rtmp');
      for (const page of pages) assert.equal(await width(page), 640);
      await assertSurvived(pages, (now) => now === 480);
      const epochs = new Set((await seen(pages[0])).frames.map((frame) => frame.epoch));
      test.diagnostic(`${epochs.size} epoch(s)`);
      const playlist = await (await fetch(`${server.url}/live/rtmp/hls/video.m3u8`)).text();
      assert.match(playlist, /EXT-X-MAP:URI="[^"]*init-1\.mp4"/);
      for (const page of pages) await page.close();
    } finally {
      await encoder.stop();
    }
  });

  it('WHIP: the browser scales its picture down', async () => {
    const publisher = await source.publish(server, 'live/whip');
    const pages = await open('live/whip');
    const before = await width(pages[0]);
    await publisher.evaluate(async (width) => {
      const sender = window.unisono.publisher.peerConnection.getSenders().find(({ track }) => track.kind === 'video');
      const parameters = sender.getParameters();
      // Half of what is sent now: a busy machine's browser sends less than it draws, and may go down further by itself.
      parameters.encodings[0].scaleResolutionDownBy = (2 * sender.track.getSettings().width) / width;
      await sender.setParameters(parameters);
    }, before);
    await assertSurvived(pages, (now) => now > 0 && now <= before / 2);
    for (const page of [...pages, publisher]) await page.close();
  });

  it('RTMP: the encoder starts again with another size', async () => {
    let encoder = ffmpegRtmp(server.rtmpUrl('live/again'));
    try {
      await server.live('live/again');
      const pages = await open('live/again');
      const again = ffmpegRtmp(server.rtmpUrl('live/again'), { size: '480x270' });
      await encoder.stop();
      encoder = again;
      await assertSurvived(pages, (now) => now === 480);
      for (const page of pages) await page.close();
    } finally {
      await encoder.stop();
    }
  });
});
