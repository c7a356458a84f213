// A room of the SDK with a player attached, on a page of another origin: each event once, in order, on the first displayed frame with T >= at.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Browser } from '../lib/chromium.mjs';
import { ffmpegRtmp } from '../lib/publishers.mjs';
import { SdkPage } from '../lib/sdk.mjs';
import { Server } from '../lib/server.mjs';
import { pause, until } from '../lib/until.mjs';

const EVENTS = 6;

/** Runs in the page: a player by `mode`, a room on its frames, and a list of what was told. */
async function join([server, mode]) {
  const { sdk } = window;
  const urls = sdk.streamUrls({ app: 'live', name: 'x' }, server);
  const common = { video: document.querySelector('video'), clockUrl: urls.server };
  const player = mode === 'hls' ? await sdk.watchHls({ ...common, url: urls.hls }) : sdk.watchWebRtc({ ...common, url: urls.whep });
  const room = sdk.joinRoom({ url: server, room: 'live/x', player });
  const told = [];
  let previousT = null;
  room.onEvent(({ event, bound, t, shown, via }) => told.push({ id: event.id, seq: event.seq, at: event.at, bound, t, shown, via, previousT }));
  player.on('frame', ({ t, isExact }) => {
    if (isExact) previousT = t;
  });
  window.here = { player, room, told };
}

describe('a room of the SDK', () => {
  let server, browser, encoder, sdk;
  const pages = {};

  before(async () => {
    server = await Server.start();
    sdk = await SdkPage.start();
    browser = await Browser.launch();
    encoder = ffmpegRtmp(server.rtmpUrl('live/x'));
    await server.live('live/x');
    for (const mode of ['webrtc', 'hls']) {
      pages[mode] = await sdk.open(browser);
      await pages[mode].evaluate(join, [server.url, mode]);
      await until(`${mode} plays and is in the room`, () => pages[mode].evaluate(() => window.here.player.currentT() !== null && window.here.room.status === 'open'));
    }
  });

  after(async () => {
    await encoder?.stop();
    await browser?.close();
    sdk?.stop();
    await server?.stop();
  });

  it('tells events on their frame, by WebRTC and LL-HLS, one of them over the feed and the media alike', async () => {
    const posted = [];
    for (let index = 0; index < EVENTS; index += 1) {
      const { t } = await pages.webrtc.evaluate(() => window.here.player.currentT());
      // Long before, so that a busy machine has posted it before either shows that frame.
      posted.push(await server.post('live/x', { type: 'test.mark', at: t + 15_000_000 + index * 500_000, lane: index % 2 ? 'chat' : 'alert', data: { index } }));
      await pause(200);
    }
    for (const mode of ['webrtc', 'hls']) {
      const told = await until(`${mode} tells them all`, () => pages[mode].evaluate((n) => (window.here.told.length >= n ? window.here.told : null), EVENTS), 120);
      assert.deepEqual(told.map(({ id }) => id), [...posted].sort((a, b) => a.at - b.at || a.seq - b.seq).map(({ id }) => id), `${mode}: once each, in order`);
      for (const { seq, at, bound, t, shown, previousT } of told) {
        assert.ok(bound && shown, `${mode}: event ${seq} is bound to a frame`);
        assert.ok(previousT < at && at <= t, `${mode}: event ${seq} at ${at} on the first frame at or after it: ${previousT}, then ${t}`);
      }
    }
  });

  it('goes on without the picture once nobody publishes', async () => {
    await encoder.stop();
    encoder = null;
    await until('the player waits', () => pages.webrtc.evaluate(() => window.here.player.state === 'waiting'), 90);
    const event = await server.post('live/x', { type: 'test.mark', lane: 'chat', data: 'still here' });
    const told = await until('it is told', () => pages.webrtc.evaluate((id) => window.here.told.find((one) => one.id === id) ?? null, event.id));
    assert.equal(told.bound, false);
  });
});
